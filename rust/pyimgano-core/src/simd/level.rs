//! The instruction sets, and which of them this CPU has.

use crate::{Error, Result};

/// Names an instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Safe code, left to the compiler.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, VL, DQ and BW.
    Avx512,
    /// NEON, which every CPU of 64-bit ARM has.
    Neon,
}

impl Level {
    /// All of them; of those that one CPU has, the fastest stands last.
    pub const EVERY: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Neon];

    /// How `PYIMGANO_SIMD` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this CPU has it.
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[allow(unreachable_patterns)] // where no other is left
            _ => false,
        }
    }
}

/// A level that this CPU has: holding one is the proof that the loops of that level may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(Level);

impl Simd {
    /// The level named by `PYIMGANO_SIMD` (`portable`, `avx2`, `avx512`, `neon`), else the best there
    /// is.
    ///
    /// The variable is read at every call, and asking for what the CPU lacks is an error.
    pub fn from_env() -> Result<Self> {
        match std::env::var("PYIMGANO_SIMD") {
            Ok(name) if !name.trim().is_empty() => {
                let asked = name.trim().to_ascii_lowercase();
                let Some(level) = Level::EVERY.into_iter().find(|level| level.name() == asked)
                else {
                    return Err(Error::Argument(format!(
                        "PYIMGANO_SIMD must be portable, avx2, avx512 or neon, got {name:?}"
                    )));
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
        level.is_here().then_some(Self(level))
    }

    /// The fastest level of this CPU.
    pub fn best() -> Self {
        Level::EVERY.into_iter().rev().find_map(Self::new).unwrap_or(Self(Level::Portable))
    }

    /// All levels of this CPU, for tests that compare them.
    pub fn all() -> Vec<Self> {
        Level::EVERY.into_iter().filter_map(Self::new).collect()
    }

    /// The level's name.
    pub fn level(self) -> Level {
        self.0
    }

    /// Whether products of bytes are faster than those of float32: AVX-512 VNNI, or NEON with the
    /// dot product of ARMv8.2.
    pub(crate) fn has_bytes(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => std::arch::is_aarch64_feature_detected!("dotprod"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_level_is_one_of_this_cpu() {
        assert_eq!(Simd::all().first(), Some(&Simd(Level::Portable)));
        assert_eq!(Simd::all().last(), Some(&Simd::best()));
        let arm = cfg!(target_arch = "aarch64");
        assert_eq!(Simd::new(Level::Neon), arm.then_some(Simd(Level::Neon)));
        assert!(!(arm && Simd::new(Level::Avx2).is_some()));
        assert!(!Simd(Level::Portable).has_bytes());
    }
}
