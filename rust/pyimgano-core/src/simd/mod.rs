//! Which instructions to use, decided at run time, and the loops written for each choice.
//!
//! Every loop has a portable form; those that take most of the time have others for AVX2, AVX-512 and
//! NEON or, where they multiply bytes, AVX-512 VNNI and the dot product of ARMv8.2. Results do not
//! depend on the choice: what decides is a sum in float64 in one fixed order
//! ([`Simd::squared_distance`]) or one of whole numbers, and float32 only serves for bounds that
//! allow for its rounding.

mod bytes;
#[cfg(target_arch = "aarch64")]
mod bytes_neon;
#[cfg(target_arch = "x86_64")]
mod bytes_x86;
mod dispatch;
mod exact;
#[cfg(target_arch = "aarch64")]
mod exact_neon;
#[cfg(target_arch = "x86_64")]
mod exact_x86;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
#[cfg(target_arch = "aarch64")]
mod panel_neon;
#[cfg(target_arch = "x86_64")]
mod panel_x86;

pub(crate) use bytes::BYTES;
pub(crate) use dispatch::Scaled;
pub use level::{Level, Simd};
pub use panel::{PANEL, Queries};
