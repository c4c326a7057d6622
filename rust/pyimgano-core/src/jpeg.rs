//! Whether a JPEG's data is whole, bit by bit.
//!
//! A decoder goes on after damage and fills the rest of the picture with what it makes of it. Here
//! every scan is walked without making pixels: each code must exist, each block must hold at most 64
//! coefficients, each restart interval must hold its blocks and end exactly at its marker, and all
//! scans that the picture needs must be there. What comes after the end marker is nobody's business:
//! cameras put previews and films there.
//!
//! 1. *Segments*: the headers say which tables and scans there are.
//! 2. *Scan*: each restart interval is freed from its stuffing and walked, block by block.
//! 3. *Lanes*: a long interval is walked at several places at once.
//!
//! Source: ITU-T Recommendation T.81, annexes B, F and G.
//!
//! ```
//! use pyimgano_core::jpeg::{Fault, check};
//!
//! assert_eq!(check(b"\xFF\xD8"), Err(Fault::Damaged("its data end too early")));
//! ```

mod bits;
mod fault;
mod frame;
mod huffman;
mod lanes;
mod progressive;
mod scan;
mod segments;
mod sequential;

pub use fault::Fault;
pub use segments::{Summary, check};
