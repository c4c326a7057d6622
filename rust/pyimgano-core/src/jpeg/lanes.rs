//! A long interval, walked in several lanes at once: no look-up waits for that of another lane.
//!
//! 1. *Settle*: decoding from any bit on, with a guess of what stands there, soon falls in step with
//!    the real codes. Each lane but the first starts where units seem to start after that.
//! 2. *Run*: the lanes take turns, each until it reaches the start of the next one.
//! 3. *Join*: a lane that stops exactly where the next one started proves that guess right. What
//!    comes after the last lane that is proven is left to the plain walk, and so is every lane that
//!    met something odd: the verdict is always the plain walk's.
//!
//! Source: Klein and Wiseman, "Parallel Huffman decoding with applications to JPEG files", The
//! Computer Journal 46(5), 2003; Weissenberger and Schmidt, "Accelerating JPEG decompression on
//! GPUs", HiPC 2021.

use std::ops::Range;

use super::bits::{Bits, eight_bytes};
use super::fault::Checked;
use super::huffman::{END, Steps, Table};
use super::scan::Units;
use super::sequential::{Reached, Sequential, Tables};

/// More lanes wait for the same units of the processor.
const LANES: usize = 4;
/// Shorter intervals are not worth the settling.
const LEAST_BYTES: usize = 1 << 15;
/// Units without an error after which a lane counts as settled.
const SETTLED: usize = 24;

/// Coefficients of a block, where a sum has them.
const FULL: u32 = 64 << 8;

/// Blocks that hold all of their coefficients, in lanes where there are many.
pub struct Laned<'a>(pub Sequential<'a>);

impl Units for Laned<'_> {
    fn interval(&mut self, bits: &mut Bits<'_>, units: Range<usize>) -> Checked<()> {
        let ahead = run_ahead(&self.0, bits, units.len());
        self.0.walk_from(ahead, bits, units.len())
    }
}

/// Steps over those of an interval's first units that are whole for certain.
fn run_ahead(walk: &Sequential<'_>, bits: &Bits<'_>, units: usize) -> Reached {
    let nothing = Reached::default();
    if bits.bytes.len() < LEAST_BYTES {
        return nothing;
    }
    let share = 8 * (bits.bytes.len() / LANES);
    let mut starts = [0; LANES];
    for (lane, start) in starts.iter_mut().enumerate().skip(1) {
        let near = share * lane..share * lane + share / 2;
        let Some(place) = settle(walk, *bits, near) else { return nothing };
        *start = place;
    }
    let blocks = blocks_of_unit(walk);
    // The last bytes are the plain walk's.
    let last = 8 * (bits.bytes.len() - 64);
    let stop = |lane: usize| starts.get(lane + 1).copied().unwrap_or(last);
    let mut lanes: [Lane<'_>; LANES] =
        std::array::from_fn(|lane| Lane::new(starts[lane], stop(lane), blocks[0]));
    run(&mut lanes, &blocks, bits.bytes);
    lanes.sort_unstable_by_key(|lane| lane.start);
    let mut reached = nothing;
    for lane in &lanes {
        if !lane.join(&mut reached, walk, units) {
            break;
        }
    }
    reached
}

/// A place where units seem to start.
fn settle(walk: &Sequential<'_>, mut bits: Bits<'_>, near: Range<usize>) -> Option<usize> {
    bits.go_to(near.start);
    let mut whole = 0;
    while whole < SETTLED && bits.place() < near.end {
        let mut unit = || -> Checked<()> {
            for &part in &walk.blocks {
                walk.tables[part].dc.difference(&mut bits)?;
                walk.tables[part].coefficients(&mut bits)?;
            }
            Ok(())
        };
        if unit().is_ok() {
            whole += 1;
        } else {
            whole = 0;
            bits.go_to(bits.place() + 1);
        }
    }
    (whole == SETTLED).then(|| bits.place())
}

/// A block of a unit.
#[derive(Clone, Copy)]
struct Block<'a> {
    steps: &'a Steps,
    ac: &'a Table,
    dc: &'a Table,
    part: usize,
    /// The number of the block after it; 0 after the last.
    next: usize,
}

fn blocks_of_unit<'a>(walk: &Sequential<'a>) -> Vec<Block<'a>> {
    let block = |(number, &part): (usize, &usize)| {
        let Tables { dc, ac, steps, .. } = walk.tables[part];
        Block { steps, ac, dc, part, next: (number + 1) % walk.blocks.len() }
    };
    walk.blocks.iter().enumerate().map(block).collect()
}

/// One of several walks over an interval.
struct Lane<'a> {
    start: usize,
    place: usize,
    /// It ends with the first unit that ends here or beyond.
    stop: usize,
    block: Block<'a>,
    /// Coefficients of the block that were stepped over.
    index: u32,
    units: usize,
    /// What was added to the means, and between what it lay on the way.
    means: [i32; 4],
    lowest: [i32; 4],
    highest: [i32; 4],
    /// The block's coefficients begin with nothing but zeros.
    blank: bool,
    /// It met what the plain walk must judge.
    odd: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lap {
    Going,
    Over,
}

