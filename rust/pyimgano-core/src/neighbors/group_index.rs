//! The distance of each query to the nearest row of every group: what mutual scoring compares
//! images by, where each image is a group.
//!
//! 1. *Project* as in the [module above](super), with axes that all groups share.
//! 2. *Ball tree*, one per group: a block holds rows of one group, and the last one of a group is
//!    filled up with a row of it.
//! 3. For 64 queries and one group at a time, `nearest_in` finds the first radius, prunes and refines
//!    as in `pruned`. The queries' projections are made once for all groups.
//! 4. Groups that no bound can prune are scanned, and after a few of them all others at once.
//!
//! Memory follows the rows, the queries, and the answers: never queries by rows.

use std::ops::Range;

use rayon::prelude::*;

use super::answers::{Slot, tile_size};
use super::bank::Order;
use super::index::{SMALL, check_bank, check_columns, check_groups};
use super::pruned::{Buffers, TOGETHER};
use super::query_batch::QueryBatch;
use super::structure::Structure;
use super::tile::{TILE, Tile};
use super::{dense, topk::TopK};
use crate::ball_tree::{BallTree, split};
use crate::principal_axes::centre_of;
use crate::projection::Projected;
use crate::simd::{PANEL, Simd};
use crate::task::{self, Progress};
use crate::{Error, Matrix, Monitor, Result, SearchStats, bounds, check, memory};

/// Rows in groups, which tells how near each group comes to a query.
#[derive(Debug, Clone)]
pub struct GroupIndex {
    order: Order,
    /// The rows in that order.
    data: Vec<f32>,
    structure: Option<Structure>,
    ids: Vec<i64>,
    /// Of each group the blocks that hold its rows.
    blocks: Vec<Range<usize>>,
    largest: f32,
}

/// Queries of one tile, and where their answers go: one for each query and group.
struct Part<'a> {
    first: usize,
    count: usize,
    out: &'a mut [f32],
}

impl GroupIndex {
    /// An index of `bank`'s rows, which are copied; `groups` holds one id per row.
    pub fn new(
        bank: Matrix<'_>,
        groups: &[i64],
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        check_bank(bank, Some(groups))?;
        let simd = Simd::from_env()?;
        task::run(n_threads, monitor, 1, |progress| {
            let largest = check::finite("bank", bank, simd, progress)?;
            let structured = bank.rows() >= SMALL && bounds::RANGE.contains(&largest);
            Self::build(bank, groups, largest, structured, simd, progress)
        })
    }

    fn build(
        bank: Matrix<'_>,
        groups: &[i64],
        largest: f32,
        structured: bool,
        simd: Simd,
        progress: &Progress,
    ) -> Result<Self> {
        let (ids, members) = members(groups)?;
        let mut end = 0;
        let blocks = memory::collected(members.iter().map(|rows| {
            let start = end;
            end += rows.len().div_ceil(PANEL);
            start..end
        }))?;
        let (centre, mut structure, rows) = if structured {
            let tree = |projections: &Projected, progress: &Progress| {
                let mut members = members;
                members.par_iter_mut().try_for_each(|rows| split(rows, projections, progress))?;
                BallTree::over(filled_up(&members, end)?, projections, progress)
            };
            let (structure, rows) = Structure::with(bank, tree, simd, progress)?;
            let centre = memory::collected(structure.axes.centre.iter().copied())?;
            (centre, Some(structure), rows)
        } else {
            (centre_of(bank)?, None, filled_up(&members, end)?)
        };
        let order = Order { cols: bank.cols(), rows, groups: None, centre };
        let data = order.gathered(bank, progress)?;
        if let Some(structure) = &mut structure {
            structure.complete(&order.placed(&data), simd, progress)?;
        }
        Ok(Self { order, data, structure, ids, blocks, largest })
    }

