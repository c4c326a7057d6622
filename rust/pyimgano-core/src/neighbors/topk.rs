//! The best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::{Result, memory};

/// A row and its squared distance, ordered by distance, then by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub squared: f64,
    pub row: usize,
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        self.squared.total_cmp(&other.squared).then(self.row.cmp(&other.row))
    }
}

/// The `k` first of all rows that were put in.
#[derive(Debug, Clone)]
pub(super) struct TopK {
    heap: BinaryHeap<Found>,
    k: usize,
    bound: f64,
}

impl TopK {
    /// Empty, for the first `k` of `rows`; rows farther than `bound` are known not to be among them.
    pub fn new(k: usize, rows: usize, bound: f64) -> Result<Self> {
        Ok(Self { heap: memory::reserved(k.min(rows))?.into(), k, bound })
    }

    /// Forgets all rows and what is known of them.
    pub fn restart(&mut self) {
        self.heap.clear();
        self.bound = f64::INFINITY;
    }

    /// Rows with a larger squared distance need not be put in.
    #[inline]
    pub fn radius(&self) -> f64 {
        self.bound
    }

    /// Puts a row in; true if that made the bound smaller.
    pub fn put(&mut self, found: Found) -> bool {
        if self.heap.len() < self.k {
            self.heap.push(found);
            if self.heap.len() < self.k {
                return false;
            }
        } else {
            match self.heap.peek_mut() {
                Some(mut worst) if found < *worst => *worst = found,
                _ => return false,
            }
        }
        let worst = self.heap.peek().map_or(f64::INFINITY, |worst| worst.squared);
        let smaller = worst < self.bound;
        self.bound = self.bound.min(worst);
        smaller
    }

    /// The squared distance of the first row; infinity where there is none.
    pub fn nearest(&self) -> f64 {
        self.heap.iter().map(|found| found.squared).fold(f64::INFINITY, f64::min)
    }

    /// Writes what was found, nearest first; what is left of the slices stays as it is.
    pub fn write(self, distances: &mut [f32], indices: &mut [i64]) {
        let found = self.heap.into_sorted_vec();
        for ((distance, index), found) in distances.iter_mut().zip(indices).zip(found) {
            *distance = found.squared.sqrt() as f32;
            *index = found.row as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_the_first_k(values in prop::collection::vec(0u8..20, 0..60), k in 1usize..20) {
            let mut all: Vec<Found> = values
                .iter()
                .enumerate()
                .map(|(row, v)| Found { squared: f64::from(*v), row })
                .collect();
            let mut top = TopK::new(k, all.len(), f64::INFINITY).expect("a few bytes");
            for found in all.iter().rev() {
                top.put(*found);
            }
            all.sort();
            if all.len() >= k {
                prop_assert_eq!(top.radius(), all[k - 1].squared);
            }
            let (mut distances, mut indices) = (vec![f32::INFINITY; k], vec![-1; k]);
            top.write(&mut distances, &mut indices);
            for (i, index) in indices.iter().enumerate() {
                prop_assert_eq!(*index, all.get(i).map_or(-1, |f| f.row as i64));
            }
        }
    }
}
