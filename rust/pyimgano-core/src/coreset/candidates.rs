//! Which rows are candidates.

use rayon::prelude::*;

use super::cover::{Cover, precedes};
use crate::{Result, memory};

/// Candidates of the first batch.
pub(super) const FIRST: usize = 4096;

/// The first rows in picking order.
pub(super) struct Chosen {
    /// Their places, ascending.
    pub places: Vec<u32>,
    /// The first row that is not among them, if any is left.
    pub outside: Option<(f64, u32)>,
}

/// A row that is not picked: squared distance to the picks, row, place.
type Entry = (f64, u32, u32);

fn order(a: &Entry, b: &Entry) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The first `size` rows in picking order that are not picked.
pub(super) fn farthest(cover: &Cover<'_>, size: usize) -> Result<Chosen> {
    let mut entries = above(cover, likely_floor(cover, size)?)?;
    if entries.len() <= size {
        entries = above(cover, 0.0)?;
    }
    let mut outside = None;
    if entries.len() > size {
        let (_, first, _) = entries.select_nth_unstable_by(size, order);
        outside = Some((first.0, first.1));
        entries.truncate(size);
    }
    debug_assert!(outside.is_none_or(|o| entries.iter().all(|e| precedes((e.0, e.1), o))));
    let mut places = memory::collected(entries.into_iter().map(|entry| entry.2))?;
    places.sort_unstable();
    Ok(Chosen { places, outside })
}

/// All rows that are not picked and at least `floor` away, in order of their places.
fn above(cover: &Cover<'_>, floor: f64) -> Result<Vec<Entry>> {
    const CHUNK: usize = 1 << 14;
    let mut parts = memory::filled(cover.nearest.len().div_ceil(CHUNK), vec![])?;
    cover
        .nearest
        .par_chunks(CHUNK)
        .zip(cover.blocks.rows.par_chunks(CHUNK))
        .zip(&mut parts)
        .enumerate()
        .try_for_each(|(c, ((values, rows), part))| {
            memory::room(part, values.iter().filter(|value| **value >= floor).count())?;
            for (i, (value, row)) in values.iter().zip(rows).enumerate() {
                if *value >= floor {
                    part.push((*value, *row, (c * CHUNK + i) as u32));
                }
            }
            Ok(())
        })?;
    let mut all = memory::reserved(parts.iter().map(Vec::len).sum())?;
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all)
}

/// A distance that somewhat more than `size` rows exceed, going by a sample.
fn likely_floor(cover: &Cover<'_>, size: usize) -> Result<f64> {
    const STRIDE: usize = 61;
    let mut sample = memory::collected(cover.nearest.iter().step_by(STRIDE).copied())?;
    let rank = size / STRIDE * 5 / 4 + 8;
    if rank >= sample.len() {
        return Ok(0.0);
    }
    Ok(sample.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1.max(0.0))
}

/// Candidates for the next batch, after one of `size` candidates made `picks` picks.
pub(super) fn next_size(size: usize, picks: usize, rows: usize) -> usize {
    let most = (rows / 8).clamp(FIRST, 2 * FIRST);
    if picks * 4 > size { (size * 2).min(most) } else { size }
}
