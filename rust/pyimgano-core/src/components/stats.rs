//! What is known of each component of a labelled image.

use crate::score::Score;
use crate::task::{self, Progress, QUICK};
use crate::{Error, Monitor, Result, check, memory};

/// One component: its size, its box and, where a map was given, its scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Number of pixels.
    pub area: u32,
    /// First column; meaningless, like all of the box, when the area is 0.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Last column.
    pub right: u32,
    /// Last row.
    pub bottom: u32,
    /// Largest score.
    pub max: f64,
    /// Sum of the scores, in raster order.
    pub sum: f64,
}

impl Stats {
    /// The box as OpenCV gives it; all zero where the area is 0.
    pub fn left_top_width_height(&self) -> [i32; 4] {
        if self.area == 0 {
            return [0; 4];
        }
        let [width, height] = [self.right - self.left + 1, self.bottom - self.top + 1];
        [self.left, self.top, width, height].map(|n| n as i32)
    }

    /// Mean score.
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.area)
    }
}

const NONE: Stats = Stats {
    area: 0,
    left: u32::MAX,
    top: u32::MAX,
    right: 0,
    bottom: 0,
    max: f64::NEG_INFINITY,
    sum: 0.0,
};

/// Statistics of the labels 1, 2, ... up to the largest; 0 is background. Labels may be missing
/// (area 0) but must not exceed the number of pixels, which bounds the memory: 40 bytes a label.
pub fn stats<T: Score>(
    labels: &[i32],
    map: Option<&[T]>,
    height: usize,
    width: usize,
    monitor: &dyn Monitor,
) -> Result<Vec<Stats>> {
    check::shape(labels.len(), height, width)?;
    if let Some(map) = map {
        check::shape(map.len(), height, width)?;
    }
    task::run_alone(labels.len() < QUICK, monitor, |progress| {
        collect(labels, map, height, width, progress)
    })
}

fn collect<T: Score>(
    labels: &[i32],
    map: Option<&[T]>,
    height: usize,
    width: usize,
    progress: &Progress,
) -> Result<Vec<Stats>> {
    if let Some(map) = map
        && let Some(at) = map.iter().position(|value| !value.finite())
    {
        return Err(Error::NotFinite(format!(
            "anomaly_map holds {} at row {}, column {}",
            map[at].as_f64(),
            at / width,
            at % width
        )));
    }
    let largest = labels.iter().copied().max().unwrap_or(0);
    let smallest = labels.iter().copied().min().unwrap_or(0);
    if smallest < 0 || largest as usize > labels.len() {
        return Err(Error::Argument(format!(
            "labels must lie between 0 and the number of pixels ({}), got {}",
            labels.len(),
            if smallest < 0 { smallest } else { largest }
        )));
    }
    let mut all = memory::filled(largest as usize, NONE)?;
    for y in 0..height {
        progress.check()?;
        let row = &labels[y * width..(y + 1) * width];
        for (x, &label) in row.iter().enumerate().filter(|&(_, &label)| label != 0) {
            // Labels that another thread writes to may be anything by now.
            let Some(one) = all.get_mut(label as usize - 1) else {
                return Err(check::changed("labels"));
            };
            one.area += 1;
            one.left = one.left.min(x as u32);
            one.right = one.right.max(x as u32);
            one.top = one.top.min(y as u32);
            one.bottom = y as u32;
            if let Some(map) = map {
                let score = map[y * width + x].as_f64();
                one.max = one.max.max(score);
                one.sum += score;
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn by_hand() {
        let labels = [1, 0, 3, 1, 1, 0];
        let map = [0.5f32, 9.0, -2.0, 1.5, 1.0, 9.0];
        let found = stats(&labels, Some(&map), 2, 3, &Silent).expect("valid");
        assert_eq!(
            found[0],
            Stats { area: 3, left: 0, top: 0, right: 1, bottom: 1, max: 1.5, sum: 3.0 }
        );
        assert_eq!(found[1].area, 0);
        assert_eq!(
            found[2],
            Stats { area: 1, left: 2, top: 0, right: 2, bottom: 0, max: -2.0, sum: -2.0 }
        );
    }

    #[test]
    fn bad_labels_shapes_and_scores_are_refused() {
        let none: Option<&[f32]> = None;
        assert!(matches!(stats(&[-1, 0], none, 1, 2, &Silent), Err(Error::Argument(_))));
        assert!(matches!(stats(&[3, 0], none, 1, 2, &Silent), Err(Error::Argument(_))));
        assert!(matches!(stats(&[1, 0], none, 2, 2, &Silent), Err(Error::Argument(_))));
        assert!(matches!(stats(&[1, 0], Some(&[1.0f64]), 1, 2, &Silent), Err(Error::Argument(_))));
        let bad = [1.0, f64::NAN];
        assert!(matches!(stats(&[1, 0], Some(&bad), 1, 2, &Silent), Err(Error::NotFinite(_))));
        assert_eq!(stats(&[], none, 0, 5, &Silent), Ok(vec![]));
    }
}
