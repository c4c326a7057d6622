//! From the highest score down, all areas and the best F1.

use crate::{Result, memory};

/// Fixed-point one: a region's weight when all its pixels are found.
const ONE: u64 = 1 << 62;

/// The fixed-point weight of `count` pixels in regions of `area` pixels. Rounded once in a fixed
/// way, so that sums do not depend on their order.
pub fn weight(count: u32, area: u32) -> u128 {
    u128::from((ONE as f64 / f64::from(area)) as u64) * u128::from(count)
}

/// A sum that keeps what each addition rounds off (Neumaier).
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let (big, small) = if self.sum.abs() >= x.abs() { (self.sum, x) } else { (x, self.sum) };
        self.lost += (big - sum) + small;
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

/// The state of the sweep below some score.
#[derive(Debug)]
pub struct Sweep {
    normal: u64,
    defect: u64,
    regions: u64,
    /// Defects of which only a part has to be found.
    saturating: u64,
    above_normal: u64,
    above_defect: u64,
    above_weight: u128,
    /// Twice the number of (defect, normal) pairs in the right order, ties counting one half.
    ordered_pairs: u128,
    precision: Sum,
    cuts: Vec<Cut>,
    best_f1: f64,
}

/// Areas under the curves up to one false-positive rate.
#[derive(Debug)]
struct Cut {
    /// Where the curves are cut, in normal pixels.
    limit: f64,
    pro: Sum,
    spro: Sum,
}

/// What has one score.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Normal pixels.
    pub normal: u64,
    /// Defect pixels.
    pub defect: u64,
    /// Weight of the defect pixels in their regions.
    pub weight: u128,
    /// Weight of those defect pixels that bring a defect nearer to its saturation.
    pub saturating: u128,
}

impl Sweep {
    /// At the top. There must be a defect pixel and a normal one. `saturating` is the number of
    /// defects for sPRO, `limits` the false-positive rates up to which areas are taken.
    pub fn new(
        normal: u64,
        defect: u64,
        regions: u64,
        saturating: u64,
        limits: &[f64],
    ) -> Result<Self> {
        let cut = |rate: &f64| Cut {
            limit: rate * normal as f64,
            pro: Sum::default(),
            spro: Sum::default(),
        };
        Ok(Self {
            normal,
            defect,
            regions,
            saturating,
            above_normal: 0,
            above_defect: 0,
            above_weight: 0,
            ordered_pairs: 0,
            precision: Sum::default(),
            cuts: memory::collected(limits.iter().map(cut))?,
            best_f1: -1.0,
        })
    }

    /// Passes `normal` pixels between two defect scores.
    pub fn skip(&mut self, normal: u64) {
        self.above_normal += normal;
    }

    /// Passes one defect score. Says whether F1 is the best so far.
    pub fn step(&mut self, at: Step) -> bool {
        let Step { normal, defect, weight, saturating } = at;
        // Below 0 only if the masks changed between two looks.
        let below = self.normal.saturating_sub(self.above_normal);
        let twice_below = (2 * below).saturating_sub(normal);
        self.ordered_pairs += u128::from(defect) * u128::from(twice_below);
        for cut in &mut self.cuts {
            let rest = rest_of_curve(cut.limit - self.above_normal as f64, normal);
            cut.pro.add(weight as f64 * rest);
            cut.spro.add(saturating as f64 * rest);
        }

        self.above_normal += normal;
        self.above_defect += defect;
        self.above_weight += weight;
        let flagged = (self.above_normal + self.above_defect) as f64;
        let hits = self.above_defect as f64;
        self.precision.add(defect as f64 * (hits / flagged));
        let f1 = 2.0 * hits / (flagged + self.defect as f64);
        let better = f1 > self.best_f1;
        if better {
            self.best_f1 = f1;
        }
        better
    }

    /// Whether more defect pixels were passed than there are: maps that another thread writes to
    /// could go on for ever.
    pub fn passed_too_many(&self) -> bool {
        self.above_defect > self.defect
    }

    /// Whether the sweep is at its end, but for normal pixels.
    pub fn all_defects_passed(&self) -> bool {
        self.above_defect == self.defect
    }

    /// False-positive rate here.
    pub fn fpr(&self) -> f64 {
        self.above_normal as f64 / self.normal as f64
    }

