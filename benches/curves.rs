//! Pixel metrics by number of images, share of defects and precision.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pyimgano_core::Silent;
use pyimgano_core::curves::{Plane, Score, pixel_metrics};

const SIDE: usize = 128;

/// A mask with one square of `side` pixels, and waves that are higher there.
fn image(side: usize, seed: usize) -> (Vec<u8>, Vec<f32>) {
    let inside = |i: usize| i / SIDE < side && i % SIDE < side;
    let score = |i: usize| {
        let (y, x) = ((i / SIDE) as f32, (i % SIDE) as f32);
        let wave = (y * 0.13 + seed as f32).sin() * (x * 0.11 + seed as f32 * 0.7).cos();
        wave + if inside(i) { 1.0 } else { 0.0 }
    };
    let pixels = 0..SIDE * SIDE;
    (pixels.clone().map(|i| u8::from(inside(i))).collect(), pixels.map(score).collect())
}

fn run<T: Score>(images: &[(Vec<u8>, Vec<T>)]) -> f64 {
    let planes: Vec<_> = images
        .iter()
        .map(|(mask, map)| Plane::new(mask, map, SIDE, SIDE).expect("square"))
        .collect();
    pixel_metrics(&planes, 0.3, Some(1), &Silent).expect("finite").aupro
}

fn curves(c: &mut Criterion) {
    let mut group = c.benchmark_group("pixel_metrics");
    for n in [4, 8, 16, 32] {
        let images: Vec<_> = (0..n).map(|seed| image(SIDE / 6, seed)).collect();
        group.throughput(Throughput::Elements((n * SIDE * SIDE) as u64));
        group.bench_function(BenchmarkId::new("images", n), |b| b.iter(|| run(black_box(&images))));
    }
    group.throughput(Throughput::Elements((8 * SIDE * SIDE) as u64));
    for percent in [1, 10, 50, 99] {
        let side = (SIDE as f64 * (f64::from(percent) / 100.0).sqrt()) as usize;
        let images: Vec<_> = (0..8).map(|seed| image(side, seed)).collect();
        let id = BenchmarkId::new("percent of defects", percent);
        group.bench_function(id, |b| b.iter(|| run(black_box(&images))));
    }
    let images: Vec<_> = (0..8)
        .map(|seed| image(SIDE / 6, seed))
        .map(|(mask, map)| (mask, map.into_iter().map(f64::from).collect::<Vec<_>>()))
        .collect();
    group.bench_function("float64", |b| b.iter(|| run(black_box(&images))));
    group.finish();
}

criterion_group!(benches, curves);
criterion_main!(benches);
