//! Labelling and the component filter by image size and amount of foreground.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pyimgano_core::Silent;
use pyimgano_core::components::{Components, Connectivity, Keep, filter};
use pyimgano_core::task::Progress;

/// Waves of several lengths: blobs above any threshold.
fn waves(side: usize) -> Vec<f32> {
    let at = |i: usize| {
        let (y, x) = ((i / side) as f32, (i % side) as f32);
        (y * 0.31).sin() * (x * 0.29).cos() + (y * 0.07 + x * 0.05).sin()
    };
    (0..side * side).map(at).collect()
}

fn components(c: &mut Criterion) {
    let mut group = c.benchmark_group("label");
    for side in [64, 128, 256, 512] {
        let mask: Vec<u8> = waves(side).iter().map(|&score| u8::from(score > 0.5)).collect();
        let mut found = Components::default();
        let progress = Progress::default();
        group.throughput(Throughput::Elements((side * side) as u64));
        group.bench_function(BenchmarkId::from_parameter(side), |b| {
            b.iter(|| {
                found
                    .of_mask(black_box(&mask), side, Connectivity::Eight, &progress)
                    .map(|()| found.count())
            })
        });
    }
    group.finish();

    let mut group = c.benchmark_group("filter");
    let side = 256;
    let map = waves(side);
    group.throughput(Throughput::Elements((side * side) as u64));
    for threshold in [1.8, 1.0, 0.0, -2.0] {
        let keep =
            Keep { threshold, min_area: 50, min_score: None, connectivity: Connectivity::Eight };
        let mut out = vec![0.0; map.len()];
        group.bench_function(BenchmarkId::new("above", threshold), |b| {
            b.iter(|| {
                let jobs = vec![(&map[..], &mut out[..], [side, side])];
                filter(black_box(jobs), keep, Some(1), &Silent)
            })
        });
    }
    group.finish();
}

criterion_group!(benches, components);
criterion_main!(benches);