    /// Mean overlap with the regions here.
    pub fn pro(&self) -> f64 {
        if self.all_defects_passed() {
            return 1.0;
        }
        (self.above_weight as f64 / (ONE as f64 * self.regions as f64)).min(1.0)
    }

    /// Area under the ROC curve; this and the following once every score is passed.
    pub fn auroc(&self) -> f64 {
        let pairs = 2 * u128::from(self.normal) * u128::from(self.defect);
        self.ordered_pairs as f64 / pairs as f64
    }

    /// Average precision.
    pub fn ap(&self) -> f64 {
        self.precision.total() / self.defect as f64
    }

    /// Best F1.
    pub fn f1_max(&self) -> f64 {
        self.best_f1
    }

    /// Areas under the PRO curve up to each limit, divided by the limit.
    pub fn aupro(&self) -> impl ExactSizeIterator<Item = f64> {
        self.cuts.iter().map(|cut| share(&cut.pro, self.regions, cut.limit))
    }

    /// Areas under the curve of saturated overlap up to each limit, divided by the limit.
    pub fn spro(&self) -> impl ExactSizeIterator<Item = f64> {
        self.cuts.iter().map(|cut| share(&cut.spro, self.saturating, cut.limit))
    }
}

/// An area as a share of what `count` regions found at once would have; NaN for none.
fn share(area: &Sum, count: u64, limit: f64) -> f64 {
    if count == 0 {
        return f64::NAN;
    }
    (area.total() / (ONE as f64 * count as f64 * limit)).min(1.0)
}

/// Area under a curve that rises from 0 to 1 along the next `tied` pixels, up to `room` pixels on.
fn rest_of_curve(room: f64, tied: u64) -> f64 {
    let tied = tied as f64;
    if room >= tied {
        room - tied / 2.0
    } else if room > 0.0 {
        room * room / tied / 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores, high to low: defect A1 | normal | defect A2 tied with 2 normals | defect B | normal.
    /// Region A has 2 pixels, region B has 1; 4 normal pixels.
    fn swept(limit: f64) -> (Sweep, Vec<(f64, f64)>) {
        let mut sweep = Sweep::new(4, 3, 2, 1, &[limit]).expect("there is memory");
        // Of A and B together two pixels have to be found: A1 and A2.
        let step = |normal, weight, saturating| Step { normal, defect: 1, weight, saturating };
        let mut points = Vec::new();
        assert!(sweep.step(step(0, weight(1, 2), weight(1, 2))));
        points.push((sweep.fpr(), sweep.pro()));
        sweep.skip(1);
        sweep.step(step(2, weight(1, 2), weight(1, 2)));
        points.push((sweep.fpr(), sweep.pro()));
        sweep.step(step(0, weight(1, 1), 0));
        points.push((sweep.fpr(), sweep.pro()));
        sweep.skip(1);
        (sweep, points)
    }

    #[test]
    fn by_hand() {
        let (sweep, points) = swept(1.0);
        assert_eq!(points, [(0.0, 0.25), (0.75, 0.5), (0.75, 1.0)]);
        // A1 beats 4 normals, A2 beats 1 and ties with 2, B beats 1: (4 + 2 + 1) / 12.
        assert_eq!(sweep.auroc(), 7.0 / 12.0);
        // Precision 1/1, 2/5, 3/6.
        assert!((sweep.ap() - (1.0 + 0.4 + 0.5) / 3.0).abs() < 1e-15);
        // F1 = 2 TP / (flagged + 3): 2/4, 4/8, 6/9.
        assert_eq!(sweep.f1_max(), 6.0 / 9.0);
        // 0.25 up to 0.25, rising to 0.5 at 0.75, then 1: 0.0625 + 0.1875 + 0.25.
        assert_eq!(sweep.aupro().next(), Some(0.5));
        // 0.5 up to 0.25, rising to 1 at 0.75, then 1: 0.125 + 0.375 + 0.25.
        assert_eq!(sweep.spro().next(), Some(0.75));
    }

    #[test]
    fn the_limit_cuts_a_tie() {
        // Up to 0.5, where the curve stands at 0.375: 0.0625 + 0.25 * 0.3125 = 0.140625.
        let (sweep, _) = swept(0.5);
        assert_eq!(sweep.aupro().next(), Some(0.140625 / 0.5));
        // Up to 0.25, all flat.
        let (sweep, _) = swept(0.25);
        assert_eq!(sweep.aupro().next(), Some(0.25));
    }
}
