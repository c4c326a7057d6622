//! Huffman tables, laid out so that one look-up steps over a code and the bits that belong to it.

use super::bits::Bits;
use super::fault::{CODE, Checked, TABLE};

/// Bits that the first look-up looks at.
const FAST: u32 = 11;

/// What a code stands for, in one number; 0: no such code.
///
/// From below, a byte each: bits of the code and of the number after it, in a block that is coded in
/// one go; coefficients that it covers in such a block, [`END`] where the block ends; bits of the
/// code itself; the symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    const NONE: Self = Self(0);

    /// Bits of the code, and of the number after it.
    #[inline(always)]
    pub fn total(self) -> u32 {
        self.0 & 0xFF
    }

    /// [`Self::total`], and above it the coefficients covered, as in [`Steps`].
    #[inline(always)]
    pub fn step(self) -> u32 {
        self.0 & 0xFFFF
    }

    #[inline(always)]
    fn length(self) -> u32 {
        (self.0 >> 16) & 0xFF
    }

    #[inline(always)]
    fn symbol(self) -> u32 {
        self.0 >> 24
    }
}

/// More than any index: the rest of the block is zero.
pub const END: u32 = 128;
/// Too many coefficients, and fewer than [`END`].
const TOO_MANY: u32 = 64;

/// By the next bits of a block: the whole codes that they begin with, most often two or three.
///
/// The low byte holds the bits of all of them, the high one the coefficients that they cover, and
/// [`END`] more if the last one ends the block; 64, which is too many, if not one code fits.
pub struct Steps([u16; 1 << FAST]);

impl Steps {
    pub fn new(table: &Table) -> Self {
        let mut steps = Self([0; 1 << FAST]);
        for (top, step) in (0_u64..).zip(steps.0.iter_mut()) {
            let mut window = top << (64 - FAST);
            let mut sum = 0;
            while sum >> 8 < 64 {
                let entry = table.fast[(window >> (64 - FAST)) as usize];
                let fits = (sum & 0xFF) + entry.length() <= FAST;
                let next = sum + entry.step();
                let too_many = (65..=END).contains(&(next >> 8));
                if entry == Entry::NONE || entry.step() >> 8 == TOO_MANY || too_many || !fits {
                    break;
                }
                sum = next;
                window <<= entry.total();
            }
            *step = if sum == 0 { TOO_MANY << 8 } else { sum } as u16;
        }
        steps
    }

    #[inline(always)]
    pub fn look(&self, window: u64) -> u32 {
        u32::from(self.0[(window >> (64 - FAST)) as usize])
    }
}

/// Which coefficients a table codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Dc,
    Ac,
}

/// One table.
pub struct Table {
    fast: [Entry; 1 << FAST],
    /// By length: codes of that length lie below, compared as the top 16 bits.
    limits: [u32; 17],
    /// By length: what to add to a code for its place in `symbols`.
    offsets: [i32; 17],
    symbols: Vec<u8>,
    class: Class,
}

