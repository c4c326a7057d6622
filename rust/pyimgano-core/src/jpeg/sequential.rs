//! The blocks of pictures that are not progressive.

use super::bits::Bits;
use super::fault::{BLANK, Checked, INDEX, MEAN};
use super::huffman::{END, Steps, Table};

/// What the blocks of one component need.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    pub dc: &'a Table,
    pub ac: &'a Table,
    pub steps: &'a Steps,
    /// Largest mean that 8-bit pixels can have, in the units of the component.
    pub limit: i32,
}

impl Tables<'_> {
    /// Steps over the coefficients of a block but its mean; whether the last of them is there.
    #[inline(always)]
    pub fn coefficients(&self, bits: &mut Bits<'_>) -> Checked<bool> {
        let mut index = 1_u32;
        loop {
            bits.refill();
            // A step takes up to 26 bits: two need no refill between them.
            for _ in 0..2 {
                let step = self.steps.look(bits.window());
                let next = index + (step >> 8);
                if next < 64 {
                    bits.skip(step & 0xFF);
                    index = next;
                    continue;
                }
                if next == 64 || (END < next && next < END + 64) {
                    bits.skip(step & 0xFF);
                    return Ok(next == 64);
                }
                // One code by itself: it is long, or others after it belong to the next block.
                let entry = self.ac.look(bits.window())?;
                bits.skip(entry.total());
                index += entry.step() >> 8;
                match index {
                    0..64 => {}
                    64 => return Ok(true),
                    65..=END => return Err(INDEX),
                    _ => return Ok(false),
                }
            }
        }
    }
}

/// Blocks that hold all of their coefficients.
pub struct Sequential<'a> {
    /// The tables of each component of the scan.
    pub tables: Vec<Tables<'a>>,
    /// By block of a unit: its component.
    pub blocks: Vec<usize>,
}

/// How far a walk over an interval has come: to the start of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Bits that were stepped over.
    pub place: usize,
    pub units: usize,
    pub means: [i32; 4],
}

impl Sequential<'_> {
    /// Steps over the rest of an interval of so many units.
    pub fn walk_from(&self, from: Reached, bits: &mut Bits<'_>, units: usize) -> Checked<()> {
        bits.go_to(from.place);
        let (mut means, mut blank) = (from.means, 0_u32);
        for _ in from.units..units {
            bits.check()?;
            for &part in &self.blocks {
                let tables = &self.tables[part];
                let mean = &mut means[part & 3];
                *mean += tables.dc.difference(bits)?;
                if mean.abs() > tables.limit {
                    return Err(MEAN);
                }
                bits.refill();
                blank = if bits.window() == 0 { blank + 1 } else { 0 };
                let full = tables.coefficients(bits)?;
                if !full {
                    blank = 0;
                } else if blank > 2 {
                    return Err(BLANK);
                }
            }
        }
        Ok(())
    }
}
