//! Maps of several layers of a network, joined on one grid as PatchCore does (Roth et al., CVPR 2022,
//! section 3.1).
//!
//! 1. Each map may be averaged over 3 x 3 places, the zeros beyond its border counted: sums down the
//!    columns, then along the rows, times 1/9.
//! 2. A map of another size is brought to the grid: by bilinear interpolation with the centres of the
//!    places at half-integers, first between two rows, then along them; or each place takes the
//!    value of the one in which it begins.
//! 3. The channels of all maps at a place lie one after the other.
//!
//! Bands of the grid's rows are shared out among the threads, and of a map only two rows are kept
//! averaged at a time. Each product and each sum is rounded to float32 in one order, so the bits are
//! the same for any number of threads and any instruction set.
//!
//! ```
//! use pyimgano_core::Silent;
//! use pyimgano_core::layer_maps::{Joining, LayerMap, join};
//!
//! let fine = LayerMap { values: &[1.0, 2.0, 3.0, 4.0], shape: [1, 4, 1] };
//! let coarse = LayerMap { values: &[10.0, 20.0], shape: [1, 2, 1] };
//! let joining = Joining { grid: [1, 4], pooled: false, nearest: false };
//! let rows = join(&[fine, coarse], 1, joining, None, &Silent)?;
//! assert_eq!(rows, [1.0, 10.0, 2.0, 12.5, 3.0, 17.5, 4.0, 20.0]);
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::simd::Simd;
use crate::{Error, Monitor, Result, memory, parallel, task};

/// Rows of the grid that are computed together.
const BAND: usize = 8;

/// The map of one layer of all images: (n, height, width, channels).
#[derive(Debug, Clone, Copy)]
pub struct LayerMap<'a> {
    /// Values, image after image, the channels of a place together.
    pub values: &'a [f32],
    /// Height, width and channels.
    pub shape: [usize; 3],
}

/// How maps are joined.
#[derive(Debug, Clone, Copy)]
pub struct Joining {
    /// Height and width of the grid.
    pub grid: [usize; 2],
    /// Whether each map is averaged over 3 x 3 places.
    pub pooled: bool,
    /// Whether a map of another size gives its nearest value, not an interpolated one.
    pub nearest: bool,
}

