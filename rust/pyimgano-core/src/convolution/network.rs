//! A network of convolutions, made ready once and run on any images.

use std::sync::{Mutex, PoisonError};

use super::layer::{Convolution, Layer};
use super::plan::{Plan, Shared};
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Error, Monitor, Result, memory, parallel, task};

/// A network of convolutions, each with a bias and, if wanted, a residual and a rectifier.
///
/// Threads may share it: nothing that shows is changed by running it.
#[derive(Debug)]
pub struct Network {
    channels: usize,
    layers: Vec<Layer>,
    outputs: Vec<usize>,
    /// Maps of images of the last size, and working memory: kept, for new memory costs as much as
    /// a layer. After a run no more than [`KEPT`] bytes of maps stay.
    spare: Mutex<Spare>,
}

/// The embedded network's maps of one image of 1,536 x 1,536 pixels, or of some 40 of 256 x 256.
const KEPT: usize = 384 << 20;

#[derive(Debug, Default)]
struct Spare {
    maps: Vec<Workspace>,
    scratch: Vec<Vec<f32>>,
}

impl Spare {
    /// Frees the maps that exceed [`KEPT`].
    fn trim(&mut self) {
        let mut room = KEPT;
        self.maps.retain(|one| match room.checked_sub(one.bytes()) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        });
    }
}

/// The maps of one image.
#[derive(Debug)]
struct Workspace {
    plan: Plan,
    maps: Vec<Vec<f32>>,
}

impl Workspace {
    fn bytes(&self) -> usize {
        self.maps.iter().map(|map| size_of_val(&map[..])).sum()
    }
}

/// One output of all images: float32 (n, height, width, channels).
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Values, image after image, the channels of a place together.
    pub values: Vec<f32>,
    /// Height, width and channels.
    pub shape: [usize; 3],
}

