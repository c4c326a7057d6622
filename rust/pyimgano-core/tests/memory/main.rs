//! Every large request for memory of every kernel is refused once: each refusal is an error.

mod refusing;

use std::sync::Mutex;

use pyimgano_core::components::{Connectivity, Keep, filter, label, stats};
use pyimgano_core::convolution::{Convolution, Network};
use pyimgano_core::curves::{Plane, Score, pixel_metrics, pro_vertices};
use pyimgano_core::layer_maps::{Joining, LayerMap, join};
use pyimgano_core::neighbors::KnnIndex;
use pyimgano_core::{Error, Matrix, Result, Silent, coreset};

/// Runs `kernel` with all large requests refused, then with one granted, and so on, in steps that
/// grow, until it makes no more.
fn every_refusal_is_an_error<T: PartialEq + std::fmt::Debug>(
    name: &str,
    kernel: impl Fn() -> Result<T>,
) {
    let expected = kernel().expect(name);
    let mut granted = 0;
    loop {
        let (outcome, refused) = refusing::large_requests_from(granted, &kernel);
        match outcome {
            Ok(found) => {
                assert_eq!((found == expected, refused), (true, 0), "{name}: {granted}");
                assert!(granted > 0, "{name} makes no large request");
                return;
            }
            Err(error) => assert!(matches!(error, Error::Memory(_)), "{name}: {error}"),
        }
        granted += 1 + granted / 10;
    }
}

fn noise(count: usize, scale: f32) -> Vec<f32> {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| next() * scale).collect()
}

#[test]
fn coreset() {
    let _alone = refusing::alone();
    for (name, n, d, scale) in
        [("coreset", 9_000, 3, 1.0), ("wide", 20, 20_000, 1.0), ("huge", 9_000, 3, 1e20)]
    {
        let values = noise(n * d, scale);
        let rows = Matrix::new(&values, n, d).expect("fits");
        let picks = if scale > 1.0 { 2 } else { n / 2 };
        every_refusal_is_an_error(name, || coreset::greedy(rows, picks, 0, Some(2), &Silent));
    }
}

#[test]
fn neighbors() {
    let _alone = refusing::alone();
    let (n, d, m) = (9_000, 5, 9_000);
    let (values, asked) = (noise(n * d, 1.0), noise(m * d, 0.9));
    let rows = Matrix::new(&values, n, d).expect("fits");
    let asked = Matrix::new(&asked, m, d).expect("fits");
    let ids: Vec<i64> = (0..n as i64).map(|i| i % 7).collect();
    for level in ["portable", ""] {
        // SAFETY: the other tests of this process wait, and they alone read the variable.
        unsafe { std::env::set_var("PYIMGANO_SIMD", level) };
        every_refusal_is_an_error("index", || {
            KnnIndex::new(rows, Some(&ids), Some(2), &Silent).map(|index| index.rows())
        });
        every_refusal_is_an_error("index in place", || {
            KnnIndex::in_place(rows, Some(&ids), Some(2), &Silent).map(|index| index.rows())
        });
        let index = KnnIndex::new(rows, None, Some(2), &Silent).expect("there is memory");
        every_refusal_is_an_error("query", || index.query(asked, 1, None, Some(2), &Silent));
        let some = asked.slice(0, 90);
        every_refusal_is_an_error("scan", || index.query(some, 300, None, Some(2), &Silent));
    }
    let wide = noise(20 * 20_000, 1.0);
    let wide = Matrix::new(&wide, 20, 20_000).expect("fits");
    every_refusal_is_an_error("wide", || {
        let index = KnnIndex::new(wide, None, Some(2), &Silent)?;
        index.query(wide, 2, None, Some(2), &Silent)
    });
    let huge = noise(9_000, 1e30);
    let huge = Matrix::new(&huge, 9_000, 1).expect("fits");
    every_refusal_is_an_error("huge", || {
        let index = KnnIndex::new(huge, None, Some(2), &Silent)?;
        index.query(huge.slice(0, 3), 8_500, None, Some(2), &Silent)
    });
}

#[test]
fn convolutions() {
    let _alone = refusing::alone();
    let (weights, more, bias) = (noise(48 * 3 * 25, 1.0), noise(48 * 48 * 9, 1.0), [0.1; 48]);
    let first = Convolution {
        weights: &weights,
        shape: [48, 3, 5, 5],
        bias: &bias,
        stride: 1,
        source: 0,
        residual: None,
        relu: true,
    };
    let second = Convolution { weights: &more, shape: [48, 48, 3, 3], source: 1, ..first };
    let images = noise(2 * 3 * 150 * 150, 1.0);
    every_refusal_is_an_error("convolutions", || {
        let network = Network::new(3, &[first, second], &[0, 1])?;
        let two = network.run(&images, [2, 150, 150], Some(2), &Silent)?;
        let one = network.run(&images[..3 * 150 * 150], [1, 150, 150], Some(2), &Silent)?;
        Ok((two, one))
    });
}

#[test]
fn layer_maps() {
    let _alone = refusing::alone();
    let (fine, coarse) = (noise(2 * 40 * 40 * 700, 1.0), noise(2 * 20 * 20 * 900, 1.0));
    let maps = [
        LayerMap { values: &fine, shape: [40, 40, 700] },
        LayerMap { values: &coarse, shape: [20, 20, 900] },
    ];
    let how = Joining { grid: [40, 40], pooled: true, nearest: false };
    every_refusal_is_an_error("layer maps", || join(&maps, 2, how, Some(2), &Silent));
}

#[test]
fn components() {
    let _alone = refusing::alone();
    let side = 1_030;
    let map = noise(side * side, 1.0);
    let mask: Vec<u8> = map.iter().map(|x| u8::from(*x > 0.8)).collect();
    let eight = Connectivity::Eight;
    // What is written to is not the kernel's.
    let labels = Mutex::new(vec![0; mask.len()]);
    every_refusal_is_an_error("labels", || {
        let mut labels = labels.lock().expect("no panic");
        labels.fill(0);
        label(&mask, &mut labels, side, eight, &Silent)
    });
    let labels = labels.into_inner().expect("no panic");
    every_refusal_is_an_error("stats", || {
        let all = stats(&labels, Some(&map), side, side, &Silent)?;
        Ok(all.len())
    });
    let keep = Keep { threshold: 0.8, min_area: 2, min_score: Some(0.9), connectivity: eight };
    let out = Mutex::new(vec![0.0; map.len()]);
    every_refusal_is_an_error("filter", || {
        let mut out = out.lock().expect("no panic");
        out.fill(0.0);
        filter(vec![(&map, &mut out, [side, side])], keep, Some(2), &Silent)
    });
}

fn curves_of<T: Score>(map: &[T], mask: &[u8], side: usize) {
    let plane = Plane::new(mask, map, side, side).expect("fits");
    every_refusal_is_an_error("metrics", || pixel_metrics(&[plane], 0.3, Some(2), &Silent));
    every_refusal_is_an_error("curve", || {
        pro_vertices(&[plane], Some(2), &Silent).map(|all| all.len())
    });
}

#[test]
fn curves() {
    let _alone = refusing::alone();
    let side = 450;
    let map = noise(side * side, 1.0);
    let mask: Vec<u8> = noise(side * side, 1.0).iter().map(|x| u8::from(*x > 0.6)).collect();
    curves_of(&map, &mask, side);
    let doubles: Vec<f64> = map.iter().map(|x| f64::from(*x)).collect();
    curves_of(&doubles, &mask, side);
}
