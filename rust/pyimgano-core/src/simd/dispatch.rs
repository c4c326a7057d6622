//! Each loop in the form that it has at a level.

use super::level::{Level, Simd};
use super::panel::{PANEL, Queries};
use super::{exact, panel};
#[cfg(target_arch = "aarch64")]
use super::{exact_neon, panel_neon};
#[cfg(target_arch = "x86_64")]
use super::{exact_x86, panel_x86};

impl Simd {
    /// Runs `work`, compiled for this level where it is inlined: for loops the compiler vectorises.
    #[inline(always)]
    pub fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a Simd of this level exists only where the CPU has it.
            Level::Avx512 => unsafe { panel_x86::with_avx512(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { panel_x86::with_avx2(work) },
            _ => work(),
        }
    }

    /// Squared Euclidean distance of two rows of equal length: *the* distance of this crate.
    ///
    /// Differences of the values widened to float64 are squared and added in float64: column i in
    /// running sum i mod 16, then sums j and j + 8, j + 4, j + 2, j + 1. Same bits at every level.
    #[inline]
    pub fn squared_distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len(), "rows of different lengths have no distance");
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a Simd of this level exists only where the CPU has it; lengths are equal.
            Level::Avx512 => unsafe { exact_x86::avx512(a, b) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { exact_x86::avx2(a, b) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon => unsafe { exact_neon::neon(a, b) },
            _ => exact::portable(a, b),
        }
    }

    /// Squared distance in float32, in no fixed order: for bounds only.
    ///
    /// Within a factor 1 ± `near_slack` (`bounds.rs`) of the real one, if nothing
    /// overflows.
    #[inline]
    pub fn near(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "rows of different lengths have no distance");
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a Simd of this level exists only where the CPU has it; lengths are equal.
            Level::Avx512 => unsafe { panel_x86::near_avx512(a, b) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { panel_x86::near_avx2(a, b) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon => unsafe { panel_neon::near(a, b) },
            _ => panel::near(a, b),
        }
    }

    /// The rows of `mask` whose squared distance to `query`, as by [`near`](Self::near), is at most
    /// their limit. `rows` holds up to 64 rows of 64 values; their distances go to `out`.
    pub fn sift(
        self,
        query: &[f32; PANEL],
        rows: &[f32],
        mask: u64,
        limits: &[f32; PANEL],
        out: &mut [f32; PANEL],
    ) -> u64 {
        let rows = rows.as_chunks::<PANEL>().0;
        let last = (u64::BITS - mask.leading_zeros()) as usize;
        assert!(last <= rows.len(), "the mask selects rows that are not there");
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a Simd of this level exists only where the CPU has it; rows were checked.
            Level::Avx512 => unsafe { panel_x86::sift_avx512(query, rows, mask, limits, out) },
            _ => {
                let (mut left, mut kept) = (mask, 0);
                while left != 0 {
                    let r = left.trailing_zeros() as usize;
                    left &= left - 1;
                    out[r] = self.near(query, &rows[r]);
                    kept |= u64::from(out[r] <= limits[r]) << r;
                }
                kept
            }
        }
    }

    /// Asks the memory for a row that will be needed soon.
    #[inline]
    pub fn prefetch<T>(self, row: &[T]) {
        #[cfg(target_arch = "x86_64")]
        for line in row.chunks((64 / size_of::<T>()).max(1)) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint; the address is that of a value.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }

    /// Dot products of all queries with the rows of a panel: query i, row r at `64 * i + r`.
    pub fn dots(self, panel: &[f32], queries: Queries<'_>, out: &mut [f32]) {
        let (dims, rows) = (queries.dims, queries.len());
        assert_eq!(panel.len(), PANEL * dims, "the panel has other dimensions");
        assert_eq!(out.len(), PANEL * rows, "out has no room for just these products");
        #[cfg(target_arch = "aarch64")]
        if self.level() == Level::Neon {
            // SAFETY: the level is there.
            return unsafe { panel_neon::dots(panel, queries, out) };
        }
        // `at!(N)` handles queries i..i + N with `f`.
        #[cfg(target_arch = "x86_64")]
        macro_rules! at {
            ($f:ident, $n:literal, $i:ident) => {{
                let pointers = std::array::from_fn(|q| queries.row($i + q).as_ptr());
                let out = out[PANEL * $i..PANEL * ($i + $n)].as_mut_ptr();
                // SAFETY: the level is there, the lengths were checked, each row has dims values.
                unsafe { panel_x86::$f::<$n>(panel, dims, pointers, out) };
                $i += $n;
            }};
        }
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // only there it moves on
        let mut i = 0;
        #[cfg(target_arch = "x86_64")]
        match self.level() {
            Level::Avx512 => {
                while i + 6 <= rows {
                    at!(dots_avx512, 6, i);
                }
                while i + 2 <= rows {
                    at!(dots_avx512, 2, i);
                }
                if i < rows {
                    at!(dots_avx512, 1, i);
                }
            }
            Level::Avx2 => {
                while i + 3 <= rows {
                    at!(dots_avx2, 3, i);
                }
                while i < rows {
                    at!(dots_avx2, 1, i);
                }
            }
            _ => {}
        }
        let (_, rest) = out.split_at_mut(PANEL * i);
        for (q, out) in rest.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            panel::dots(panel, queries.row(i + q), out);
        }
    }

    /// For each query of `which`: bit r is set where `bias[r]` plus the dot product with row r of
    /// the panel is at least the query's threshold.
    ///
    /// `thresholds` and `masks` (which is overwritten) run along `which`.
    pub fn reach(
        self,
        panel: &[f32],
        bias: &[f32; PANEL],
        queries: Queries<'_>,
        which: &[u32],
        thresholds: &[f32],
        masks: &mut Vec<u64>,
    ) {
        let dims = queries.dims;
        assert_eq!(panel.len(), PANEL * dims, "the panel has other dimensions");
        assert_eq!(which.len(), thresholds.len(), "each query needs its threshold");
        masks.clear();
        #[cfg(target_arch = "aarch64")]
        if self.level() == Level::Neon {
            // SAFETY: the level is there.
            return unsafe { panel_neon::reach(panel, bias, queries, which, thresholds, masks) };
        }
        // `at!(N)` handles entries i..i + N of `which` with `f`.
        #[cfg(target_arch = "x86_64")]
        macro_rules! at {
            ($f:ident, $n:literal, $i:ident) => {{
                let pointers =
                    std::array::from_fn(|q| queries.row(which[$i + q] as usize).as_ptr());
                let thresholds = std::array::from_fn(|q| thresholds[$i + q]);
                // SAFETY: the level is there, the lengths were checked, each row has dims values.
                let found = unsafe { panel_x86::$f::<$n>(panel, dims, bias, pointers, thresholds) };
                masks.extend_from_slice(&found);
                $i += $n;
            }};
        }
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // only there it moves on
        let mut i = 0;
        #[cfg(target_arch = "x86_64")]
        match self.level() {
            Level::Avx512 => {
                while i + 6 <= which.len() {
                    at!(reach_avx512, 6, i);
                }
                while i + 2 <= which.len() {
                    at!(reach_avx512, 2, i);
                }
                if i < which.len() {
                    at!(reach_avx512, 1, i);
                }
            }
            Level::Avx2 => {
                while i + 3 <= which.len() {
                    at!(reach_avx2, 3, i);
                }
                while i < which.len() {
                    at!(reach_avx2, 1, i);
                }
            }
            _ => {}
        }
        for (q, threshold) in which[i..].iter().zip(&thresholds[i..]) {
            masks.push(panel::reach(panel, bias, queries.row(*q as usize), *threshold));
        }
    }
}

/// What a query brings to [`Simd::byte_scaled`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scaled {
    pub start: i32,
    pub scale: f32,
    pub threshold: f32,
}
