//! Figures and curves of the pixels of a test set.

use super::aupimo::{aupimo, check_rates};
use super::flagged::{Flagged, flagged};
use super::planes::{Plane, largest_below};
use super::saturation::{Defect, check_defects};
use super::scan::{Passed, Scan, with_scan};
use super::sweep::Sweep;
use crate::score::Score;
use crate::{Error, Monitor, Result, memory};

/// All pixel-level figures of a test set; all NaN where there is no defect or no normal pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelMetrics {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Average precision (not interpolated).
    pub ap: f64,
    /// The best F1 of any threshold.
    pub f1_max: f64,
    /// `score > f1_threshold` has that F1: a cut midway between two adjacent scores of the set.
    pub f1_threshold: f64,
    /// Area under the PRO curve up to the limit, divided by the limit.
    pub aupro: f64,
}

const UNDEFINED: PixelMetrics = PixelMetrics {
    auroc: f64::NAN,
    ap: f64::NAN,
    f1_max: f64::NAN,
    f1_threshold: f64::NAN,
    aupro: f64::NAN,
};

/// A vertex of the PRO curve: what `score > threshold` flags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vertex {
    /// Share of all normal pixels that is flagged.
    pub fpr: f64,
    /// Mean share of each region that is flagged.
    pub pro: f64,
    /// Infinity at the first vertex, minus infinity at the last one.
    pub threshold: f64,
}

/// What [`pixel_curves`] is asked for beside [`PixelMetrics`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// False-positive rates up to which the areas under PRO and sPRO are taken.
    pub limits: &'a [f64],
    /// The defects of sPRO.
    pub defects: &'a [Defect<'a>],
    /// The two false-positive rates of AUPIMO.
    pub low_rates: Option<[f64; 2]>,
    /// Where to count what is flagged: `score > threshold`.
    pub threshold: Option<f64>,
}

/// What [`pixel_curves`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// With the AUPRO of the first limit; NaN without limits.
    pub metrics: PixelMetrics,
    /// Areas under the PRO curve, one for each limit.
    pub aupro: Vec<f64>,
    /// Areas under the curve of saturated overlap, likewise; NaN without defects.
    pub spro: Vec<f64>,
    /// AUPIMO of each image; NaN for a good one, and where there is no good one.
    pub aupimo: Vec<f64>,
    /// What is flagged of each image; empty without a threshold.
    pub flagged: Vec<Flagged>,
    /// As [`pro_vertices`] gives them.
    pub curve: Vec<Vertex>,
}

