//! One scan: its units and its restart intervals.

use std::ops::Range;

use super::bits::{Bits, Filling, Interval};
use super::fault::{Checked, RESTART, SURPLUS};

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