impl Table {
    /// A table from the number of codes of each length from 1 to 16, and their symbols.
    pub fn new(class: Class, counts: &[u8; 16], symbols: &[u8]) -> Checked<Self> {
        let mut table = Self {
            fast: [Entry::NONE; 1 << FAST],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
            class,
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            table.offsets[length as usize] = place as i32 - code as i32;
            for &symbol in symbols.get(place..place + count).ok_or(TABLE)? {
                if code >= 1 << length {
                    return Err(TABLE);
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    let entry = meaning(class, symbol, length);
                    table.fast[first..first + (1 << (FAST - length))].fill(entry);
                }
                code += 1;
            }
            place += count;
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        if place == symbols.len() { Ok(table) } else { Err(TABLE) }
    }

    /// The next code's meaning; 16 bits must be loaded, or all that are left.
    #[inline(always)]
    pub fn look(&self, window: u64) -> Checked<Entry> {
        let entry = self.fast[(window >> (64 - FAST)) as usize];
        if entry == Entry::NONE { self.look_long(window) } else { Ok(entry) }
    }

    #[cold]
    #[inline(never)]
    fn look_long(&self, window: u64) -> Checked<Entry> {
        let top = (window >> 48) as u32;
        for length in FAST + 1..=16 {
            if top < self.limits[length as usize] {
                let code = (top >> (16 - length)) as i32;
                let place = usize::try_from(code + self.offsets[length as usize]);
                let symbol = place.ok().and_then(|i| self.symbols.get(i)).ok_or(CODE)?;
                let entry = meaning(self.class, *symbol, length);
                return if entry == Entry::NONE { Err(CODE) } else { Ok(entry) };
            }
        }
        Err(CODE)
    }

    /// Steps over a difference between two means; its value.
    #[inline(always)]
    pub fn difference(&self, bits: &mut Bits<'_>) -> Checked<i32> {
        bits.refill();
        let (total, value) = self.look_difference(bits.window())?;
        bits.skip(total);
        Ok(value)
    }

    /// The bits of the next difference between two means, and its value.
    #[inline(always)]
    pub fn look_difference(&self, window: u64) -> Checked<(u32, i32)> {
        let entry = self.look(window)?;
        let size = entry.symbol() & 15;
        // The upper half of the values is positive, the lower half negative.
        let bits = window << entry.length();
        let value = (bits >> 1 >> (63 - size)) as i32;
        let lower = if bits >> 63 == 0 { (1 << size) - 1 } else { 0 };
        Ok((entry.total(), value - lower))
    }

    /// Steps over the next code; its symbol.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Checked<u8> {
        bits.refill();
        let entry = self.look(bits.window())?;
        bits.skip(entry.length());
        Ok(entry.symbol() as u8)
    }
}

/// A symbol no picture of 8 bits can need is no code. Tables may list such symbols.
fn meaning(class: Class, symbol: u8, length: u32) -> Entry {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    let (extra, advance) = match (class, run, size) {
        (Class::Dc, 0, 0..=11) => (size, 1),
        (Class::Dc, ..) => return Entry::NONE,
        (Class::Ac, 15, 0) => (0, 16),
        (Class::Ac, 0, 0) => (0, END),
        // An end-of-blocks run, in progressive scans only; elsewhere it goes beyond the block.
        (Class::Ac, _, 0) => (run, TOO_MANY),
        (Class::Ac, _, 1..=10) => (size, run + 1),
        (Class::Ac, ..) => return Entry::NONE,
    };
    Entry(length + extra + (advance << 8) + (length << 16) + (u32::from(symbol) << 24))
}

const LUMA_DC: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const CHROMA_DC: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const LUMA_AC: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const CHROMA_AC: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];
/// The symbols before those that only the longest codes stand for.
const LUMA_SHORT: [u8; 37] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82,
];
const CHROMA_SHORT: [u8; 43] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1,
];

/// The tables of the standard's annex K: a file without tables of its own means these.
pub fn standard(class: Class, chroma: bool) -> Checked<Table> {
    match (class, chroma) {
        (Class::Dc, false) => Table::new(class, &LUMA_DC, &DC_SYMBOLS),
        (Class::Dc, true) => Table::new(class, &CHROMA_DC, &DC_SYMBOLS),
        (Class::Ac, false) => Table::new(class, &LUMA_AC, &with_the_rest(&LUMA_SHORT)),
        (Class::Ac, true) => Table::new(class, &CHROMA_AC, &with_the_rest(&CHROMA_SHORT)),
    }
}

/// The annex lists the remaining symbols in ascending order.
fn with_the_rest(short: &[u8]) -> Vec<u8> {
    let mut all = short.to_vec();
    let rest = (0..=0xFF_u8).filter(|s| (1..=10).contains(&(s & 15)) && !short.contains(s));
    all.extend(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_tables_have_as_many_symbols_as_codes() {
        for class in [Class::Dc, Class::Ac] {
            for chroma in [false, true] {
                assert!(standard(class, chroma).is_ok());
            }
        }
    }

    #[test]
    fn more_codes_than_a_length_has_are_a_damaged_table() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert_eq!(Table::new(Class::Dc, &counts, &[0, 1, 2]).err(), Some(TABLE));
    }
}
