//! What is refused, and that the levels agree; `tests/fuzz` compares with plain sums.

use super::{Convolution, Map, Network};
use crate::simd::{Level, Simd};
use crate::{Error, Silent};

const ONES: [f32; 32 * 9] = [1.0; 32 * 9];

fn convolution(shape: [usize; 4]) -> Convolution<'static> {
    let count = shape.iter().product();
    Convolution {
        weights: &ONES[..count],
        shape,
        bias: &ONES[..shape[0]],
        stride: 1,
        source: 0,
        residual: None,
        relu: false,
    }
}

fn refusal(convolutions: &[Convolution<'_>], outputs: &[usize]) -> String {
    match Network::new(1, convolutions, outputs) {
        Err(Error::Argument(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    let good = convolution([2, 1, 3, 3]);
    let text = |bad| refusal(&[good, bad], &[1]);
    let next = Convolution { source: 1, ..convolution([2, 2, 1, 1]) };
    assert!(text(convolution([2, 1, 2, 2])).contains("convolution 1 has weights of shape"));
    assert!(text(convolution([2, 1, 3, 1])).contains("must be square"));
    assert!(text(Convolution { bias: &[], ..good }).contains("18 weights and 0 biases"));
    assert!(text(Convolution { stride: 3, ..good }).contains("has stride 3"));
    assert!(text(Convolution { source: 2, ..next }).contains("takes 2 channels, and map 2"));
    assert!(text(Convolution { source: 0, ..next }).contains("takes 2 channels, and map 0"));
    assert!(text(Convolution { residual: Some(0), ..next }).contains("no map of 2 channels"));
    let smaller = Convolution { stride: 2, residual: Some(1), ..next };
    assert!(text(smaller).contains("convolution 1 adds a map of another size"));
    assert!(refusal(&[good], &[]).contains("needs an output"));
    assert!(refusal(&[good], &[1]).contains("output 1 is none of the 1 convolutions"));
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let network = Network::new(1, &[convolution([2, 1, 3, 3])], &[0]).expect("fits");
    let text = |values: &[f32], shape| match network.run(values, shape, None, &Silent) {
        Err(Error::Argument(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(text(&[0.0; 5], [1, 2, 3]).contains("5 values do not make 1 images of 1 x 2 x 3"));
    assert!(text(&[], [1, 0, 3]).contains("have no pixels"));
    assert!(text(&[], [usize::MAX, usize::MAX, 3]).contains("do not make"));
    let none = network.run(&[], [0, 2, 3], None, &Silent);
    assert_eq!(none, Ok(vec![Map { values: vec![], shape: [2, 3, 2] }]));
    assert!(network.check_channels(3).is_err());
}

#[test]
fn a_rectifier_keeps_nan_and_drops_what_is_negative() {
    let one = Convolution { bias: &[0.0], relu: true, ..convolution([1, 1, 1, 1]) };
    let network = Network::new(1, &[one], &[0]).expect("fits");
    let images = [f32::NAN, -1.0, 2.0, f32::NEG_INFINITY, f32::INFINITY];
    let maps = network.run(&images, [1, 1, 5], Some(1), &Silent).expect("runs");
    assert!(maps[0].values[0].is_nan());
    assert_eq!(maps[0].values[1..], [0.0, 2.0, 0.0, f32::INFINITY]);
}

/// The bits were first those of AVX2: 3 x 3 by Winograd, then 5 x 5 with stride 2 directly.
#[test]
fn every_cpu_with_fused_multiply_adds_gives_the_same_bits() {
    let simd = Simd::from_env().expect("a level of this CPU");
    if cfg!(target_arch = "x86_64") && simd.level() == Level::Portable {
        println!("left out: portable code rounds each product on x86-64");
        return;
    }
    let mut state = 1u32;
    let mut noise = |count: usize| -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    };
    let (first, second, bias) = (noise(20 * 3 * 9), noise(33 * 20 * 25), noise(33));
    let layer = |weights, shape: [usize; 4], stride, source| Convolution {
        weights,
        shape,
        bias: &bias[..shape[0]],
        stride,
        source,
        residual: None,
        relu: source == 0,
    };
    let layers = [layer(&first, [20, 3, 3, 3], 1, 0), layer(&second, [33, 20, 5, 5], 2, 1)];
    let network = Network::new(3, &[layers[0], layers[1]], &[1]);
    let run = network.and_then(|n| n.run(&noise(3 * 23 * 29), [1, 23, 29], Some(2), &Silent));
    let maps = run.expect("runs");
    let bytes = maps[0].values.iter().flat_map(|x| x.to_bits().to_le_bytes());
    // FNV-1a.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(format!("{hash:016x}"), "80e29fdecba5ab7c");
}
