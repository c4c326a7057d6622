//! Why a file is refused.

use std::fmt;

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

pub type Checked<T> = Result<T, Fault>;

pub const CUT: Fault = Fault::Damaged("its data end too early");
pub const CODE: Fault = Fault::Damaged("its data hold a code that does not exist");
pub const INDEX: Fault = Fault::Damaged("a block holds more than 64 coefficients");
pub const RUN: Fault = Fault::Damaged("a run of empty blocks is too long or in pieces");
pub const SURPLUS: Fault = Fault::Damaged("data are left over after the last block");
pub const RESTART: Fault = Fault::Damaged("a restart marker is missing or out of order");
pub const SEGMENT: Fault = Fault::Damaged("a header segment is damaged");
pub const TABLE: Fault = Fault::Damaged("a Huffman or quantization table is damaged or missing");
pub const SCANS: Fault = Fault::Damaged("a scan is missing, repeated or out of order");
pub const MEAN: Fault = Fault::Damaged("a block is brighter than white or darker than black");
pub const BLANK: Fault = Fault::Damaged("a stretch of its data is blank");