    /// The ids of the groups, ascending: the order of the answers.
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// For each query one distance per group, in the order of [`GroupIndex::ids`]: Euclidean, to the
    /// group's nearest row; infinity for the query's own group.
    pub fn nearest(
        &self,
        queries: Matrix<'_>,
        own: Option<&[i64]>,
        n_threads: Option<usize>,
        monitor: &dyn Monitor,
    ) -> Result<Vec<f32>> {
        check_columns(queries, self.order.cols)?;
        check_groups("queries", own, queries.rows())?;
        let cells = queries.rows().checked_mul(self.ids.len());
        let Some(cells) = cells.filter(|cells| cells.checked_mul(4).is_some()) else {
            return Err(Error::Argument(format!(
                "{} queries are too many for {} groups",
                queries.rows(),
                self.ids.len()
            )));
        };
        let simd = Simd::from_env()?;
        task::run(n_threads, monitor, cells, |progress| {
            let largest = check::finite("queries", queries, simd, progress)?.max(self.largest);
            let mut out = memory::filled(cells, f32::INFINITY)?;
            let batch = QueryBatch { queries, k: 1, groups: None, simd, progress };
            if bounds::RANGE.contains(&largest) {
                self.bounded(&batch, own, &mut out)?;
            } else {
                self.plain(&batch, own, &mut out)?;
            }
            Ok(out)
        })
    }

    /// Every distance in float64, see `plain`.
    fn plain(&self, batch: &QueryBatch<'_>, own: Option<&[i64]>, out: &mut [f32]) -> Result<()> {
        let bank = self.order.placed(&self.data);
        out.par_chunks_mut(self.ids.len()).enumerate().try_for_each(|(q, out)| {
            let query = batch.queries.row(q);
            for ((out, blocks), id) in out.iter_mut().zip(&self.blocks).zip(&self.ids) {
                let mut squared = f64::INFINITY;
                if own.is_some_and(|own| own[q] == *id) {
                    continue;
                }
                for b in blocks.clone() {
                    batch.progress.check()?;
                    for place in b * PANEL..(b + 1) * PANEL {
                        let other = bank.values(place);
                        squared = squared.min(batch.simd.squared_distance(query, other));
                    }
                }
                *out = squared.sqrt() as f32;
            }
            Ok(())
        })
    }

    fn bounded(&self, batch: &QueryBatch<'_>, own: Option<&[i64]>, out: &mut [f32]) -> Result<()> {
        let size = tile_size(batch.queries.rows(), TILE);
        let groups = self.ids.len();
        let mut parts =
            memory::collected(out.chunks_mut(size * groups).enumerate().map(|(tile, out)| Part {
                first: tile * size,
                count: out.len() / groups,
                out,
            }))?;
        let even = parts.len().div_ceil(rayon::current_num_threads()).max(1);
        let rounds = even.div_ceil(TOGETHER);
        parts
            .par_chunks_mut(even.div_ceil(rounds))
            .try_for_each(|parts| self.answer(batch, own, parts))
    }

