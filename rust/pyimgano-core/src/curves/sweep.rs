//! From the highest score down, all areas and the best F1.

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
    /// Where the PRO curve is cut, in normal pixels.
    limit: f64,
    above_normal: u64,
    above_defect: u64,
    above_weight: u128,
    /// Twice the number of (defect, normal) pairs in the right order, ties counting one half.
    ordered_pairs: u128,
    precision: Sum,
    pro_area: Sum,
    best_f1: f64,
}

impl Sweep {
    /// At the top. There must be a defect pixel and a normal one.
    pub fn new(normal: u64, defect: u64, regions: u64, integration_limit: f64) -> Self {
        Self {
            normal,
            defect,
            regions,
            limit: integration_limit * normal as f64,
            above_normal: 0,
            above_defect: 0,
            above_weight: 0,
            ordered_pairs: 0,
            precision: Sum::default(),
            pro_area: Sum::default(),
            best_f1: -1.0,
        }
    }

    /// Passes `normal` pixels between two defect scores.
    pub fn skip(&mut self, normal: u64) {
        self.above_normal += normal;
    }

    /// Passes one defect score: `defect` pixels of total `weight`, tied with `normal` pixels.
    /// Says whether F1 is the best so far.
    pub fn step(&mut self, normal: u64, defect: u64, weight: u128) -> bool {
        // Below 0 only if the masks changed between two looks.
        let below = self.normal.saturating_sub(self.above_normal);
        let twice_below = (2 * below).saturating_sub(normal);
        self.ordered_pairs += u128::from(defect) * u128::from(twice_below);
        self.pro_area.add(weight as f64 * self.rest_of_curve(normal));

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

    /// Area, up to the limit, under a curve that rises from 0 to 1 along the next `tied` pixels.
    fn rest_of_curve(&self, tied: u64) -> f64 {
        let room = self.limit - self.above_normal as f64;
        let tied = tied as f64;
        if room >= tied {
            room - tied / 2.0
        } else if room > 0.0 {
            room * room / tied / 2.0
        } else {
            0.0
        }
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

    /// Area under the PRO curve up to the limit, divided by the limit.
    pub fn aupro(&self) -> f64 {
        let all = ONE as f64 * self.regions as f64 * self.limit;
        (self.pro_area.total() / all).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores, high to low: defect A1 | normal | defect A2 tied with 2 normals | defect B | normal.
    /// Region A has 2 pixels, region B has 1; 4 normal pixels.
    fn swept(limit: f64) -> (Sweep, Vec<(f64, f64)>) {
        let mut sweep = Sweep::new(4, 3, 2, limit);
        let mut points = Vec::new();
        assert!(sweep.step(0, 1, weight(1, 2)));
        points.push((sweep.fpr(), sweep.pro()));
        sweep.skip(1);
        sweep.step(2, 1, weight(1, 2));
        points.push((sweep.fpr(), sweep.pro()));
        sweep.step(0, 1, weight(1, 1));
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
        assert_eq!(sweep.aupro(), 0.5);
    }

    #[test]
    fn the_limit_cuts_a_tie() {
        // Up to 0.5, where the curve stands at 0.375: 0.0625 + 0.25 * 0.3125 = 0.140625.
        let (sweep, _) = swept(0.5);
        assert_eq!(sweep.aupro(), 0.140625 / 0.5);
        // Up to 0.25, all flat.
        let (sweep, _) = swept(0.25);
        assert_eq!(sweep.aupro(), 0.25);
    }
}