impl<'a> Lane<'a> {
    fn new(start: usize, stop: usize, block: Block<'a>) -> Self {
        let means = [0; 4];
        let (place, index, units, blank, odd) = (start, 0, 0, false, false);
        let (lowest, highest) = (means, means);
        Self { start, place, stop, block, index, units, means, lowest, highest, blank, odd }
    }

    /// Up to three look-ups, within one block.
    #[inline(always)]
    fn step(&mut self, blocks: &[Block<'a>], bytes: &[u8]) -> Lap {
        let steps = self.block.steps;
        let mut window = eight_bytes(bytes, self.place / 8) << (self.place % 8);
        // Coefficients above, bits below.
        let mut sum = self.index << 8;
        for _ in 0..3 {
            let step = steps.look(window);
            let next = sum + step;
            if next < FULL {
                sum = next;
                window <<= step & 63;
                continue;
            }
            let index = next >> 8;
            if index == 64 || (END < index && index < END + 64) {
                sum = next;
            } else {
                // One code by itself: it is long, or others after it belong to the next block.
                // It may need more bits than those before it have left in the window.
                let at = self.place + (sum & 0xFF) as usize;
                let window = eight_bytes(bytes, at / 8) << (at % 8);
                let Ok(entry) = self.block.ac.look(window) else { return self.give_up() };
                sum += entry.step();
            }
            break;
        }
        self.place += (sum & 0xFF) as usize;
        self.index = sum >> 8;
        if sum < FULL { Lap::Going } else { self.end_block(blocks, bytes) }
    }

    #[inline(always)]
    fn end_block(&mut self, blocks: &[Block<'a>], bytes: &[u8]) -> Lap {
        if self.index <= END && (self.index > 64 || self.blank) {
            return self.give_up();
        }
        let ends_unit = self.block.next == 0;
        self.units += usize::from(ends_unit);
        if ends_unit & (self.place >= self.stop) {
            return Lap::Over;
        }
        self.block = blocks[self.block.next];
        self.begin_block(bytes)
    }

    /// Steps over the mean of its block.
    #[inline(always)]
    fn begin_block(&mut self, bytes: &[u8]) -> Lap {
        let window = eight_bytes(bytes, self.place / 8) << (self.place % 8);
        let Ok((count, difference)) = self.block.dc.look_difference(window) else {
            return self.give_up();
        };
        self.place += count as usize;
        let part = self.block.part & 3;
        // A lane that is not in step can add up anything.
        let mean = self.means[part].wrapping_add(difference);
        self.means[part] = mean;
        self.lowest[part] = mean.min(self.lowest[part]);
        self.highest[part] = mean.max(self.highest[part]);
        self.index = 1;
        self.blank = window << count >> 8 == 0;
        Lap::Going
    }

    #[cold]
    fn give_up(&mut self) -> Lap {
        self.odd = true;
        Lap::Over
    }

    /// Adds its way to what was reached, if it started there and the plain walk would say the same.
    fn join(&self, reached: &mut Reached, walk: &Sequential<'_>, units: usize) -> bool {
        let within = |(part, tables): (usize, &Tables<'_>)| {
            let (mean, limit) = (i64::from(reached.means[part & 3]), i64::from(tables.limit));
            mean + i64::from(self.highest[part & 3]) <= limit
                && mean + i64::from(self.lowest[part & 3]) >= -limit
        };
        let proven = reached.place == self.start
            && !self.odd
            && reached.units + self.units <= units
            && walk.tables.iter().enumerate().all(within);
        if proven {
            reached.place = self.place;
            reached.units += self.units;
            for (mean, change) in reached.means.iter_mut().zip(self.means) {
                *mean += change;
            }
        }
        proven
    }
}

/// Runs all lanes until they are over; they change places.
fn run<'a>(lanes: &mut [Lane<'a>; LANES], blocks: &[Block<'a>], bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("movbe")
    {
        // SAFETY: the CPU has these instructions.
        return unsafe { run_with_bmi2(lanes, blocks, bytes) };
    }
    run_inlined(lanes, blocks, bytes);
}

/// Shifts by a number of bits that is no constant take one instruction in place of three.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn run_with_bmi2<'a>(lanes: &mut [Lane<'a>; LANES], blocks: &[Block<'a>], bytes: &[u8]) {
    run_inlined(lanes, blocks, bytes);
}

#[inline(always)]
fn run_inlined<'a>(lanes: &mut [Lane<'a>; LANES], blocks: &[Block<'a>], bytes: &[u8]) {
    let mut going = 0;
    for number in 0..LANES {
        if lanes[number].begin_block(bytes) == Lap::Going {
            lanes.swap(number, going);
            going += 1;
        }
    }
    while going > 0 {
        let over = match <&mut [Lane<'a>; LANES]>::try_from(&mut lanes[..going]) {
            Ok(all) => until_one_is_over(all, blocks, bytes),
            Err(_) => until_one_is_over(&mut lanes[..going], blocks, bytes),
        };
        going -= 1;
        lanes.swap(over, going);
    }
}

/// The number of the first lane that is over. Where there are all of them, the loop is unrolled.
#[inline(always)]
fn until_one_is_over<'a>(lanes: &mut [Lane<'a>], blocks: &[Block<'a>], bytes: &[u8]) -> usize {
    loop {
        for (number, lane) in lanes.iter_mut().enumerate() {
            if lane.step(blocks, bytes) == Lap::Over {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests;
