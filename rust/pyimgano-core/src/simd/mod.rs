//! Which instructions to use, decided at run time, and the loops written for each choice.
//!
//! Every loop exists three times, and all three give the same answers: sums that decide something
//! are float64 in one fixed order ([`Simd::squared_distance`]).

mod exact;
#[cfg(target_arch = "x86_64")]
mod exact_x86;

use crate::{Error, Result};

/// Names an instruction set, fastest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Safe code, left to the compiler.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, VL, DQ and BW.
    Avx512,
}

/// A level that this CPU has: holding one is the proof that the loops of that level may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(Level);

impl Simd {
    /// The level named by `PYIMGANO_SIMD` (`portable`, `avx2`, `avx512`), else the best there is.
    ///
    /// The variable is read at every call, and asking for what the CPU lacks is an error.
    pub fn from_env() -> Result<Self> {
        match std::env::var("PYIMGANO_SIMD") {
            Ok(name) if !name.trim().is_empty() => {
                let level = match name.trim().to_ascii_lowercase().as_str() {
                    "portable" => Level::Portable,
                    "avx2" => Level::Avx2,
                    "avx512" => Level::Avx512,
                    _ => {
                        return Err(Error::Argument(format!(
                            "PYIMGANO_SIMD must be portable, avx2 or avx512, got {name:?}"
                        )));
                    }
                };
                Self::new(level).ok_or_else(|| {
                    Error::Argument(format!("PYIMGANO_SIMD is {name:?}, but this CPU lacks it"))
                })
            }
            _ => Ok(Self::best()),
        }
    }

    /// `level`, if this CPU has it.
    pub fn new(level: Level) -> Option<Self> {
        (level <= Self::best().0).then_some(Self(level))
    }

    /// The fastest level of this CPU.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            if avx2 && avx512 {
                return Self(Level::Avx512);
            }
            if avx2 {
                return Self(Level::Avx2);
            }
        }
        Self(Level::Portable)
    }

    /// All levels of this CPU, for tests that compare them.
    pub fn all() -> Vec<Self> {
        [Level::Portable, Level::Avx2, Level::Avx512].into_iter().filter_map(Self::new).collect()
    }

    /// The level's name.
    pub fn level(self) -> Level {
        self.0
    }

    /// Squared Euclidean distance of two rows of equal length: *the* distance of this crate.
    ///
    /// Differences of the values widened to float64 are squared and added in float64: column i in
    /// running sum i mod 16, then sums j and j + 8, j + 4, j + 2, j + 1. Same bits at every level.
    #[inline]
    pub fn squared_distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len(), "rows of different lengths have no distance");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a Simd of this level exists only where the CPU has it; lengths are equal.
            Level::Avx512 => unsafe { exact_x86::avx512(a, b) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { exact_x86::avx2(a, b) },
            _ => exact::portable(a, b),
        }
    }
}
