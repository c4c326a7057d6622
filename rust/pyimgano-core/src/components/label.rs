//! Runs joined into components.

use super::runs::{Run, non_zero_bits, push_runs, words_for};
use crate::task::{self, Progress, QUICK};
use crate::{Error, Monitor, Result, check, memory};

/// Which pixels touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Left, right, above, below.
    Four,
    /// The diagonals too.
    Eight,
}

impl Connectivity {
    /// From the usual number, 4 or 8.
    pub fn new(number: u32) -> Result<Self> {
        match number {
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            _ => Err(Error::Argument(format!("connectivity must be 4 or 8, got {number}"))),
        }
    }
}

/// The components of one image as runs. Kept between images, it reuses its memory: 16 bytes a run,
/// which is 8 bytes a pixel at the very worst (every second pixel set).
#[derive(Debug, Default)]
pub struct Components {
    words: Vec<u64>,
    runs: Vec<Run>,
    /// Where each row's runs begin; one entry more than there are rows.
    row_starts: Vec<u32>,
    /// While joining: a run of the same component, never a later one. Then: the component's number.
    component_of: Vec<u32>,
    count: usize,
}

/// Writes the label of each non-zero pixel of `mask`, from 1 on, into `labels`, which must be zero,
/// and returns how many there are.
pub fn label(
    mask: &[u8],
    labels: &mut [i32],
    width: usize,
    connectivity: Connectivity,
    monitor: &dyn Monitor,
) -> Result<usize> {
    task::run_alone(mask.len() < QUICK, monitor, |progress| {
        let mut found = Components::default();
        found.of_mask(mask, width, connectivity, progress)?;
        found.paint(labels, width, progress)?;
        Ok(found.count())
    })
}

/// A run, its row, and the number (from 0) of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Number of the component, in raster order of the first pixels.
    pub number: u32,
    /// Row of the run.
    pub row: usize,
    /// Its columns.
    pub run: Run,
}

impl Components {
    /// Finds the components of the non-zero pixels of `mask`, `width` to a row.
    pub fn of_mask(
        &mut self,
        mask: &[u8],
        width: usize,
        connectivity: Connectivity,
        progress: &Progress,
    ) -> Result<()> {
        let height = mask.len().checked_div(width).unwrap_or(0);
        check::shape(mask.len(), height, width)?;
        self.find(height, width, connectivity, progress, |y, words| {
            non_zero_bits(&mask[y * width..(y + 1) * width], words);
        })
    }

    /// Finds the components of the bits that `fill(row, words)` sets for each row.
    pub(super) fn find(
        &mut self,
        height: usize,
        width: usize,
        connectivity: Connectivity,
        progress: &Progress,
        mut fill: impl FnMut(usize, &mut [u64]),
    ) -> Result<()> {
        self.words.clear();
        memory::resize(&mut self.words, words_for(width), 0)?;
        self.runs.clear();
        self.component_of.clear();
        self.row_starts.clear();
        memory::room(&mut self.row_starts, height + 1)?;
        self.row_starts.push(0);
        let reach = u32::from(connectivity == Connectivity::Eight);
        let mut above = 0;
        for y in 0..height {
            progress.check()?;
            let here = self.runs.len();
            fill(y, &mut self.words);
            push_runs(&self.words, width, &mut self.runs)?;
            memory::room(&mut self.component_of, self.runs.len() - here)?;
            self.join(above, here, reach);
            self.row_starts.push(self.runs.len() as u32);
            above = here;
        }
        self.number();
        Ok(())
    }

    /// Joins the row of runs from `here` on with the row `above..here`.
    fn join(&mut self, above: usize, here: usize, reach: u32) {
        let mut p = above;
        for i in here..self.runs.len() {
            let run = self.runs[i];
            self.component_of.push(i as u32);
            while p < here && self.runs[p].end + reach <= run.start {
                p += 1;
            }
            let mut touching = p;
            while touching < here && self.runs[touching].start < run.end + reach {
                self.unite(touching as u32, i as u32);
                touching += 1;
            }
        }
    }

    fn root(&mut self, mut i: u32) -> u32 {
        loop {
            let parent = self.component_of[i as usize];
            if parent == i {
                return i;
            }
            let grandparent = self.component_of[parent as usize];
            self.component_of[i as usize] = grandparent;
            i = grandparent;
        }
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        // The earlier run stays the root: numbering needs every parent to come first.
        self.component_of[a.max(b) as usize] = a.min(b);
    }

    fn number(&mut self) {
        let mut count = 0;
        for i in 0..self.component_of.len() {
            let parent = self.component_of[i] as usize;
            self.component_of[i] = if parent == i {
                count += 1;
                count - 1
            } else {
                self.component_of[parent]
            };
        }
        self.count = count as usize;
    }

