//! Networks of convolutions on images, in float32.
//!
//! 1. Maps lie in blocks of sixteen channels with a border of zeros (`layout.rs`), so that a block
//!    is one or two registers and the padding needs no case of its own.
//! 2. A kernel of 3 x 3 with stride 1 is computed at the 36 points of Winograd's F(4 x 4, 3 x 3)
//!    (`winograd.rs`); all others place by place (`direct.rs`).
//! 3. Both add up products input channel by input channel, for some pixels and 16 or 32 output
//!    channels at once whose sums stay in registers (`tile.rs`). What is added is fixed for each
//!    output, and its order too: only who computes it depends on threads and images.
//! 4. A residual, if there is one, is added to what leaves the registers, and negative values become 0.
//! 5. The items of a convolution are shared out among the threads; the next one begins when all are
//!    done. Where there are as many images as threads, each thread takes images of its own.
//!
//! AVX2, AVX-512 and NEON give the same bits, with fused multiply-adds. So do other CPUs that have
//! them; the portable loops on x86-64 round product and sum each, which differs in the last digits.
//! NaN and infinities pass through: one pixel of them makes NaN of the outputs that it reaches, and,
//! because of Winograd's tiles, of some beside them.
//!
//! ```
//! use pyimgano_core::convolution::{Convolution, Network};
//! use pyimgano_core::Silent;
//!
//! // The mean of 3 x 3 pixels, zeros beyond the border.
//! let mean = Convolution {
//!     weights: &[1.0 / 9.0; 9],
//!     shape: [1, 1, 3, 3],
//!     bias: &[0.0],
//!     stride: 1,
//!     source: 0,
//!     residual: None,
//!     relu: false,
//! };
//! let network = Network::new(1, &[mean], &[0])?;
//! let maps = network.run(&[9.0; 12], [1, 3, 4], None, &Silent)?;
//! assert_eq!(maps[0].shape, [3, 4, 1]);
//! assert!((maps[0].values[5] - 9.0).abs() < 1e-5);
//! assert!((maps[0].values[0] - 4.0).abs() < 1e-5);
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

mod block;
#[cfg(target_arch = "aarch64")]
mod block_neon;
#[cfg(target_arch = "x86_64")]
mod block_x86;
mod direct;
mod job;
mod layer;
mod layout;
mod network;
mod plan;
mod tile;
mod winograd;

pub use layer::Convolution;
pub use network::{Map, Network};

#[cfg(test)]
mod tests;
