//! One scan: its units, its restart intervals, and the blocks of pictures that are not progressive.

use std::ops::Range;

use super::bits::{Bits, Filling, Interval};
use super::huffman::{END, Steps, Table};
use super::{BLANK, Checked, INDEX, MEAN, RESTART, SURPLUS};

/// What a scan consists of.
pub trait Units {
    /// Steps over the units between two restart markers.
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()>;
}

/// Steps over all units; returns where the marker after them begins.
///
/// `restarts` is the number of units between restart markers; 0: there are none. `filling` is what
/// the file's first interval was filled up with: an encoder does not change its mind.
pub fn walk(
    data: &[u8],
    mut at: usize,
    count: usize,
    restarts: usize,
    filling: &mut Option<Filling>,
    units: &mut dyn Units,
) -> Checked<usize> {
    let step = if restarts == 0 { count } else { restarts };
    let mut first = 0;
    let mut interval = Interval::default();
    for number in 0_usize.. {
        let stop = count.min(first + step);
        at = interval.fill(data, at)?;
        let mut bits = interval.bits();
        units.interval(&mut bits, first..stop)?;
        if let Some(found) = bits.finish()?
            && (found == Filling::Mixed || *filling.get_or_insert(found) != found)
        {
            return Err(SURPLUS);
        }
        if stop == count {
            break;
        }
        at = after_restart(data, at, (number & 7) as u8)?;
        first = stop;
    }
    Ok(at)
}

fn after_restart(data: &[u8], at: usize, number: u8) -> Checked<usize> {
    let filled = data.get(at..).ok_or(RESTART)?;
    let fill = filled.iter().take_while(|&&byte| byte == 0xFF).count();
    if fill == 0 || filled.get(fill) != Some(&(0xD0 + number)) {
        return Err(RESTART);
    }
    Ok(at + fill + 1)
}

/// What the blocks of one component need.
pub struct Tables<'a> {
    pub dc: &'a Table,
    pub ac: &'a Table,
    pub steps: &'a Steps,
    /// Largest mean that 8-bit pixels can have, in the units of the component.
    pub limit: i32,
}

/// Blocks that hold all of their coefficients.
pub struct Sequential<'a> {
    /// The tables of each component of the scan.
    pub tables: Vec<Tables<'a>>,
    /// By block of a unit: its component.
    pub blocks: Vec<usize>,
}

impl Units for Sequential<'_> {
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()> {
        let (mut means, mut blank) = ([0_i32; 4], 0_u32);
        for _ in units {
            bits.check()?;
            for &number in &self.blocks {
                let tables = &self.tables[number];
                let mean = &mut means[number & 3];
                *mean += tables.dc.difference(bits)?;
                if mean.abs() > tables.limit {
                    return Err(MEAN);
                }
                bits.refill();
                blank = if bits.window() == 0 { blank + 1 } else { 0 };
                let full = coefficients(bits, tables)?;
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

/// Steps over the coefficients of a block but its mean; whether the last one of them is there.
#[inline(always)]
fn coefficients(bits: &mut Bits<'_>, tables: &Tables<'_>) -> Checked<bool> {
    const BEYOND: u32 = END as u32;
    let mut index = 1_u32;
    loop {
        bits.refill();
        // A step takes up to 26 bits: two need no refill between them.
        for _ in 0..2 {
            let step = tables.steps.look(bits.window());
            let next = index + u32::from(step.advance);
            if next < 64 {
                bits.skip(u32::from(step.total));
                index = next;
                continue;
            }
            if next == 64 || (BEYOND < next && next < BEYOND + 64) {
                bits.skip(u32::from(step.total));
                return Ok(next == 64);
            }
            // One code by itself: it is long, or others after it belong to the next block.
            let entry = tables.ac.look(bits.window())?;
            bits.skip(u32::from(entry.total));
            index += u32::from(entry.advance);
            match index {
                0..64 => {}
                64 => return Ok(true),
                65..=BEYOND => return Err(INDEX),
                _ => return Ok(false),
            }
        }
    }
}