    /// How many components there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All runs in raster order, each with its component.
    pub fn iter(&self) -> impl Iterator<Item = Component> + '_ {
        self.row_starts.windows(2).enumerate().flat_map(move |(row, bounds)| {
            (bounds[0] as usize..bounds[1] as usize).map(move |i| Component {
                number: self.component_of[i],
                row,
                run: self.runs[i],
            })
        })
    }

    /// Writes the area of every component into `areas`.
    pub fn areas(&self, areas: &mut Vec<u32>) -> Result<()> {
        areas.clear();
        memory::resize(areas, self.count, 0)?;
        for (run, &number) in self.runs.iter().zip(&self.component_of) {
            areas[number as usize] += run.end - run.start;
        }
        Ok(())
    }

    /// Writes each component's number plus one into its pixels of `labels`, which must be zero.
    pub fn paint(&self, labels: &mut [i32], width: usize, progress: &Progress) -> Result<()> {
        check::shape(labels.len(), self.row_starts.len().saturating_sub(1), width)?;
        for Component { number, row, run } in self.iter() {
            progress.check()?;
            labels[row * width..][run.start as usize..run.end as usize].fill(number as i32 + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(rows: &[&str], connectivity: Connectivity) -> (Vec<i32>, usize) {
        let width = rows.first().map_or(0, |row| row.len());
        let mask: Vec<u8> =
            rows.iter().flat_map(|r| r.bytes()).map(|b| u8::from(b == b'#')).collect();
        let mut found = Components::default();
        let progress = Progress::default();
        found.of_mask(&mask, width, connectivity, &progress).expect("whole rows");
        let mut labels = vec![0; mask.len()];
        found.paint(&mut labels, width, &progress).expect("same shape");
        (labels, found.count())
    }

    #[test]
    fn a_diagonal_is_one_component_or_two() {
        let image = ["#..", ".#.", "..."];
        assert_eq!(labels(&image, Connectivity::Eight), (vec![1, 0, 0, 0, 1, 0, 0, 0, 0], 1));
        assert_eq!(labels(&image, Connectivity::Four), (vec![1, 0, 0, 0, 2, 0, 0, 0, 0], 2));
    }

    #[test]
    fn arms_that_meet_late_are_one_component_numbered_by_its_first_pixel() {
        let image = ["#.#.#", "#.#.#", "###..", "....#"];
        let (found, count) = labels(&image, Connectivity::Eight);
        assert_eq!(count, 3);
        assert_eq!(found, [1, 0, 1, 0, 2, 1, 0, 1, 0, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn nothing_gives_nothing() {
        for rows in [&["", ""][..], &[], &["...", "..."]] {
            assert_eq!(labels(rows, Connectivity::Eight).1, 0);
        }
        assert!(Connectivity::new(6).is_err());
    }

    /// Flood fill, one pixel at a time.
    fn flood(mask: &[u8], width: usize, eight: bool) -> (Vec<i32>, usize) {
        let height = mask.len() / width;
        let mut labels = vec![0; mask.len()];
        let mut count = 0;
        for start in 0..mask.len() {
            if mask[start] == 0 || labels[start] != 0 {
                continue;
            }
            count += 1;
            let mut stack = vec![start];
            while let Some(at) = stack.pop() {
                if labels[at] != 0 || mask[at] == 0 {
                    continue;
                }
                labels[at] = count;
                let (y, x) = ((at / width) as isize, (at % width) as isize);
                for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                    let (ny, nx) = (y + dy, x + dx);
                    let inside =
                        (0..height as isize).contains(&ny) && (0..width as isize).contains(&nx);
                    if inside && (eight || dy == 0 || dx == 0) {
                        stack.push(ny as usize * width + nx as usize);
                    }
                }
            }
        }
        (labels, count as usize)
    }

    proptest! {
        #[test]
        fn equals_flood_fill(
            width in 1usize..90,
            mask in prop::collection::vec(0u8..2, 0..900),
            eight in any::<bool>(),
        ) {
            let mask = &mask[..mask.len() / width * width];
            let mut found = Components::default();
            // A used one must do as well as a new one.
            let progress = Progress::default();
            found.of_mask(&[1, 0, 1, 1], 2, Connectivity::Four, &progress).expect("whole rows");
            let connectivity = if eight { Connectivity::Eight } else { Connectivity::Four };
            found.of_mask(mask, width, connectivity, &progress).expect("whole rows");
            let mut labels = vec![0; mask.len()];
            found.paint(&mut labels, width, &progress).expect("same shape");
            let (expected, count) = flood(mask, width, eight);
            prop_assert_eq!(found.count(), count);
            prop_assert_eq!(&labels, &expected);
            let mut areas = Vec::new();
            found.areas(&mut areas).expect("a few bytes");
            for (i, &area) in areas.iter().enumerate() {
                let pixels = expected.iter().filter(|&&l| l == i as i32 + 1).count();
                prop_assert_eq!(area as usize, pixels);
            }
        }
    }
}
