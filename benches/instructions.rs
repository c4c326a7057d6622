//! Runs one kernel on a fixed input, so many times, on one thread: `instructions KERNEL TIMES`. Prints
//! the seconds that the runs took.
//!
//! For `make bench-instructions`, which counts the instructions of one run less those of none, and for
//! `benches/instruction_sets.py`, which compares the times of the instruction sets.

use std::time::Instant;

use pyimgano_core::components::{Connectivity, Keep, filter, label};
use pyimgano_core::convolution::{Convolution, Network};
use pyimgano_core::curves::{Plane, pixel_metrics};
use pyimgano_core::neighbors::KnnIndex;
use pyimgano_core::{Matrix, Silent, coreset};

/// Rows near a surface of four dimensions.
fn rows(count: usize, cols: usize) -> Vec<f32> {
    let wave = |i: usize, j: usize| ((i * 7919 % 1009) as f32 * 0.01 * (j % 4 + 1) as f32).sin();
    (0..count * cols).map(|at| wave(at / cols, at % cols) + (at * 31 % 97) as f32 / 970.0).collect()
}

/// Waves of several lengths.
fn map(side: usize) -> Vec<f32> {
    let at = |y: f32, x: f32| (y * 0.31).sin() * (x * 0.29).cos() + (y * 0.07 + x * 0.05).sin();
    (0..side * side).map(|i| at((i / side) as f32, (i % side) as f32)).collect()
}

/// Two convolutions of 64 channels: the first by Winograd, the second, with stride 2, directly.
fn network() -> Network {
    let weights: Vec<f32> = (0..64 * 64 * 9).map(|i| (i * 31 % 97) as f32 / 970.0 - 0.05).collect();
    let layer = |source, stride| Convolution {
        weights: &weights,
        shape: [64, 64, 3, 3],
        bias: &[0.1; 64],
        stride,
        source,
        residual: None,
        relu: true,
    };
    Network::new(64, &[layer(0, 1), layer(1, 2)], &[1]).expect("fits")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kernel, times] = &arguments[..] else { panic!("usage: instructions KERNEL TIMES") };
    let times: usize = times.parse().expect("TIMES is a whole number");
    let features = rows(8_192, 128);
    let features = Matrix::new(&features, 8_192, 128).expect("fits");
    let index = KnnIndex::new(features, None, Some(1), &Silent).expect("good input");
    let asked: Vec<f32> = features.data()[..784 * 128].iter().map(|x| x * 0.9 + 0.05).collect();
    let asked = Matrix::new(&asked, 784, 128).expect("fits");
    let map = map(512);
    let mask: Vec<u8> = map.iter().map(|score| u8::from(*score > 1.2)).collect();
    let (mut labels, mut kept) = (vec![0; mask.len()], vec![0.0; mask.len()]);
    let (network, image) = (network(), rows(64 * 64, 64));
    let start = Instant::now();
    for _ in 0..times {
        match kernel.as_str() {
            "coreset" => drop(coreset::greedy(features, 400, 0, Some(1), &Silent)),
            "index" => drop(KnnIndex::new(features, None, Some(1), &Silent)),
            "query" => drop(index.query(asked, 9, None, Some(1), &Silent)),
            "metrics" => {
                let plane = Plane::new(&mask, &map, 512, 512).expect("good input");
                pixel_metrics(&[plane], 0.3, Some(1), &Silent).expect("good input");
            }
            "labels" => {
                let eight = Connectivity::Eight;
                labels.fill(0);
                label(&mask, &mut labels, 512, eight, &Silent).expect("good input");
            }
            "filter" => {
                let connectivity = Connectivity::Eight;
                let keep = Keep { threshold: 1.0, min_area: 50, min_score: None, connectivity };
                let jobs = vec![(&map[..], &mut kept[..], [512, 512])];
                filter(jobs, keep, Some(1), &Silent).expect("good input");
            }
            "network" => drop(network.run(&image, [1, 64, 64], Some(1), &Silent)),
            _ => panic!("no kernel {kernel}"),
        }
    }
    println!("{:.6}", start.elapsed().as_secs_f64());
}
