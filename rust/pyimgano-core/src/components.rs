//! Connected components: labelling, per-component statistics, and the filter of anomaly maps.
//!
//! 1. *Bits*: a row of pixels becomes a row of bits.
//! 2. *Runs*: a row of bits becomes runs of ones.
//! 3. *Join*: runs of neighbouring rows that touch are joined by union-find.
//! 4. *Label*: components are numbered by their first pixel in raster order, and painted, measured or
//!    filtered run by run.
//!
//! Source: L. He, Y. Chao and K. Suzuki, "A run-based two-scan labeling algorithm", IEEE Transactions
//! on Image Processing 17(5), 2008.
//!
//! ```
//! use pyimgano_core::Silent;
//! use pyimgano_core::components::{Connectivity, label};
//!
//! let mask = [1, 0, 1, //
//!             0, 1, 0];
//! let mut labels = [0; 6];
//! assert_eq!(label(&mask, &mut labels, 3, Connectivity::Four, &Silent)?, 3);
//! assert_eq!(labels, [1, 0, 2, 0, 3, 0]);
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

mod filter;
mod label;
mod runs;
mod stats;

pub use filter::{Keep, filter};
pub use label::{Component, Components, Connectivity, label};
pub use runs::Run;
pub use stats::{Stats, stats};
