//! The index: what it is made of, and how a query is answered.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::answers::{Neighbors, Slot, slots};
use super::bank::{Bank, Order};
use super::query_batch::QueryBatch;
use super::structure::Structure;
use super::tile::TILE;
use super::{dense, plain, pruned};
use crate::principal_axes::centre_of;
use crate::simd::Simd;
use crate::task::{self, Progress};
use crate::{Error, Matrix, Monitor, Result, SearchStats, bounds, check, memory};

/// Smaller banks are scanned: their axes would cost more than they save.
pub(super) const SMALL: usize = 1024;

/// More neighbours than this are looked for in a scan.
const FEW: usize = 256;

/// A bank of rows that answers nearest-neighbour queries.
///
/// It has a copy of the rows, or leaves them where they are: then they come along with each query.
#[derive(Debug, Clone)]
pub struct KnnIndex {
    order: Order,
    /// The rows in that order.
    data: Option<Vec<f32>>,
    structure: Option<Structure>,
    largest: f32,
}

impl KnnIndex {
    /// An index of `bank`'s rows, which are copied; `groups` holds one id per row.
    pub fn new(
        bank: Matrix<'_>,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        Self::with(bank, true, groups, n_threads, monitor)
    }

    /// An index of `bank`'s rows, which are not copied: memory follows their number, and a byte for
    /// each value. It is asked by [`KnnIndex::query_in_place`], with the same rows.
    pub fn in_place(
        bank: Matrix<'_>,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        Self::with(bank, false, groups, n_threads, monitor)
    }

    fn with(
        bank: Matrix<'_>,
        copied: bool,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let rows = bank.rows();
        check_bank(bank, groups)?;
        let simd = Simd::from_env()?;
        task::run(n_threads, monitor, 1, |progress| {
            let largest = check::finite("bank", bank, simd, progress)?;
            let useful = rows >= SMALL && bounds::RANGE.contains(&largest);
            Self::build((bank, copied), groups, largest, useful, simd, progress)
        })
    }

