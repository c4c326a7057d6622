//! Exact nearest neighbours.

use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::simd::Simd;
use crate::{Error, Matrix, Monitor, Result, check, task};

/// Distances and row numbers, `k` for each query, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Euclidean distances; infinity where there is no further eligible row.
    pub distances: Vec<f32>,
    /// Row numbers in the bank; -1 where there is no further eligible row.
    pub indices: Vec<i64>,
}

/// A bank of rows that answers nearest-neighbour queries.
#[derive(Debug, Clone)]
pub struct KnnIndex {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
    groups: Option<Vec<i64>>,
}

/// A candidate neighbour, ordered by distance, then by row.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    squared: f64,
    row: usize,
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.squared.total_cmp(&other.squared).then(self.row.cmp(&other.row))
    }
}

impl KnnIndex {
    /// An index of `bank`'s rows; `groups` holds one id per row.
    pub fn new(
        bank: Matrix<'_>,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let (rows, cols) = (bank.rows(), bank.cols());
        if rows == 0 || cols == 0 {
            return Err(Error::Argument(format!(
                "bank must have at least one row and one column, got shape ({rows}, {cols})"
            )));
        }
        check_groups("bank", groups, rows)?;
        task::run(n_threads, monitor, 1, |_| check::finite("bank", bank).map(|_| ()))?;
        Ok(Self { data: bank.data().to_vec(), rows, cols, groups: groups.map(<[i64]>::to_vec) })
    }

    /// Number of rows of the bank.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns of the bank.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The `k` nearest rows of each query; rows of the query's own group do not count.
    pub fn query(
        &self,
        queries: Matrix<'_>,
        k: usize,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Neighbors> {
        if queries.cols() != self.cols {
            return Err(Error::Argument(format!(
                "queries must have {} columns as the bank, got {}",
                self.cols,
                queries.cols()
            )));
        }
        if k == 0 {
            return Err(Error::Argument("k must be at least 1, got 0".into()));
        }
        check_groups("queries", groups, queries.rows())?;
        match (&self.groups, groups) {
            (Some(_), None) => {
                return Err(Error::Argument("the bank has groups: queries need groups too".into()));
            }
            (None, Some(_)) => {
                return Err(Error::Argument("groups of queries need an index with groups".into()));
            }
            _ => {}
        }
        let cells = queries.rows().checked_mul(k).ok_or_else(|| {
            Error::Argument(format!("k of {k} is too large for {} queries", queries.rows()))
        })?;
        let simd = Simd::from_env()?;
        task::run(n_threads, monitor, queries.rows(), |progress| {
            check::finite("queries", queries)?;
            let mut out =
                Neighbors { distances: vec![f32::INFINITY; cells], indices: vec![-1; cells] };
            out.distances
                .par_chunks_mut(k)
                .zip(out.indices.par_chunks_mut(k))
                .enumerate()
                .try_for_each(|(q, (distances, indices))| {
                    progress.check()?;
                    let query = queries.row(q);
                    let mut heap = BinaryHeap::new();
                    for (row, values) in self.data.chunks_exact(self.cols).enumerate() {
                        if let (Some(own), Some(theirs)) = (groups, &self.groups)
                            && own[q] == theirs[row]
                        {
                            continue;
                        }
                        let found = Found { squared: simd.squared_distance(query, values), row };
                        if heap.len() < k {
                            heap.push(found);
                        } else if let Some(mut worst) = heap.peek_mut()
                            && found < *worst
                        {
                            *worst = found;
                        }
                    }
                    for (i, found) in heap.into_sorted_vec().into_iter().enumerate() {
                        distances[i] = found.squared.sqrt() as f32;
                        indices[i] = found.row as i64;
                    }
                    progress.add(1);
                    Ok(())
                })?;
            Ok(out)
        })
    }
}

/// Refuses groups of another length than `rows`.
fn check_groups(name: &str, groups: Option<&[i64]>, rows: usize) -> Result<()> {
    match groups {
        Some(ids) if ids.len() != rows => Err(Error::Argument(format!(
            "groups must hold one id for each of the {rows} rows of {name}, got {}",
            ids.len()
        ))),
        _ => Ok(()),
    }
}
