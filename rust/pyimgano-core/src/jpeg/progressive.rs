//! The scans of progressive pictures.

use std::ops::Range;

use super::bits::Bits;
use super::fault::{CODE, Checked, INDEX, MEAN, RUN};
use super::frame::Band;
use super::huffman::Table;
use super::scan::Units;

/// First bits of the means: a code for each block.
pub struct FirstMeans<'a> {
    /// Of each component of the scan: its table, and the largest mean that 8-bit pixels can have.
    pub tables: Vec<(&'a Table, i32)>,
    /// By block of a unit: its component.
    pub blocks: Vec<usize>,
    /// The bits are those from this one on.
    pub lowest: u8,
}

impl Units for FirstMeans<'_> {
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()> {
        let mut means = [0_i32; 4];
        for _ in units {
            bits.check()?;
            for &number in &self.blocks {
                let (table, limit) = self.tables[number];
                let mean = &mut means[number & 3];
                *mean += table.difference(bits)?;
                if mean.abs() > (limit >> self.lowest) + 1 {
                    return Err(MEAN);
                }
            }
        }
        Ok(())
    }
}

/// A further bit of the means: one for each block.
pub struct FurtherMeans {
    /// Blocks of a unit, at most ten.
    pub blocks: u32,
}

impl Units for FurtherMeans {
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()> {
        for _ in units {
            bits.check()?;
            bits.refill();
            bits.skip(self.blocks);
        }
        Ok(())
    }
}

/// Coefficients of one component; blocks without anything new are counted in runs.
pub struct OneBand<'a> {
    pub table: &'a Table,
    pub band: Band,
    /// By block: which coefficients are not zero.
    pub nonzero: &'a mut [u64],
    /// Blocks in a row of the picture.
    pub across: usize,
    pub runs: Runs,
}

impl OneBand<'_> {
    fn first(&mut self, bits: &mut Bits<'_>, index: usize) -> Checked<()> {
        let mut place = self.band.first;
        while place <= self.band.last {
            let symbol = self.table.symbol(bits)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.runs.begin(bits, run, place == self.band.first);
                return Ok(());
            }
            place += run;
            if place > self.band.last {
                return Err(INDEX);
            }
            if size > 0 {
                bits.skip(size);
                self.nonzero[index] |= 1 << place;
            }
            place += 1;
        }
        Ok(())
    }

    /// A correction bit for each coefficient that is known; new ones between them.
    ///
    /// Returns the coefficients that a run leaves: only their corrections are to come.
    fn further(&mut self, bits: &mut Bits<'_>, index: usize, band: u64) -> Checked<u64> {
        let known = self.nonzero[index] & band;
        let mut ahead = band;
        while ahead != 0 {
            let symbol = self.table.symbol(bits)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match size {
                0 if run < 15 => {
                    self.runs.begin(bits, run, ahead == band);
                    return Ok(ahead);
                }
                0 => {}
                1 => bits.skip(1),
                _ => return Err(CODE),
            }
            let mut free = ahead & !known;
            for _ in 0..run {
                free &= free.wrapping_sub(1);
            }
            if free == 0 {
                return Err(INDEX);
            }
            let place = free.trailing_zeros();
            let passed = (1 << place) - 1;
            bits.skip_many((known & ahead & passed).count_ones());
            ahead &= !passed & !(1 << place);
            if size == 1 {
                self.nonzero[index] |= 1 << place;
            }
        }
        Ok(0)
    }

    fn block(&mut self, bits: &mut Bits<'_>, index: usize) -> Checked<()> {
        if self.band.before == 0 {
            if self.runs.left == 0 {
                self.first(bits, index)?;
            }
        } else {
            let band = (u64::MAX >> (63 - self.band.last)) & (u64::MAX << self.band.first);
            let known = self.nonzero[index];
            let ahead = if self.runs.left == 0 { self.further(bits, index, band)? } else { band };
            let corrections = (known & ahead).count_ones();
            bits.skip_many(corrections);
            self.runs.corrections += corrections;
        }
        self.runs.end_block((index + 1).is_multiple_of(self.across));
        Ok(())
    }
}

impl Units for OneBand<'_> {
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()> {
        self.runs = Runs::default();
        for index in units {
            bits.check()?;
            self.block(bits, index)?;
        }
        self.runs.finish()
    }
}

/// Runs of blocks that hold nothing new.
///
/// An encoder that counts blocks at all counts as many at once as it can: where one run follows
/// the other without need, the data are not what the encoder wrote.
#[derive(Debug, Default)]
pub struct Runs {
    /// Blocks to come in the current one, this one included.
    left: u32,
    length: u32,
    /// Correction bits in the current one: an encoder has room for so many.
    corrections: u32,
    /// The block before ended a run that could have gone on.
    open: bool,
    long: bool,
    split: bool,
}

impl Runs {
    /// Longest run that a code can tell.
    const LONGEST: u32 = 0x7FFF;
    /// Fewer than any encoder has room for.
    const CORRECTIONS: u32 = 256;

    fn begin(&mut self, bits: &mut Bits<'_>, size: u32, whole_block: bool) {
        self.length = (1 << size) + bits.take(size);
        self.left = self.length;
        self.corrections = 0;
        self.long |= self.length > 1;
        self.split |= self.open && whole_block;
    }

    fn end_block(&mut self, last_of_row: bool) {
        let in_run = self.left > 0;
        self.left = self.left.saturating_sub(1);
        let full = self.length == Self::LONGEST || self.corrections >= Self::CORRECTIONS;
        self.open = in_run && self.left == 0 && !full && !last_of_row;
    }

    fn finish(&self) -> Checked<()> {
        let whole = self.left == 0 && !(self.long && self.split);
        if whole { Ok(()) } else { Err(RUN) }
    }
}
