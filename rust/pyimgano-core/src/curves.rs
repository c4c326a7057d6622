//! AUROC, average precision, the best F1 and AUPRO of anomaly maps, exact, in one sweep.
//!
//! Every distinct score is a threshold and ties are one step. Only the scores of *defect* pixels
//! have to be in order: between two of them PRO and recall stand still and nothing but the count
//! of normal pixels grows, so normal pixels are only counted, in the bins that the distinct defect
//! scores cut out. AUPRO follows MVTec AD's published evaluation: 8-connected regions of each
//! mask, every pixel of a region weighs 1 / its area, the false-positive rate is taken over all
//! normal pixels of all images, and the curve is interpolated linearly at the limit.
//!
//! Counts are integers and region weights are fixed-point, so neither the number of threads nor
//! the order of the images' processing can change a result.
//!
//! 1. *Collect*: the scores of the defect pixels, with the weights of their regions.
//! 2. *Bins*: the distinct defect scores, in ascending order, cut out the bins.
//! 3. *Count*: each normal pixel is counted in its bin.
//! 4. *Sweep*: from the highest bin to the lowest, all four curves are followed at once.
//!
//! sPRO takes the highest scores of each defect, as many as its saturation, and follows the same
//! sweep. AUPIMO needs, of the good images, only the few scores above its highest rate.
//!
//! Source: P. Bergmann et al., "The MVTec Anomaly Detection Dataset", International Journal of
//! Computer Vision 129, 2021.
//!
//! ```
//! use pyimgano_core::Silent;
//! use pyimgano_core::curves::{Plane, pixel_metrics};
//!
//! let (mask, map) = ([0, 0, 1, 1], [0.1_f32, 0.4, 0.3, 0.9]);
//! let plane = Plane::new(&mask, &map, 2, 2)?;
//! let metrics = pixel_metrics(&[plane], 1.0, None, &Silent)?;
//! assert_eq!(metrics.auroc, 0.75);
//! assert!((metrics.f1_max - 0.8).abs() < 1e-12);
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

mod aupimo;
mod bins;
mod collect;
mod flagged;
mod pixels;
mod plan;
mod planes;
mod saturation;
mod scan;
mod segment;
mod sweep;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use crate::score::Score;
pub use flagged::Flagged;
pub use pixels::{Ask, Found, PixelMetrics, Vertex, pixel_curves, pixel_metrics, pro_vertices};
pub use planes::Plane;
pub use saturation::Defect;
