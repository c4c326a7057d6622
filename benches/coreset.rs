//! Greedy coreset on rows that look like patch features, small enough to run in seconds.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pyimgano_core::{Matrix, Silent, coreset};

/// Rows on a curved surface of few dimensions with some noise: as compressible as real features.
fn patches(rows: usize, cols: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let basis: Vec<f32> = (0..8 * cols).map(|_| next()).collect();
    let mut values = Vec::with_capacity(rows * cols);
    for _ in 0..rows {
        let latent: [f32; 8] = std::array::from_fn(|_| next());
        for j in 0..cols {
            let sum: f32 = (0..8).map(|l| latent[l] * basis[l * cols + j]).sum();
            values.push((sum + 0.05 * next()).max(0.0));
        }
    }
    values
}

fn greedy(c: &mut Criterion) {
    let mut group = c.benchmark_group("greedy_coreset");
    group.sample_size(10);
    for (rows, cols, picks) in [(10_000, 128, 100), (10_000, 128, 1_000), (10_000, 512, 100)] {
        let values = patches(rows, cols);
        let matrix = Matrix::new(&values, rows, cols).expect("the shape fits");
        let name = format!("{rows}x{cols}");
        group.bench_with_input(BenchmarkId::new(name, picks), &picks, |b, picks| {
            b.iter(|| coreset::greedy(black_box(matrix), *picks, 0, None, &Silent));
        });
    }
    group.finish();
}

criterion_group!(benches, greedy);
criterion_main!(benches);
