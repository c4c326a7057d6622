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

mod bins;
mod collect;
mod pixels;
mod plan;
mod planes;
mod score;
mod sweep;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use pixels::{PixelMetrics, Vertex, pixel_curves, pixel_metrics, pro_vertices};
pub use planes::Plane;
pub use score::Score;
