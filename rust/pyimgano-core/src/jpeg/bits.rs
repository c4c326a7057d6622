//! Entropy-coded bits up to the next marker.

use super::fault::{CUT, Checked, Fault, SURPLUS};

/// Zeros after the data, so that the last of them can be loaded like the first.
const MARGIN: usize = 8;

/// The data of one interval, without the zeros that are stuffed in after each 0xFF.
#[derive(Default)]
pub struct Interval {
    bytes: Vec<u8>,
}

impl Interval {
    /// Takes the data from `at` on; where the marker after them begins.
    pub fn fill(&mut self, data: &[u8], mut at: usize) -> Checked<usize> {
        self.bytes.clear();
        let most = data.len().saturating_sub(at) + MARGIN;
        self.bytes.try_reserve(most).map_err(|_| Fault::Memory)?;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            let plain = until_marker_byte(rest);
            self.bytes.extend_from_slice(&rest[..plain]);
            at += plain;
            if rest.get(plain + 1) != Some(&0) {
                self.bytes.extend_from_slice(&[0; MARGIN]);
                return Ok(at);
            }
            self.bytes.push(0xFF);
            at += 2;
        }
    }

    pub fn bits(&self) -> Bits<'_> {
        Bits { bytes: &self.bytes, next: 0, window: 0, n: 0 }
    }
}

/// The number of bytes before the first 0xFF.
fn until_marker_byte(data: &[u8]) -> usize {
    // Without an early exit the compiler compares a block at once.
    let is_clear = |block: &&[u8; 32]| !block.iter().fold(false, |any, &b| any | (b == 0xFF));
    let (blocks, _) = data.as_chunks::<32>();
    let clear = blocks.iter().take_while(is_clear).count() * 32;
    let rest = &data[clear..];
    clear + rest.iter().position(|&byte| byte == 0xFF).unwrap_or(rest.len())
}

/// A reader of bits. After the last there are zeros: [`Bits::check`] tells whether any were used.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    /// The interval, with its margin.
    pub bytes: &'a [u8],
    /// The byte to be loaded next; it goes on counting after the last.
    next: usize,
    /// Bits to come, the next one on top. Below `n` there may be bits that are loaded again later.
    window: u64,
    n: u32,
}

impl Bits<'_> {
    /// Loads until there are at least 56 bits.
    #[inline(always)]
    pub fn refill(&mut self) {
        self.window |= eight_bytes(self.bytes, self.next) >> self.n;
        self.next += ((63 - self.n) >> 3) as usize;
        self.n |= 56;
    }

    /// Bits that were stepped over.
    pub fn place(&self) -> usize {
        8 * self.next - self.n as usize
    }

    /// Goes on at a bit.
    pub fn go_to(&mut self, place: usize) {
        (self.next, self.window, self.n) = (place / 8, 0, 0);
        self.refill();
        self.skip((place % 8) as u32);
    }

    /// The loaded bits, the next one on top.
    #[inline(always)]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Steps over bits that are loaded.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        self.window <<= count;
        self.n -= count;
    }

    /// The next `count` bits, at most 16, as a number.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        self.refill();
        let value = if count == 0 { 0 } else { (self.window >> (64 - count)) as u32 };
        self.skip(count);
        value
    }

    /// Steps over any number of bits.
    pub fn skip_many(&mut self, mut count: u32) {
        while count > 0 {
            self.refill();
            let step = count.min(32);
            self.skip(step);
            count -= step;
        }
    }

    /// Bits from the next one to the last; negative if more were used than there are.
    fn left(&self) -> i64 {
        8 * (self.bytes.len() as i64 - MARGIN as i64 - self.next as i64) + i64::from(self.n)
    }

    /// Refuses what was made of bits that are not there.
    #[inline(always)]
    pub fn check(&self) -> Checked<()> {
        if self.left() < 0 { Err(CUT) } else { Ok(()) }
    }

    /// Ends the interval: less than a byte of filling may be left; its bits, if there are any.
    pub fn finish(mut self) -> Checked<Option<Filling>> {
        self.check()?;
        let left = self.left();
        if left >= 8 {
            return Err(SURPLUS);
        }
        let bits = self.take(left as u32);
        Ok((left > 0).then(|| match bits {
            0 => Filling::Zeros,
            _ if bits == (1 << left) - 1 => Filling::Ones,
            _ => Filling::Mixed,
        }))
    }
}

/// The bits from a byte on; zeros where there are fewer than eight bytes.
#[inline(always)]
pub fn eight_bytes(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>);
    eight.map_or(0, |eight| u64::from_be_bytes(*eight))
}

/// What fills the last byte of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    Zeros,
    Ones,
    Mixed,
}
