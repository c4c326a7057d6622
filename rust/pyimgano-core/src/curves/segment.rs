//! A segment of the table of bins, and the search among the few keys of one slot.

use crate::score::Key;

/// Where the slots of a segment begin, and how far a key's tail is shifted for its slot there.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Segment {
    pub first: u32,
    pub shift: u32,
}

/// How many of the ascending `keys` do not exceed `key`, probably few.
#[cold]
pub fn search<K: Key>(keys: &[K], key: K) -> usize {
    let mut step = 1;
    while step < keys.len() && keys[step] <= key {
        step *= 2;
    }
    keys[..step.min(keys.len())].partition_point(|&other| other <= key)
}