    /// Answers the queries of a few tiles, group after group, so that a group's rows are fetched once
    /// for all.
    fn answer(
        &self,
        batch: &QueryBatch<'_>,
        own: Option<&[i64]>,
        parts: &mut [Part<'_>],
    ) -> Result<()> {
        let bank = self.order.placed(&self.data);
        let mut tiles = vec![];
        if let Some(structure) = &self.structure {
            for part in parts.iter() {
                tiles.push(Tile::new(&bank, structure, batch, part.first, part.count)?);
            }
        }
        let (mut buffers, mut panel) = (Buffers::new(), dense::Panel::default());
        let (mut pruned, mut given_up) = (0, 0);
        for (g, blocks) in self.blocks.iter().enumerate() {
            let mut left = vec![];
            for (t, part) in parts.iter_mut().enumerate() {
                let all_own = own.is_some_and(|own| {
                    own[part.first..part.first + part.count].iter().all(|id| *id == self.ids[g])
                });
                if all_own {
                    continue; // infinity, as it is
                }
                let tile = tiles.get_mut(t).filter(|_| given_up <= 8 + 2 * pruned);
                let mut known = vec![];
                if let Some(tile) = tile {
                    if nearest_in(tile, blocks.clone(), batch, &mut buffers)? {
                        pruned += 1;
                        part.write(g, self.ids.len(), tile.tops.iter().map(TopK::nearest));
                        batch.progress.add(part.count);
                        continue;
                    }
                    given_up += 1;
                    known.extend(tile.tops.iter().map(TopK::radius));
                }
                left.push((t, known));
            }
            self.scan(batch, g, parts, left, &mut panel)?;
        }
        let Some(own) = own else { return Ok(()) };
        for part in parts {
            for (q, out) in part.out.chunks_exact_mut(self.ids.len()).enumerate() {
                if let Ok(g) = self.ids.binary_search(&own[part.first + q]) {
                    out[g] = f32::INFINITY;
                }
            }
        }
        Ok(())
    }

    /// Scans group `g` for some of the parts, which come with their numbers and with what bounds
    /// their queries' distances.
    fn scan(
        &self,
        batch: &QueryBatch<'_>,
        g: usize,
        parts: &mut [Part<'_>],
        left: Vec<(usize, Vec<f64>)>,
        panel: &mut dense::Panel,
    ) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let mut found = vec![([f32::INFINITY; PANEL], [-1i64; PANEL]); left.len()];
        let which: Vec<usize> = left.iter().map(|(t, _)| *t).collect();
        let mut slots: Vec<Slot<'_>> = found
            .iter_mut()
            .zip(left)
            .map(|((distances, indices), (t, bounds))| Slot {
                first: parts[t].first,
                count: parts[t].count,
                distances: &mut distances[..parts[t].count],
                indices: &mut indices[..parts[t].count],
                bounds,
                answered: false,
                stats: SearchStats::default(),
            })
            .collect();
        let bytes = self.structure.as_ref().and_then(Structure::bytes);
        let bank = self.order.placed(&self.data);
        dense::scan(&bank, bytes, batch, &mut slots, self.blocks[g].clone(), panel)?;
        for (t, (distances, _)) in which.into_iter().zip(&found) {
            for (q, distance) in distances[..parts[t].count].iter().enumerate() {
                parts[t].out[q * self.ids.len() + g] = *distance;
            }
        }
        Ok(())
    }
}

impl Part<'_> {
    /// Writes what was found in group `g`.
    fn write(&mut self, g: usize, groups: usize, squared: impl Iterator<Item = f64>) {
        for (out, squared) in self.out.chunks_exact_mut(groups).zip(squared) {
            out[g] = squared.sqrt() as f32;
        }
    }
}

/// Finds the nearest row in some blocks for the queries of a tile; false where a scan looks cheaper.
fn nearest_in(
    tile: &mut Tile<'_>,
    blocks: Range<usize>,
    batch: &QueryBatch<'_>,
    buffers: &mut Buffers,
) -> Result<bool> {
    tile.restart();
    tile.find_first_radius(blocks.clone())?;
    for b in blocks.clone() {
        batch.progress.check()?;
        tile.visit_block(b, buffers);
        let seen = b + 1 - blocks.start;
        if seen.is_multiple_of(4) && tile.exceeds_scan(seen) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The ids, ascending, and for each the rows of its group.
fn members(groups: &[i64]) -> Result<(Vec<i64>, Vec<Vec<u32>>)> {
    let mut order = memory::collected(0..groups.len() as u32)?;
    order.par_sort_unstable_by_key(|row| (groups[*row as usize], *row));
    let id = |row: &u32| groups[*row as usize];
    let runs = || order.chunk_by(|a, b| id(a) == id(b));
    let count = runs().count();
    let (mut ids, mut members) = (memory::reserved(count)?, memory::reserved(count)?);
    for run in runs() {
        ids.push(id(&run[0]));
        members.push(memory::collected(run.iter().copied())?);
    }
    Ok((ids, members))
}

/// All rows, each group's filled up to whole blocks with copies of its last row.
fn filled_up(members: &[Vec<u32>], blocks: usize) -> Result<Vec<u32>> {
    let mut all = memory::reserved(blocks * PANEL)?;
    for rows in members {
        all.extend_from_slice(rows);
        if let Some(last) = rows.last() {
            all.resize(all.len().next_multiple_of(PANEL), *last);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
