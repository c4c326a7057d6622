//! Products of rows of bytes: exact, and four times as many at once as of float32.
//!
//! One side is unsigned. A *byte panel* holds 64 rows in groups of four columns: value `4 g + c` of
//! row `r` is at `256 g + 4 r + c`.

#[cfg(target_arch = "aarch64")]
use super::bytes_neon;
#[cfg(target_arch = "x86_64")]
use super::bytes_x86;
use super::dispatch::Scaled;
use super::level::Simd;
use super::panel::PANEL;

/// Rows of equally many bytes are padded with zeros to a multiple of this.
pub(crate) const BYTES: usize = 64;

fn product(row: &[u8], query: &[i8]) -> i32 {
    row.iter().zip(query).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

/// `bias` plus the products of one query with the rows of a byte panel.
fn products(panel: &[u8], bias: &[i32; PANEL], query: &[i8]) -> [i32; PANEL] {
    let mut sums = *bias;
    for (group, x) in panel.as_chunks::<{ 4 * PANEL }>().0.iter().zip(query.as_chunks::<4>().0) {
        for (sum, row) in sums.iter_mut().zip(group.as_chunks::<4>().0) {
            *sum += product(row, x);
        }
    }
    sums
}

impl Simd {
    /// Bit r is set where row r of the byte panel is within squared distance `limits[r]` of the box
    /// between `low` and `high`; differences beyond 127 count as 127.
    pub(crate) fn byte_within(
        self,
        panel: &[u8],
        low: &[u8],
        high: &[u8],
        limits: &[i32; PANEL],
    ) -> u64 {
        assert_eq!(panel.len(), PANEL * low.len(), "the panel has other dimensions");
        assert_eq!(low.len(), high.len(), "a box has as many low sides as high ones");
        #[cfg(target_arch = "x86_64")]
        if self.has_bytes() && low.len().is_multiple_of(4) {
            let (low, high, groups) = (low.as_ptr(), high.as_ptr(), low.len() / 4);
            // SAFETY: the CPU has VNNI, and the lengths were checked.
            return unsafe { bytes_x86::within(panel.as_ptr(), groups, low, high, limits) };
        }
        #[cfg(target_arch = "aarch64")]
        if self.has_bytes() && low.len().is_multiple_of(4) {
            // SAFETY: the CPU has the dot product.
            return unsafe { bytes_neon::within(panel, low, high, limits) };
        }
        let distance = |r: usize| -> i32 {
            let sides = low.iter().zip(high).enumerate();
            let off = sides.map(|(j, (low, high))| {
                let x = panel[j / 4 * 4 * PANEL + 4 * r + j % 4];
                i32::from(low.saturating_sub(x).max(x.saturating_sub(*high)).min(127))
            });
            off.map(|x| x * x).sum()
        };
        (0..PANEL).map(|r| u64::from(distance(r) <= limits[r]) << r).sum()
    }

    /// For each pair of a query and a row their product; both have `stride` bytes, a multiple of
    /// [`BYTES`].
    pub(crate) fn byte_pairs(
        self,
        rows: &[u8],
        queries: &[i8],
        stride: usize,
        pairs: &[(u32, u32)],
        out: &mut Vec<i32>,
    ) {
        let row = |i: usize| &rows[pairs[i].1 as usize * stride..][..stride];
        let query = |i: usize| &queries[pairs[i].0 as usize * stride..][..stride];
        out.clear();
        #[cfg(target_arch = "x86_64")]
        if self.has_bytes() && stride.is_multiple_of(BYTES) {
            for i in (0..pairs.len()).step_by(4) {
                // The last pair fills up.
                let at: [usize; 4] = std::array::from_fn(|j| (i + j).min(pairs.len() - 1));
                let (rows, queries) = (at.map(|i| row(i).as_ptr()), at.map(|i| query(i).as_ptr()));
                // SAFETY: the CPU has VNNI; each row and query is a slice of that many bytes.
                let sums = unsafe { bytes_x86::four(rows, queries, stride / BYTES) };
                out.extend_from_slice(&sums[..(pairs.len() - i).min(4)]);
            }
            return;
        }
        #[cfg(target_arch = "aarch64")]
        if self.has_bytes() && stride.is_multiple_of(BYTES) {
            // SAFETY: the CPU has the dot product.
            out.extend((0..pairs.len()).map(|i| unsafe { bytes_neon::product(row(i), query(i)) }));
            return;
        }
        out.extend((0..pairs.len()).map(|i| product(row(i), query(i))));
    }

    /// `bias` plus the products of `query` with the rows of a byte panel.
    pub(crate) fn byte_dots(
        self,
        panel: &[u8],
        bias: &[i32; PANEL],
        query: &[i8],
        out: &mut [i32; PANEL],
    ) {
        assert_eq!(panel.len(), PANEL * query.len(), "the panel has other dimensions");
        #[cfg(target_arch = "x86_64")]
        if self.has_bytes() {
            // SAFETY: the CPU has VNNI, and the lengths were checked.
            return unsafe { bytes_x86::dots(panel, query.len() / 4, bias, query.as_ptr(), out) };
        }
        #[cfg(target_arch = "aarch64")]
        if self.has_bytes() {
            // SAFETY: the CPU has the dot product.
            return unsafe { bytes_neon::dots(panel, bias, query, out) };
        }
        *out = products(panel, bias, query);
    }

    /// For each query of `which`: bit r is set where `bias[r]` plus the product with row r of the
    /// byte panel is at least the query's threshold.
    ///
    /// `queries` holds rows of `dims` bytes; `thresholds` and `masks` (which is overwritten) run
    /// along `which`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn byte_reach(
        self,
        panel: &[u8],
        bias: &[i32; PANEL],
        queries: &[i8],
        dims: usize,
        which: &[u32],
        thresholds: &[i32],
        masks: &mut Vec<u64>,
    ) {
        assert_eq!(panel.len(), PANEL * dims, "the panel has other dimensions");
        assert_eq!(which.len(), thresholds.len(), "each query needs its threshold");
        let row = |i: usize| &queries[which[i] as usize * dims..][..dims];
        masks.clear();
        #[cfg(target_arch = "aarch64")]
        if self.has_bytes() {
            // SAFETY: the CPU has the dot product.
            return unsafe { bytes_neon::reach(panel, bias, row, thresholds, masks) };
        }
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // only there it moves on
        let mut i = 0;
        #[cfg(target_arch = "x86_64")]
        if self.has_bytes() {
            // `at!(N)` handles entries i..i + N of `which`.
            macro_rules! at {
                ($n:literal) => {{
                    let pointers = std::array::from_fn(|q| row(i + q).as_ptr());
                    let limits = std::array::from_fn(|q| thresholds[i + q]);
                    let found =
                        // SAFETY: the CPU has VNNI, the lengths were checked.
                        unsafe { bytes_x86::reach::<$n>(panel, dims / 4, bias, pointers, limits) };
                    masks.extend_from_slice(&found);
                    i += $n;
                }};
            }
            while i + 6 <= which.len() {
                at!(6);
            }
            while i + 2 <= which.len() {
                at!(2);
            }
            if i < which.len() {
                at!(1);
            }
        }
        for (i, threshold) in thresholds.iter().enumerate().skip(i) {
            let sums = products(panel, bias, row(i));
            let mask = |(r, sum): (usize, &i32)| u64::from(sum >= threshold) << r;
            masks.push(sums.iter().enumerate().map(mask).sum());
        }
    }

    /// For each query: bit r is set where `start` plus the product with row r of the byte panel,
    /// times the query's scale and the row's, plus the row's bias, is at least the threshold.
    ///
    /// `queries` holds one row of bytes per entry of `asked`; three roundings to float32 each.
    pub(crate) fn byte_scaled(
        self,
        panel: &[u8],
        scales: &[f32; PANEL],
        bias: &[f32; PANEL],
        queries: &[i8],
        asked: &[Scaled],
        masks: &mut Vec<u64>,
    ) {
        let dims = panel.len() / PANEL;
        assert_eq!(queries.len(), dims * asked.len(), "each query needs its scale");
        let row = |i: usize| &queries[i * dims..][..dims];
        masks.clear();
        #[cfg(target_arch = "aarch64")]
        if self.has_bytes() {
            // SAFETY: the CPU has the dot product.
            return unsafe { bytes_neon::scaled(panel, (scales, bias), row, asked, masks) };
        }
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // only there it moves on
        let mut i = 0;
        #[cfg(target_arch = "x86_64")]
        if self.has_bytes() {
            // `at!(N)` handles queries i..i + N.
            macro_rules! at {
                ($n:literal) => {{
                    let pointers = std::array::from_fn(|q| row(i + q).as_ptr());
                    let asked = std::array::from_fn(|q| asked[i + q]);
                    // SAFETY: the CPU has VNNI, the lengths were checked.
                    let found = unsafe {
                        bytes_x86::scaled::<$n>(panel, dims / 4, scales, bias, pointers, asked)
                    };
                    masks.extend_from_slice(&found);
                    i += $n;
                }};
            }
            while i + 6 <= asked.len() {
                at!(6);
            }
            while i < asked.len() {
                at!(1);
            }
        }
        for (i, a) in asked.iter().enumerate().skip(i) {
            let sums = products(panel, &[a.start; PANEL], row(i));
            let reached = |r: usize| sums[r] as f32 * scales[r] * a.scale + bias[r] >= a.threshold;
            masks.push((0..PANEL).map(|r| u64::from(reached(r)) << r).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_of_pairs_are_exact(chunks in 1usize..8, m in 0usize..11, seed in any::<u64>()) {
            let stride = BYTES * chunks;
            let byte = |i: usize| (seed.wrapping_mul(i as u64 * 2 + 1) >> 37) as u8;
            let rows: Vec<u8> = (0..5 * stride).map(byte).collect();
            let queries: Vec<i8> = (0..3 * stride).map(|i| byte(i + 7) as i8).collect();
            let pairs: Vec<(u32, u32)> = (0..m as u32).map(|i| (i % 3, i * 7 % 5)).collect();
            let expected: Vec<i32> = pairs
                .iter()
                .map(|(q, r)| {
                    let row = &rows[*r as usize * stride..][..stride];
                    product(row, &queries[*q as usize * stride..][..stride])
                })
                .collect();
            for simd in Simd::all() {
                let mut out = vec![1];
                simd.byte_pairs(&rows, &queries, stride, &pairs, &mut out);
                prop_assert_eq!(&out, &expected);
            }
        }

        #[test]
        fn distances_from_a_box(groups in 1usize..20, seed in any::<u64>()) {
            let byte = |i: usize| (seed.wrapping_mul(i as u64 * 2 + 1) >> 41) as u8;
            let dims = 4 * groups;
            let panel: Vec<u8> = (0..dims * PANEL).map(byte).collect();
            let (low, high): (Vec<u8>, Vec<u8>) = (0..dims)
                .map(|j| (byte(3 * j + 5), byte(7 * j + 1)))
                .map(|(a, b)| (a.min(b), a.max(b)))
                .unzip();
            let limits = std::array::from_fn(|r| (r * dims * 40) as i32);
            let mut expected = 0;
            for (r, limit) in limits.iter().enumerate() {
                let mut squared = 0;
                for j in 0..dims {
                    let x = i32::from(panel[j / 4 * 256 + 4 * r + j % 4]);
                    let nearest = x.clamp(low[j].into(), high[j].into());
                    squared += (x - nearest).abs().min(127).pow(2);
                }
                expected |= u64::from(squared <= *limit) << r;
            }
            for simd in Simd::all() {
                prop_assert_eq!(simd.byte_within(&panel, &low, &high, &limits), expected);
            }
        }

        #[test]
        fn products_of_bytes_are_exact(groups in 1usize..40, m in 0usize..15, seed in any::<u64>()) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as u8
            };
            let dims = 4 * groups;
            let panel: Vec<u8> = (0..dims * PANEL).map(|_| next()).collect();
            let queries: Vec<i8> = (0..dims * m).map(|_| next() as i8).collect();
            let bias: [i32; PANEL] = std::array::from_fn(|r| 1000 * r as i32 - 30_000);
            let which: Vec<u32> = (0..m as u32).rev().collect();
            let thresholds: Vec<i32> = (0..m).map(|i| i as i32 * 900 - 4000).collect();
            for simd in Simd::all() {
                let mut masks = vec![];
                simd.byte_reach(&panel, &bias, &queries, dims, &which, &thresholds, &mut masks);
                prop_assert_eq!(masks.len(), m);
                for (i, w) in which.iter().enumerate() {
                    let query = &queries[*w as usize * dims..][..dims];
                    let mut out = [0; PANEL];
                    simd.byte_dots(&panel, &bias, query, &mut out);
                    for r in 0..PANEL {
                        let row: Vec<u8> =
                            (0..dims).map(|j| panel[j / 4 * 256 + 4 * r + j % 4]).collect();
                        let sum: i32 =
                            (0..dims).map(|j| i32::from(row[j]) * i32::from(query[j])).sum();
                        prop_assert_eq!(out[r], sum + bias[r]);
                        prop_assert_eq!(masks[i] >> r & 1 == 1, sum + bias[r] >= thresholds[i]);
                    }
                }
            }
        }
    }
}
