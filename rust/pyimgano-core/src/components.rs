//! Connected components: labelling, per-component statistics, and the filter of anomaly maps.
//!
//! A row of pixels becomes a bit row, a bit row becomes runs, and runs of neighbouring rows are
//! joined by union-find. Components are numbered by their first pixel in raster order.

mod filter;
mod label;
mod runs;
mod stats;

pub use filter::{Keep, filter};
pub use label::{Component, Components, Connectivity, label};
pub use runs::Run;
pub use stats::{Stats, stats};

use crate::{Error, Result};

/// Work on fewer pixels than this is over before anyone could stop it.
const QUICK: usize = 1 << 20;

/// Refuses a shape that does not fit `len` values, or has more pixels than an `i32` can number.
pub(crate) fn check_shape(len: usize, height: usize, width: usize) -> Result<()> {
    if height.checked_mul(width) != Some(len) {
        return Err(Error::Argument(format!("{len} values do not make {height} x {width} pixels")));
    }
    if len > i32::MAX as usize {
        return Err(Error::Argument(format!(
            "an image of {height} x {width} has more than {} pixels",
            i32::MAX
        )));
    }
    Ok(())
}
