//! JPEGs made by hand: what is whole, what is damaged, and that no bytes bring the check down.

use proptest::prelude::*;
use pyimgano_core::jpeg::{Fault, Summary, check};

/// A grey picture of 16 x 8 pixels: two blocks of nothing but their mean, in the standard codes.
fn grey(data: &[u8]) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    file.extend([1; 64]);
    file.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0]);
    file.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    file.extend(data);
    file.extend([0xFF, 0xD9]);
    file
}

/// Twice "no difference" (00) and "no coefficients" (1010), filled with ones.
const WHOLE: [u8; 2] = [0b0010_1000, 0b1010_1111];

#[test]
fn a_whole_picture_has_the_size_of_its_header() {
    let expected = Summary { width: 16, height: 8, components: 1 };
    assert_eq!(check(&grey(&WHOLE)), Ok(expected));
}

#[test]
fn what_follows_the_end_marker_is_let_be() {
    let mut file = grey(&WHOLE);
    file.extend(b"\xFF\xD8\xFF\xE1 a preview, a film");
    assert!(check(&file).is_ok());
}

#[test]
fn bytes_that_fill_the_room_before_markers_are_let_be() {
    let mut data = WHOLE.to_vec();
    data.extend([0xFF; 5]);
    assert!(check(&grey(&data)).is_ok());
}

#[test]
fn one_block_too_few_and_one_byte_too_many_are_damage() {
    for data in [&[0b0010_1011][..], &[0b0010_1000, 0b1010_1111, 0xAA], &[]] {
        assert!(matches!(check(&grey(data)), Err(Fault::Damaged(_))), "{data:?}");
    }
}

#[test]
fn filling_that_is_neither_ones_nor_zeros_is_damage() {
    assert!(check(&grey(&[0b0010_1000, 0b1010_0000])).is_ok());
    assert!(matches!(check(&grey(&[0b0010_1000, 0b1010_0100])), Err(Fault::Damaged(_))));
}

#[test]
fn a_mean_beyond_black_is_damage() {
    // A difference of 11 bits, all zeros: -2047.
    let data = [0b1111_1111, 0, 0b0000_0000, 0b0000_1010, 0b0010_1011];
    assert_eq!(
        check(&grey(&data)).err().map(|fault| fault.to_string()),
        Some("a block is brighter than white or darker than black".to_owned())
    );
}

#[test]
fn kinds_that_are_not_read_are_told_from_damage() {
    let whole = grey(&WHOLE);
    for (marker, word) in [(0xC3, "lossless"), (0xC9, "arithmetic"), (0xC5, "hierarchical")] {
        let mut file = whole.clone();
        file[72] = marker;
        let fault = check(&file).err();
        assert!(
            matches!(fault, Some(Fault::Unsupported(text)) if text.contains(word)),
            "{fault:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_bring_it_down(
        changes in prop::collection::vec((0_usize..110, any::<u8>()), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..64),
        progressive in any::<bool>(),
    ) {
        let mut file = grey(&WHOLE);
        if progressive {
            file[72] = 0xC2;
        }
        file.extend(tail);
        for (at, value) in changes {
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
        }
        let _ = check(&file);
    }
}
