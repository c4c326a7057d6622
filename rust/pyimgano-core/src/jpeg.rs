//! Whether a JPEG's data is whole, bit by bit.
//!
//! A decoder goes on after damage and fills the rest of the picture with what it makes of it. Here
//! every scan is walked without making pixels: each code must exist, each block must hold at most 64
//! coefficients, each restart interval must hold its blocks and end exactly at its marker, and all
//! scans that the picture needs must be there. What comes after the end marker is nobody's business:
//! cameras put previews and films there.

mod bits;
mod frame;
mod huffman;
mod progressive;
mod scan;
mod segments;

pub use segments::check;

use std::fmt;

/// What the headers of a whole JPEG say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey), 3 (colour) or 4 (CMYK).
    pub components: usize,
}

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the rules of its format.
    Damaged(&'static str),
    /// It is healthy as far as can be told, but of a kind that is not read.
    Unsupported(&'static str),
    /// There is no memory to check it.
    Memory,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(text) | Self::Unsupported(text) => f.write_str(text),
            Self::Memory => f.write_str("not enough memory to check it"),
        }
    }
}

impl std::error::Error for Fault {}

pub(crate) type Checked<T> = Result<T, Fault>;

/// Most parts that the data of a picture may come in; encoders use about ten.
const MAX_SCANS: usize = 256;

const CUT: Fault = Fault::Damaged("its data end too early");
const CODE: Fault = Fault::Damaged("its data hold a code that does not exist");
const INDEX: Fault = Fault::Damaged("a block holds more than 64 coefficients");
const RUN: Fault = Fault::Damaged("a run of empty blocks is too long or in pieces");
const SURPLUS: Fault = Fault::Damaged("data are left over after the last block");
const RESTART: Fault = Fault::Damaged("a restart marker is missing or out of order");
const SEGMENT: Fault = Fault::Damaged("a header segment is damaged");
const TABLE: Fault = Fault::Damaged("a Huffman or quantization table is damaged or missing");
const SCANS: Fault = Fault::Damaged("a scan is missing, repeated or out of order");
const MEAN: Fault = Fault::Damaged("a block is brighter than white or darker than black");
const BLANK: Fault = Fault::Damaged("a stretch of its data is blank");
