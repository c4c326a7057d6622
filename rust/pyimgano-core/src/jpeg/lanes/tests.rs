//! Lanes against the plain walk.

use super::*;
use crate::jpeg::bits::Interval;
use crate::jpeg::huffman::{Class, standard};

/// Blocks of one component in the standard codes.
fn data(blocks: usize, seed: u64) -> Vec<u8> {
    const CODES: [&str; 6] = ["000", "0110", "11001", "100101", "10110001", "11111111001"];
    coded(blocks, seed, &CODES, "1010")
}

/// Blocks of one component whose other coefficients are some of these, by a simple generator of
/// numbers.
fn coded(blocks: usize, mut seed: u64, codes: &[&str], end: &str) -> Vec<u8> {
    const MEANS: [&str; 3] = ["00", "0100", "0101"];
    let mut next = |count: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % count
    };
    let mut bits = String::new();
    for i in 0..blocks {
        // Up and down in turns: the means stay small.
        bits += if i % 2 == 0 { MEANS[1 + i / 2 % 2] } else { MEANS[2 - i / 2 % 2] };
        for _ in 0..next(4) {
            bits += codes[next(codes.len())];
        }
        bits += end;
    }
    bits += &"1".repeat(bits.len().wrapping_neg() % 8);
    let byte = |eight: &[u8]| eight.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
    let bytes = bits.as_bytes().chunks(8).map(byte).collect::<Vec<u8>>();
    bytes.iter().flat_map(|&b| if b == 0xFF { vec![b, 0] } else { vec![b] }).collect()
}

/// What the lanes and the plain walk after them say, and the plain walk alone; units by lanes.
fn verdicts(data: &[u8], units: usize) -> [(Checked<()>, usize); 2] {
    verdicts_by(&standard(Class::Ac, false).expect("whole"), data, units)
}

fn verdicts_by(ac: &Table, data: &[u8], units: usize) -> [(Checked<()>, usize); 2] {
    let dc = standard(Class::Dc, false).expect("whole");
    let steps = Steps::new(ac);
    let tables = vec![Tables { dc: &dc, ac, steps: &steps, limit: 1024 }];
    let walk = Sequential { tables, blocks: vec![0] };
    let mut interval = Interval::default();
    interval.fill(data, 0).expect("memory");
    let ahead = run_ahead(&walk, &interval.bits(), units);
    [ahead, Reached::default()].map(|from| {
        let mut bits = interval.bits();
        let verdict = walk.walk_from(from, &mut bits, units);
        (verdict.and_then(|()| bits.finish().map(|_| ())), from.units)
    })
}

#[test]
fn of_whole_data_the_lanes_walk_nearly_all() {
    let units = 60_000;
    let [(lanes, ahead), (plain, _)] = verdicts(&data(units, 1), units);
    assert_eq!((lanes, plain), (Ok(()), Ok(())));
    assert!(ahead > units * 99 / 100, "{ahead} of {units}");
}

#[test]
fn a_long_code_after_two_long_numbers_is_read_to_its_last_bit() {
    // 00: end; 01: one bit; 11 bits: ten bits; two codes of 16 bits that differ in the last one.
    let counts = [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2];
    let ac = Table::new(Class::Ac, &counts, &[0, 1, 10, 2, 3]).expect("whole");
    let ten = "10000000000".to_owned() + "1011001101";
    let codes = [ten.clone() + &ten + "1000000000100001" + "101", "011".to_owned()];
    let units = 20_000;
    let data = coded(units, 4, &codes.each_ref().map(String::as_str), "00");
    let [(lanes, ahead), (plain, _)] = verdicts_by(&ac, &data, units);
    assert_eq!((lanes, plain), (Ok(()), Ok(())));
    assert!(ahead > units * 99 / 100, "{ahead} of {units}");
}

#[test]
fn wherever_a_bit_is_wrong_the_verdict_is_that_of_the_plain_walk() {
    let units = 20_000;
    let whole = data(units, 2);
    let mut refused = 0;
    for place in (0..whole.len()).step_by(whole.len() / 200) {
        let mut data = whole.clone();
        data[place] ^= 1 << (place % 8);
        let [lanes, plain] = verdicts(&data, units);
        assert_eq!(lanes.0, plain.0, "bit {} of byte {place}", place % 8);
        refused += usize::from(plain.0.is_err());
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn too_many_units_and_too_few_are_what_the_plain_walk_calls_them() {
    let data = data(20_000, 3);
    for units in [1, 5_000, 19_999, 20_001, 40_000] {
        let [lanes, plain] = verdicts(&data, units);
        assert_eq!(lanes.0, plain.0, "{units}");
        assert!(plain.0.is_err(), "{units}");
    }
}