    fn build(
        (bank, copied): (Matrix<'_>, bool),
        groups: Option<&[i64]>,
        largest: f32,
        structured: bool,
        simd: Simd,
        progress: &Progress,
    ) -> Result<Self> {
        let (centre, mut structure, rows) = if structured {
            let (structure, rows) = Structure::of(bank, simd, progress)?;
            let centre = memory::collected(structure.axes.centre.iter().copied())?;
            (centre, Some(structure), rows)
        } else {
            (centre_of(bank)?, None, memory::collected(0..bank.rows() as u32)?)
        };
        let groups = groups
            .map(|ids| memory::collected(rows.iter().map(|row| ids[*row as usize])))
            .transpose()?;
        let order = Order { cols: bank.cols(), rows, groups, centre };
        let data = if copied { Some(order.gathered(bank, progress)?) } else { None };
        if let Some(structure) = &mut structure {
            let bank = data.as_ref().map_or(order.in_place(bank), |data| order.placed(data));
            structure.complete(&bank, simd, progress)?;
        }
        Ok(Self { order, data, structure, largest })
    }

    /// Number of rows of the bank.
    pub fn rows(&self) -> usize {
        self.order.rows.len()
    }

    /// Number of columns of the bank.
    pub fn cols(&self) -> usize {
        self.order.cols
    }

    /// The rows as they were given, if they were copied: another index of them answers the same.
    pub fn data(&self) -> Result<Option<Vec<f32>>> {
        let Some(ordered) = &self.data else { return Ok(None) };
        let mut data = memory::zeros(ordered.len())?;
        for (row, values) in self.order.rows.iter().zip(ordered.chunks_exact(self.cols())) {
            let start = *row as usize * self.cols();
            data[start..start + self.cols()].copy_from_slice(values);
        }
        Ok(Some(data))
    }

    /// The group of each row as they were given.
    pub fn groups(&self) -> Result<Option<Vec<i64>>> {
        let Some(ordered) = &self.order.groups else { return Ok(None) };
        let mut groups = memory::filled(ordered.len(), 0)?;
        for (row, group) in self.order.rows.iter().zip(ordered) {
            groups[*row as usize] = *group;
        }
        Ok(Some(groups))
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
        self.query_with_stats(None, queries, k, groups, n_threads, monitor).map(|(found, _)| found)
    }

    /// As [`KnnIndex::query`], for an index made by [`KnnIndex::in_place`] of the rows of `bank`. Where
    /// they have changed since, what is found is arbitrary.
    pub fn query_in_place(
        &self,
        bank: Matrix<'_>,
        queries: Matrix<'_>,
        k: usize,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Neighbors> {
        let answer = self.query_with_stats(Some(bank), queries, k, groups, n_threads, monitor);
        answer.map(|(found, _)| found)
    }

    /// As [`KnnIndex::query`], or with a `bank` as [`KnnIndex::query_in_place`], and what the lower
    /// bounds spared it.
    pub fn query_with_stats(
        &self,
        bank: Option<Matrix<'_>>,
        queries: Matrix<'_>,
        k: usize,
        groups: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<(Neighbors, SearchStats)> {
        let bank = self.bank(bank)?;
        check_columns(queries, self.cols())?;
        if k == 0 {
            return Err(Error::Argument("k must be at least 1, got 0".into()));
        }
        check_groups("queries", groups, queries.rows())?;
        match (bank.groups, groups) {
            (Some(_), None) => {
                return Err(Error::Argument("the bank has groups: queries need groups too".into()));
            }
            (None, Some(_)) => {
                return Err(Error::Argument("groups of queries need an index with groups".into()));
            }
            _ => {}
        }
        let cells = queries.rows().checked_mul(k).filter(|cells| cells.checked_mul(8).is_some());
        let Some(cells) = cells else {
            return Err(Error::Argument(format!(
                "k of {k} is too large for {} queries",
                queries.rows()
            )));
        };
        let simd = Simd::from_env()?;
        task::run(n_threads, monitor, queries.rows(), |progress| {
            let largest = check::finite("queries", queries, simd, progress)?.max(self.largest);
            let distances = memory::filled(cells, f32::INFINITY)?;
            let mut out = Neighbors { distances, indices: memory::filled(cells, -1)? };
            let batch = QueryBatch { queries, k, groups, simd, progress };
            let stats = if bounds::RANGE.contains(&largest) {
                self.bounded(&bank, &batch, &mut out)?
            } else {
                plain::answer(&bank, &batch, &mut out.distances, &mut out.indices)?
            };
            Ok((out, stats))
        })
    }

    /// The rows to search: the index's own, or those that come along.
    fn bank<'a>(&'a self, outside: Option<Matrix<'a>>) -> Result<Bank<'a>> {
        match (&self.data, outside) {
            (Some(data), None) => Ok(self.order.placed(data)),
            (None, Some(all)) if (all.rows(), all.cols()) == (self.rows(), self.cols()) => {
                Ok(self.order.in_place(all))
            }
            (None, Some(all)) => Err(Error::Argument(format!(
                "bank must have the shape ({}, {}) that the index was made of, got ({}, {})",
                self.rows(),
                self.cols(),
                all.rows(),
                all.cols()
            ))),
            (Some(_), Some(_)) => {
                Err(Error::Argument("bank is given, but the index has a copy of its rows".into()))
            }
            (None, None) => Err(Error::Argument("bank is missing: the index has no copy".into())),
        }
    }

    fn bounded(
        &self,
        bank: &Bank<'_>,
        batch: &QueryBatch<'_>,
        out: &mut Neighbors,
    ) -> Result<SearchStats> {
        let sum =
            |slots: &[Slot<'_>]| slots.iter().fold(SearchStats::default(), |a, b| a + b.stats);
        let mut stats = SearchStats::default();
        let mut slots = slots(batch, TILE, out)?;
        if let Some(structure) = self.structure.as_ref().filter(|_| batch.k <= FEW) {
            let (answered, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let even = slots.len().div_ceil(rayon::current_num_threads()).max(1);
            let rounds = even.div_ceil(pruned::TOGETHER);
            slots.par_chunks_mut(even.div_ceil(rounds)).try_for_each(|slots| {
                // Where tile after tile finds a scan to be cheaper, the rest need not try.
                if given_up.load(Ordering::Relaxed) > 2 * answered.load(Ordering::Relaxed) {
                    return Ok(());
                }
                pruned::answer(bank, structure, batch, slots)?;
                let good = slots.iter().filter(|slot| slot.answered).count();
                answered.fetch_add(good, Ordering::Relaxed);
                given_up.fetch_add(slots.len() - good, Ordering::Relaxed);
                Ok(())
            })?;
            stats = sum(&slots);
            slots.retain(|slot| !slot.answered);
        }
        let bytes = self.structure.as_ref().and_then(Structure::bytes);
        dense::answer(bank, bytes, batch, &mut slots)?;
        Ok(stats + sum(&slots))
    }
}

/// Refuses a bank that no index can be made of.
pub(super) fn check_bank(bank: Matrix<'_>, groups: Option<&[i64]>) -> Result<()> {
    let (rows, cols) = (bank.rows(), bank.cols());
    if rows == 0 || cols == 0 {
        return Err(Error::Argument(format!(
            "bank must have at least one row and one column, got shape ({rows}, {cols})"
        )));
    }
    if u32::try_from(rows).is_err() {
        return Err(Error::Argument(format!("bank must have fewer than 2^32 rows, got {rows}")));
    }
    check_groups("bank", groups, rows)
}

/// Refuses queries of other columns than the bank's.
pub(super) fn check_columns(queries: Matrix<'_>, cols: usize) -> Result<()> {
    if queries.cols() == cols {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "queries must have {cols} columns as the bank, got {}",
        queries.cols()
    )))
}

/// Refuses groups of another length than `rows`.
pub(super) fn check_groups(name: &str, groups: Option<&[i64]>, rows: usize) -> Result<()> {
    match groups {
        Some(ids) if ids.len() != rows => Err(Error::Argument(format!(
            "groups must hold one id for each of the {rows} rows of {name}, got {}",
            ids.len()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