impl Network {
    /// A network on images of `channels` channels; `outputs` numbers the convolutions whose maps
    /// [`run`](Self::run) gives.
    pub fn new(
        channels: usize,
        convolutions: &[Convolution<'_>],
        outputs: &[usize],
    ) -> Result<Self> {
        if outputs.is_empty() {
            return Err(Error::Argument("a network needs an output".into()));
        }
        if let Some(bad) = outputs.iter().find(|at| **at >= convolutions.len()) {
            return Err(Error::Argument(format!(
                "output {bad} is none of the {} convolutions",
                convolutions.len()
            )));
        }
        let mut widths = vec![channels];
        let mut layers = Vec::new();
        for (number, convolution) in convolutions.iter().enumerate() {
            let layer = Layer::new(number, convolution, &widths)?;
            widths.push(layer.outputs);
            layers.push(layer);
        }
        let outputs = outputs.iter().map(|at| at + 1).collect();
        let network = Self { channels, layers, outputs, spare: Mutex::default() };
        // The residuals' sizes: those of an odd image tell strides apart.
        Plan::new(&network.layers, channels, 1021, 1021)?;
        Ok(network)
    }

    /// An error unless images of this network have so many channels.
    pub fn check_channels(&self, found: usize) -> Result<()> {
        if found == self.channels {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "images must have {} channels, these have {found}",
            self.channels
        )))
    }

    /// The outputs of `n` images, (n, channels, height, width).
    ///
    /// The same bits for any number of threads and of images at once.
    pub fn run(
        &self,
        images: &[f32],
        [n, height, width]: [usize; 3],
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Map>> {
        if height == 0 || width == 0 {
            return Err(Error::Argument(format!("images of {height} x {width} have no pixels")));
        }
        let per_image = height.checked_mul(width).and_then(|all| all.checked_mul(self.channels));
        if per_image.and_then(|one| one.checked_mul(n)) != Some(images.len()) {
            return Err(Error::Argument(format!(
                "{} values do not make {n} images of {} x {height} x {width}",
                images.len(),
                self.channels
            )));
        }
        let simd = Simd::from_env()?;
        let found = task::run(n_threads, monitor, n, |progress| {
            let first = self.workspace(height, width)?;
            let mut maps = Vec::new();
            for tensor in &self.outputs {
                let layout = first.plan.layouts[*tensor];
                let shape = [layout.height, layout.width, self.layers[tensor - 1].outputs];
                let values = memory::zeros(n.saturating_mul(shape.iter().product()))?;
                maps.push(Map { values, shape });
            }
            self.keep(first);
            let mut parts: Vec<_> = Vec::new();
            for map in &mut maps {
                let one = map.shape.iter().product::<usize>();
                parts.push((map.values.as_mut_ptr(), one));
            }
            let out = Out(parts);
            let batch = Batch { images, out: &out, size: (height, width), simd };
            self.run_all(n, &batch, progress)?;
            Ok(maps)
        });
        self.spare().trim();
        found
    }

    fn run_all(&self, n: usize, batch: &Batch<'_>, progress: &Progress) -> Result<()> {
        let threads = rayon::current_num_threads();
        // Whole rounds: each thread has an image of its own. The rest is done by all together.
        let apart = if threads == 1 { 0 } else { n - n % threads };
        let used = parallel::for_each(
            apart,
            progress,
            || Ok((self.workspace(batch.size.0, batch.size.1)?, self.scratch()?)),
            |(workspace, scratch), image| {
                let shared = self.shared(workspace, batch, image, 1);
                for (stage, count) in shared.counts().into_iter().enumerate() {
                    progress.check()?;
                    for item in 0..count {
                        // SAFETY: the workspace is this thread's, and so is the image.
                        unsafe { shared.work(scratch, stage, item) };
                    }
                }
                progress.add(1);
                Ok(())
            },
        )?;
        for (workspace, scratch) in used {
            self.keep(workspace);
            self.spare().scratch.push(scratch);
        }
        for image in apart..n {
            let mut workspace = self.workspace(batch.size.0, batch.size.1)?;
            let shared = self.shared(&mut workspace, batch, image, threads);
            let used = parallel::stages(
                &shared.counts(),
                progress,
                || self.scratch(),
                // SAFETY: each item of a stage is done once, and after those of earlier stages.
                |scratch, stage, item| unsafe { shared.work(scratch, stage, item) },
            )?;
            self.spare().scratch.extend(used);
            self.keep(workspace);
            progress.add(1);
        }
        Ok(())
    }

    fn shared<'a>(
        &'a self,
        workspace: &'a mut Workspace,
        batch: &'a Batch<'_>,
        image: usize,
        threads: usize,
    ) -> Shared<'a> {
        let one = self.channels * batch.size.0 * batch.size.1;
        let outputs = self.outputs.iter().zip(&batch.out.0);
        Shared {
            layers: &self.layers,
            image: &batch.images[image * one..(image + 1) * one],
            maps: workspace.maps.iter_mut().map(|map| map.as_mut_ptr()).collect(),
            outputs: outputs
                .map(|(tensor, (all, one))| {
                    // SAFETY: each output has `one` values for each image.
                    (*tensor, unsafe { all.add(image * one) })
                })
                .collect(),
            plan: &workspace.plan,
            threads,
            simd: batch.simd,
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workspace(&self, height: usize, width: usize) -> Result<Workspace> {
        let mut spare = self.spare();
        spare.maps.retain(|one| (one.plan.height, one.plan.width) == (height, width));
        if let Some(found) = spare.maps.pop() {
            return Ok(found);
        }
        drop(spare);
        let plan = Plan::new(&self.layers, self.channels, height, width)?;
        let mut maps = memory::reserved(plan.layouts.len())?;
        for layout in &plan.layouts {
            maps.push(memory::zeros(layout.len()?)?);
        }
        Ok(Workspace { plan, maps })
    }

    fn keep(&self, workspace: Workspace) {
        self.spare().maps.push(workspace);
    }

    fn scratch(&self) -> Result<Vec<f32>> {
        if let Some(found) = self.spare().scratch.pop() {
            return Ok(found);
        }
        memory::zeros(self.layers.iter().map(Layer::scratch_len).max().unwrap_or(0))
    }
}

/// What all images of a run have in common.
struct Batch<'a> {
    images: &'a [f32],
    out: &'a Out,
    size: (usize, usize),
    simd: Simd,
}

/// The outputs: where each begins, and how many values of it belong to an image.
struct Out(Vec<(*mut f32, usize)>);

// SAFETY: each image writes to its own part.
unsafe impl Sync for Out {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn maps_of_small_images_are_kept_after_a_run_and_those_of_large_ones_are_freed() {
        let one = Convolution {
            weights: &[1.0; 16],
            shape: [16, 1, 1, 1],
            bias: &[0.0; 16],
            stride: 1,
            source: 0,
            residual: None,
            relu: false,
        };
        let network = Network::new(1, &[one], &[0]).expect("fits");
        let kept = || network.spare().maps.iter().map(Workspace::bytes).collect::<Vec<_>>();
        // Nothing writes to them, so they take no memory: 17 maps of 1,024 x 1,024, 71 MB.
        let six = [(); 6].map(|()| network.workspace(1024, 1024).expect("is there"));
        six.into_iter().for_each(|one| network.keep(one));
        network.run(&[], [0, 1024, 1024], Some(1), &Silent).expect("runs");
        assert_eq!(kept(), [17 << 22; 5]);
        network.keep(network.workspace(4096, 2048).expect("is there"));
        network.run(&[], [0, 4096, 2048], Some(1), &Silent).expect("runs");
        assert_eq!(kept(), [0; 0]);
        network.run(&[0.0; 64], [1, 8, 8], Some(1), &Silent).expect("runs");
        assert_eq!(kept(), [17 << 8]);
    }
}
