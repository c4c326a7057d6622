//! Nearest neighbours: rows with structure, rows without, and building the index.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pyimgano_core::neighbors::KnnIndex;
use pyimgano_core::{Matrix, Silent};

/// Rows of `rank` random directions plus noise; of `cols` random values where `rank` is 0.
fn rows(count: usize, cols: usize, rank: usize, seed: u64) -> Vec<f32> {
    let uniform = |seed: u64, n: usize| -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    };
    let mut values = uniform(seed, count * cols);
    if rank > 0 {
        let basis = uniform(99, rank * cols);
        for (row, latent) in
            values.chunks_exact_mut(cols).zip(uniform(seed + 1, count * rank).chunks_exact(rank))
        {
            for (j, x) in row.iter_mut().enumerate() {
                *x *= 0.05;
                *x += (0..rank).map(|l| latent[l] * basis[l * cols + j]).sum::<f32>();
            }
        }
    }
    values
}

fn neighbors(c: &mut Criterion) {
    const BANK: usize = 4_096;
    const QUERIES: usize = 256;
    const COLS: usize = 256;
    let mut group = c.benchmark_group("knn");
    group.sample_size(20);
    for (name, rank) in [("structured", 8), ("unstructured", 0)] {
        let (bank, queries) = (rows(BANK, COLS, rank, 3), rows(QUERIES, COLS, rank, 5));
        let bank = Matrix::new(&bank, BANK, COLS).expect("the shape fits");
        let queries = Matrix::new(&queries, QUERIES, COLS).expect("the shape fits");
        group.bench_function(BenchmarkId::new("build", name), |b| {
            b.iter(|| KnnIndex::new(black_box(bank), None, None, &Silent));
        });
        let index = KnnIndex::new(bank, None, None, &Silent).expect("a good bank");
        for k in [1usize, 9] {
            group.bench_with_input(BenchmarkId::new(name, k), &k, |b, k| {
                b.iter(|| index.query(black_box(queries), *k, None, None, &Silent));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, neighbors);
criterion_main!(benches);