/// The maps of `n` images on one grid: (n, height, width, channels of all maps).
pub fn join(
    maps: &[LayerMap<'_>],
    n: usize,
    how: Joining,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<Vec<f32>> {
    let [height, width] = how.grid;
    let mut depth = 0usize;
    for (number, map) in maps.iter().enumerate() {
        let values = map.shape.iter().try_fold(n, |all, side| all.checked_mul(*side));
        if map.shape.contains(&0) || values != Some(map.values.len()) {
            return Err(Error::Argument(format!(
                "map {number} has {} values for {n} images of shape {:?}",
                map.values.len(),
                map.shape
            )));
        }
        depth = depth.saturating_add(map.shape[2]);
    }
    if height == 0 || width == 0 || depth == 0 {
        return Err(Error::Argument("there is no map, or no place on the grid".into()));
    }
    let simd = Simd::from_env()?;
    let row = width.saturating_mul(depth);
    let image = height.saturating_mul(row);
    task::run(n_threads, monitor, n, |progress| {
        let mut out = memory::zeros(n.saturating_mul(image))?;
        let (mut placed, mut start) = (memory::reserved(maps.len())?, 0);
        for map in maps {
            placed.push(Placed::new(*map, start, how)?);
            start += map.shape[2];
        }
        let per_image = height.div_ceil(BAND);
        let mut bands = memory::reserved(n.saturating_mul(per_image))?;
        for one in out.chunks_exact_mut(image) {
            bands.extend(one.chunks_mut(BAND * row).map(Mutex::new));
        }
        parallel::for_each(
            bands.len(),
            progress,
            || Buffers::new(maps),
            |buffers, item| {
                let mut band = bands[item].lock().unwrap_or_else(PoisonError::into_inner);
                let (at, first) = (item / per_image, item % per_image * BAND);
                simd.vectorize(
                    #[inline(always)]
                    || {
                        for map in &placed {
                            map.write(at, first, buffers, &mut band, row);
                        }
                    },
                );
                Ok(())
            },
        )?;
        drop(bands);
        Ok(out)
    })
}

/// For each place of the grid along one side: the map's place before it, and the one after it with its
/// share where the value lies between the two.
type Positions = Vec<(usize, Option<(usize, f32)>)>;

/// Where each of `wanted` places lies among `n`, in float32, so that shares are those of others.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn positions(n: usize, wanted: usize, nearest: bool) -> Result<Positions> {
    let scale = n as f32 / wanted as f32;
    memory::collected((0..wanted).map(|place| {
        if nearest || n == wanted {
            return ((place as u128 * n as u128 / wanted as u128) as usize, None);
        }
        let at = (scale * (place as f32 + 0.5) - 0.5).max(0.0);
        let low = (at as usize).min(n - 1);
        (low, Some(((low + 1).min(n - 1), at - low as f32)))
    }))
}

/// What a thread works in.
struct Buffers {
    /// Two rows of a map, averaged if wanted, and their numbers: an even and an odd one.
    rows: [(Option<usize>, Vec<f32>); 2],
    /// A row between them, or sums of three.
    between: Vec<f32>,
}

impl Buffers {
    fn new(maps: &[LayerMap<'_>]) -> Result<Self> {
        let longest = maps.iter().map(|map| map.shape[1] * map.shape[2]).max().unwrap_or(0);
        let buffer = || memory::zeros(longest);
        Ok(Self { rows: [(None, buffer()?), (None, buffer()?)], between: buffer()? })
    }
}

/// A map, and where the places of the grid lie on it.
struct Placed<'a> {
    map: LayerMap<'a>,
    /// Which of the joined channels are its own.
    channels: Range<usize>,
    down: Positions,
    along: Positions,
    pooled: bool,
}

impl<'a> Placed<'a> {
    fn new(map: LayerMap<'a>, start: usize, how: Joining) -> Result<Self> {
        let [height, width, channels] = map.shape;
        Ok(Self {
            map,
            channels: start..start + channels,
            down: positions(height, how.grid[0], how.nearest)?,
            along: positions(width, how.grid[1], how.nearest)?,
            pooled: how.pooled,
        })
    }

    /// Writes this map's channels to rows of the grid of image `at`, the first of them row `first`.
    #[inline(always)]
    fn write(&self, at: usize, first: usize, buffers: &mut Buffers, band: &mut [f32], row: usize) {
        let [_, width, channels] = self.map.shape;
        let depth = row / self.along.len();
        let Buffers { rows: [even, odd], between } = buffers;
        (even.0, odd.0) = (None, None);
        let between = &mut between[..width * channels];
        for (line, (low, high)) in band.chunks_exact_mut(row).zip(&self.down[first..]) {
            for number in [Some(*low), high.map(|(high, _)| high)].into_iter().flatten() {
                let (kept, values) = if number.is_multiple_of(2) { &mut *even } else { &mut *odd };
                if *kept != Some(number) {
                    self.fetch(at, number, &mut values[..width * channels], between);
                    *kept = Some(number);
                }
            }
            let kept = |number: usize| if number.is_multiple_of(2) { &even.1 } else { &odd.1 };
            let values: &[f32] = if let Some((high, share)) = high {
                blend(kept(*low), kept(*high), *share, between);
                between
            } else {
                kept(*low)
            };
            for (place, (left, right)) in line.chunks_exact_mut(depth).zip(&self.along) {
                let place = &mut place[self.channels.clone()];
                let left = &values[left * channels..][..channels];
                if let Some((right, share)) = right {
                    blend(left, &values[right * channels..], *share, place);
                } else {
                    place.copy_from_slice(left);
                }
            }
        }
    }

    /// Row `y` of the map of image `at`, averaged if wanted.
    #[inline(always)]
    fn fetch(&self, at: usize, y: usize, row: &mut [f32], sums: &mut [f32]) {
        let [height, _, channels] = self.map.shape;
        let length = row.len();
        let source = |y: usize| &self.map.values[(at * height + y) * length..][..length];
        if !self.pooled {
            row.copy_from_slice(source(y));
            return;
        }
        sums.copy_from_slice(source(y));
        if y > 0 {
            add(sums, source(y - 1));
        }
        if y + 1 < height {
            add(sums, source(y + 1));
        }
        // Neighbours along a row are `channels` apart.
        row.copy_from_slice(sums);
        add(&mut row[channels..], sums);
        add(row, &sums[channels..]);
        for value in row {
            *value *= 1.0 / 9.0;
        }
    }
}

/// Adds as many values as both have.
#[inline(always)]
fn add(to: &mut [f32], values: &[f32]) {
    for (sum, value) in to.iter_mut().zip(values) {
        *sum += value;
    }
}

/// What lies between `low` and `high`, `share` of it the latter's: as many values as `to` has.
#[inline(always)]
fn blend(low: &[f32], high: &[f32], share: f32, to: &mut [f32]) {
    for ((value, low), high) in to.iter_mut().zip(low).zip(high) {
        *value = low * (1.0 - share) + high * share;
    }
}
