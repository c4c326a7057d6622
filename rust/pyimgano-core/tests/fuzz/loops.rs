//! The loops below the kernels.

use pyimgano_core::simd::{PANEL, Queries, Simd};

use crate::inputs::{Random, Rows, rows, squared};

/// The loops themselves, on slices that end where their memory ends.
pub fn loops(case: u64, simd: Simd) {
    let mut random = Random::of(5, case);
    let (d, m) = (random.columns(), random.between(1, 15));
    let kind = [0, 1, 2, 6][random.below(4)];
    let exact = |rows: Rows| rows.matrix().data().to_vec().into_boxed_slice();
    let queries = exact(rows(&mut random, m, d, kind));
    let panel = exact(rows(&mut random, d, PANEL, kind));
    let (a, b) = (&queries[..d], &queries[(m - 1) * d..]);
    assert_eq!(simd.squared_distance(a, b).to_bits(), squared(a, b).to_bits(), "case {case}");
    let close = |got: f32, real: f64, size: f64| (f64::from(got) - real).abs() <= 1e-4 * size;
    assert!(close(simd.near(a, b), squared(a, b), squared(a, b)), "case {case}");
    simd.prefetch(a);

    let all = Queries { rows: &queries, dims: d };
    let mut out = vec![0.0; m * PANEL];
    simd.dots(&panel, all, &mut out);
    let which: Vec<u32> = (0..random.below(20)).map(|_| random.below(m) as u32).collect();
    let bias: [f32; PANEL] = std::array::from_fn(|_| random.unit());
    let thresholds: Vec<f32> = which.iter().map(|_| random.unit() * 4.0).collect();
    let mut masks = vec![];
    simd.reach(&panel, &bias, all, &which, &thresholds, &mut masks);
    assert_eq!(masks.len(), which.len());
    let product = |q: usize, r: usize| -> (f64, f64) {
        (0..d)
            .map(|j| f64::from(queries[q * d + j]) * f64::from(panel[j * PANEL + r]))
            .fold((0.0, 1e-30), |(sum, size), term| (sum + term, size + term.abs()))
    };
    for r in 0..PANEL {
        for q in 0..m {
            let (sum, size) = product(q, r);
            assert!(close(out[q * PANEL + r], sum, size), "case {case}");
        }
        for (i, q) in which.iter().enumerate() {
            let (sum, size) = product(*q as usize, r);
            let over = sum + f64::from(bias[r]) - f64::from(thresholds[i]);
            // Rounding may decide what is nearer than that.
            if over.abs() > 1e-4 * (size + 5.0) {
                assert_eq!(masks[i] >> r & 1 == 1, over > 0.0, "case {case}");
            }
        }
    }

    let count = random.between(1, PANEL);
    let rows: Box<[f32]> = (0..count * PANEL).map(|_| random.unit()).collect();
    let query: [f32; PANEL] = std::array::from_fn(|_| random.unit());
    let limits: [f32; PANEL] = std::array::from_fn(|_| random.unit() * 30.0 + 30.0);
    let asked = random.next() & u64::MAX >> (PANEL - count);
    let mut near = [0.0; PANEL];
    let kept = simd.sift(&query, &rows, asked, &limits, &mut near);
    assert_eq!(kept & !asked, 0, "case {case}");
    for r in (0..count).filter(|r| asked >> r & 1 == 1) {
        let real = squared(&query, &rows[r * PANEL..(r + 1) * PANEL]);
        assert!(close(near[r], real, real), "case {case}");
        assert_eq!(kept >> r & 1 == 1, near[r] <= limits[r], "case {case}");
    }
}
