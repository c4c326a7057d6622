//! Networks of random convolutions against sums in float64.

use pyimgano_core::Silent;
use pyimgano_core::convolution::{Convolution, Network};

use crate::inputs::Random;

/// Weights, their shape, biases, stride, source, residual, rectifier.
type Drawn = (Vec<f32>, [usize; 4], Vec<f32>, usize, usize, Option<usize>, bool);

/// A map (channels, height, width).
struct Map {
    values: Vec<f64>,
    shape: [usize; 3],
}

impl Map {
    fn at(&self, c: usize, y: isize, x: isize) -> f64 {
        let [_, height, width] = self.shape;
        let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        if inside { self.values[(c * height + y as usize) * width + x as usize] } else { 0.0 }
    }
}

fn plain(given: &Drawn, maps: &[Map]) -> Map {
    let (weights, [outputs, inputs, side, _], bias, stride, source, residual, relu) = given;
    let from = &maps[*source];
    let (height, width) = (from.shape[1].div_ceil(*stride), from.shape[2].div_ceil(*stride));
    let mut values = Vec::new();
    for k in 0..*outputs {
        for y in 0..height {
            for x in 0..width {
                let mut sum = f64::from(bias[k]);
                for c in 0..*inputs {
                    for i in 0..side * side {
                        let weight = weights[(k * inputs + c) * side * side + i];
                        let down = (y * stride + i / side) as isize - (side / 2) as isize;
                        let right = (x * stride + i % side) as isize - (side / 2) as isize;
                        sum += f64::from(weight) * from.at(c, down, right);
                    }
                }
                sum += residual.map_or(0.0, |r| maps[r].at(k, y as isize, x as isize));
                values.push(if *relu { sum.max(0.0) } else { sum });
            }
        }
    }
    Map { values, shape: [*outputs, height, width] }
}

fn drawn(random: &mut Random, channels: usize) -> Vec<Drawn> {
    // Channels and total stride of each map.
    let mut maps = vec![(channels, 1)];
    let mut all: Vec<Drawn> = Vec::new();
    for _ in 0..random.between(1, 4) {
        let source = random.below(maps.len());
        let (inputs, so_far) = maps[source];
        let (side, stride) = ([3, 3, 1, 5][random.below(4)], random.between(1, 2));
        let scale = so_far * stride;
        let others: Vec<usize> = (1..maps.len()).filter(|at| maps[*at].1 == scale).collect();
        let residual = others.first().copied().filter(|_| random.chance(2));
        let outputs = residual.map_or_else(|| random.between(1, 50), |at| maps[at].0);
        let weights = (0..outputs * inputs * side * side).map(|_| random.unit()).collect();
        let bias = (0..outputs).map(|_| random.unit()).collect();
        let shape = [outputs, inputs, side, side];
        all.push((weights, shape, bias, stride, source, residual, random.chance(2)));
        maps.push((outputs, scale));
    }
    all
}

pub fn networks(case: u64) {
    let random = &mut Random::of(7, case);
    let channels = random.between(1, 4);
    let all = drawn(random, channels);
    let convolutions: Vec<_> = all
        .iter()
        .map(|(weights, shape, bias, stride, source, residual, relu)| Convolution {
            weights,
            shape: *shape,
            bias,
            stride: *stride,
            source: *source,
            residual: *residual,
            relu: *relu,
        })
        .collect();
    let outputs: Vec<_> = (0..all.len()).collect();
    let network = Network::new(channels, &convolutions, &outputs).expect("fits");
    for _ in 0..2 {
        let (n, height, width) = (random.below(4), random.between(1, 21), random.between(1, 38));
        let one = channels * height * width;
        let images: Vec<f32> = (0..n * one).map(|_| random.unit()).collect();
        let run = |threads, images: &[f32], n| {
            network.run(images, [n, height, width], Some(threads), &Silent).expect("runs")
        };
        let found = run(1, &images, n);
        for threads in [2, 3] {
            assert_eq!(run(threads, &images, n), found, "case {case}: {threads} threads");
        }
        for (number, image) in images.chunks_exact(one).enumerate() {
            let alone = run(2, image, 1);
            let values = image.iter().map(|x| f64::from(*x)).collect();
            let mut maps = vec![Map { values, shape: [channels, height, width] }];
            for (layer, given) in all.iter().enumerate() {
                let expected = plain(given, &maps);
                let [k, h, w] = expected.shape;
                assert_eq!(found[layer].shape, [h, w, k], "case {case}");
                let part = &found[layer].values[number * h * w * k..][..h * w * k];
                assert_eq!(part, alone[layer].values, "case {case}: image {number} by itself");
                let most = expected.values.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
                for (i, value) in part.iter().enumerate() {
                    let right = expected.values[i % k * h * w + i / k];
                    let error = (f64::from(*value) - right).abs();
                    assert!(error <= 1e-5 * most, "case {case}, layer {layer}: {value} {right}");
                }
                maps.push(expected);
            }
        }
    }
}