/// The figures of all images together.
///
/// Extra memory: at most the maps' size (but a few megabytes for small sets),
/// plus the runs of one mask per thread. Where more defect scores are distinct than fit, the maps
/// are read several times.
pub fn pixel_metrics<T: Score>(
    planes: &[Plane<'_, T>],
    integration_limit: f64,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<PixelMetrics> {
    check_limit("integration_limit", integration_limit)?;
    with_scan(planes, n_threads, monitor, |scan| {
        Ok(match scan.figures(&[integration_limit], &[], |_, _| Ok(()))? {
            Some((metrics, _)) => metrics,
            None => UNDEFINED,
        })
    })
}

/// What [`pixel_metrics`] and [`pro_vertices`] give, and more, from one sweep over the pixels.
pub fn pixel_curves<T: Score>(
    planes: &[Plane<'_, T>],
    ask: Ask<'_>,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<Found> {
    ask.limits.iter().try_for_each(|&limit| check_limit("each of limits", limit))?;
    check_defects(planes, ask.defects)?;
    ask.low_rates.map_or(Ok(()), check_rates)?;
    with_scan(planes, n_threads, monitor, |scan| {
        let mut curve = Curve::new();
        let swept =
            scan.figures(ask.limits, ask.defects, |sweep, at| curve.pass::<T>(sweep, at))?;
        let nowhere = || memory::filled(ask.limits.len(), f64::NAN);
        let (metrics, aupro, spro, curve) = match swept {
            Some((metrics, sweep)) => {
                let (aupro, spro) = (sweep.aupro(), sweep.spro());
                (metrics, memory::collected(aupro)?, memory::collected(spro)?, curve.end()?)
            }
            None => (UNDEFINED, nowhere()?, nowhere()?, Vec::new()),
        };
        let aupimo = match ask.low_rates {
            Some(rates) => aupimo(planes, rates, scan.progress)?,
            None => Vec::new(),
        };
        let flagged = match ask.threshold {
            Some(threshold) => flagged(planes, threshold, scan.simd, scan.progress)?,
            None => Vec::new(),
        };
        Ok(Found { metrics, aupro, spro, aupimo, flagged, curve })
    })
}

/// The exact PRO curve from (0, 0) to (1, 1): its vertices, points on straight stretches left out.
/// Empty where there is no defect or no normal pixel.
///
/// Extra memory as for [`pixel_metrics`], and at most 48 bytes per distinct defect score.
pub fn pro_vertices<T: Score>(
    planes: &[Plane<'_, T>],
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<Vec<Vertex>> {
    with_scan(planes, n_threads, monitor, |scan| {
        let mut curve = Curve::new();
        match scan.run(&[], &[], |sweep, at| curve.pass::<T>(sweep, &at))? {
            Some(_) => curve.end(),
            None => Ok(Vec::new()),
        }
    })
}

/// The vertices so far.
struct Curve(Vec<Vertex>);

impl Curve {
    fn new() -> Self {
        Self(vec![Vertex { fpr: 0.0, pro: 0.0, threshold: f64::INFINITY }])
    }

    /// Takes a defect score: the vertices before and after it.
    fn pass<T: Score>(&mut self, sweep: &Sweep, at: &Passed<T::Key>) -> Result<()> {
        let score = T::from_key(at.key);
        let (fpr, pro) = at.before;
        self.push(Vertex { fpr, pro, threshold: score.as_f64() })?;
        let threshold = score.below().as_f64();
        self.push(Vertex { fpr: sweep.fpr(), pro: sweep.pro(), threshold })
    }

    fn end(mut self) -> Result<Vec<Vertex>> {
        self.push(Vertex { fpr: 1.0, pro: 1.0, threshold: f64::NEG_INFINITY })?;
        Ok(self.0)
    }

    fn push(&mut self, vertex: Vertex) -> Result<()> {
        if self.0.last().is_none_or(|last| (last.fpr, last.pro) != (vertex.fpr, vertex.pro)) {
            memory::room(&mut self.0, 1)?;
            self.0.push(vertex);
        }
        Ok(())
    }
}

fn check_limit(name: &str, limit: f64) -> Result<()> {
    if limit > 0.0 && limit <= 1.0 {
        return Ok(());
    }
    Err(Error::Argument(format!("{name} must be above 0 and at most 1, got {limit}")))
}

impl<T: Score> Scan<'_, T> {
    /// All figures, and the sweep, which told `passed` of each defect score; `None` where a class
    /// is missing.
    fn figures(
        &self,
        limits: &[f64],
        defects: &[Defect<'_>],
        mut passed: impl FnMut(&Sweep, &Passed<T::Key>) -> Result<()>,
    ) -> Result<Option<(PixelMetrics, Sweep)>> {
        let (mut best, mut next) = (None, None);
        let swept = self.run(limits, defects, |sweep, at| {
            if at.better_f1 {
                (best, next) = (Some(at.key), at.next);
            }
            passed(sweep, &at)
        })?;
        let (Some(sweep), Some(best)) = (swept, best) else {
            return Ok(None);
        };
        let high = T::from_key(best);
        let low = match next {
            Some(next) => Some(T::from_key(next)),
            None => largest_below(&self.pieces, high, self.simd, self.progress)?,
        };
        let metrics = PixelMetrics {
            auroc: sweep.auroc(),
            ap: sweep.ap(),
            f1_max: sweep.f1_max(),
            f1_threshold: low.map_or(high.below(), |low| T::midway(low, high)).as_f64(),
            aupro: sweep.aupro().next().unwrap_or(f64::NAN),
        };
        Ok(Some((metrics, sweep)))
    }
}
