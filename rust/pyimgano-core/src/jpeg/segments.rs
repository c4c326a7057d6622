//! The sequence of markers, from the first to the one that ends the picture.

use super::bits::Filling;
use super::fault::{CUT, Checked, Fault, SCANS, SEGMENT, SURPLUS, TABLE};
use super::frame::{Band, Frame, Part};
use super::huffman::{Class, Steps, Table, standard};
use super::lanes::Laned;
use super::progressive::{FirstMeans, FurtherMeans, OneBand, Runs};
use super::scan::{Units, walk};
use super::sequential::{Sequential, Tables};

/// What the headers of a whole JPEG say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey), 3 (colour) or 4 (CMYK).
    pub components: usize,
}

/// Most parts that the data of a picture may come in; encoders use about ten.
const MAX_SCANS: usize = 256;

/// Eight times the largest pixel, 128 off its middle, with room for what encoders add at edges.
const LARGEST_MEAN: i32 = 8 * 128 + 8 * 32;

/// Checks that a JPEG is whole; its size and number of components.
///
/// # Errors
///
/// [`Fault::Damaged`] at the first sign of damage; [`Fault::Unsupported`] for a kind of JPEG that
/// is not read: more than 8 bits, lossless, hierarchical or arithmetic coding.
pub fn check(data: &[u8]) -> Checked<Summary> {
    let mut file = File::new(data)?;
    if data.get(..2) != Some(&[0xFF, 0xD8]) {
        return Err(Fault::Damaged("it is not a JPEG"));
    }
    loop {
        match file.marker()? {
            0xD9 => return file.finish(),
            0x01 | 0xD0..=0xD7 => {}
            marker => file.segment(marker)?,
        }
    }
}

struct File<'a> {
    data: &'a [u8],
    at: usize,
    frame: Option<Frame>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// The factor of the means in each quantization table that there is.
    quantization: [Option<u16>; 4],
    interval: usize,
    filling: Option<Filling>,
    scans: usize,
}

impl<'a> File<'a> {
    fn new(data: &'a [u8]) -> Checked<Self> {
        // A file without tables, as cameras for films write, means the standard ones.
        let both = |class| -> Checked<[Option<Table>; 4]> {
            Ok([Some(standard(class, false)?), Some(standard(class, true)?), None, None])
        };
        Ok(Self {
            data,
            at: 2,
            frame: None,
            dc: both(Class::Dc)?,
            ac: both(Class::Ac)?,
            quantization: [None; 4],
            interval: 0,
            filling: None,
            scans: 0,
        })
    }

    /// The next marker; any number of 0xFF may stand before it.
    fn marker(&mut self) -> Checked<u8> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let fill = rest.iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *rest.get(fill).ok_or(CUT)?;
        if fill == 0 || marker == 0 {
            return Err(if self.scans > 0 { SURPLUS } else { SEGMENT });
        }
        self.at += fill + 1;
        Ok(marker)
    }

    fn segment(&mut self, marker: u8) -> Checked<()> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let [high, low, ..] = rest else { return Err(CUT) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let content = rest.get(2..length.max(2)).ok_or(CUT)?;
        if length < 2 {
            return Err(SEGMENT);
        }
        self.at += length;
        match marker {
            0xC0..=0xC2 if self.frame.is_some() => Err(SEGMENT),
            0xC0..=0xC2 => {
                self.frame = Some(Frame::read(marker, content)?);
                Ok(())
            }
            0xC4 => self.huffman(content),
            0xC3 => Err(Fault::Unsupported("a lossless JPEG")),
            0xC9..=0xCC => Err(Fault::Unsupported("a JPEG with arithmetic coding")),
            0xC5..=0xC7 | 0xCD..=0xCF | 0xDE | 0xDF => {
                Err(Fault::Unsupported("a hierarchical JPEG"))
            }
            0xDA => self.scan(content),
            0xDB => self.quantization(content),
            0xDD => {
                let &[high, low] = content else { return Err(SEGMENT) };
                self.interval = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            0xE0..=0xEF | 0xFE => Ok(()),
            _ => Err(SEGMENT),
        }
    }

    fn huffman(&mut self, mut content: &[u8]) -> Checked<()> {
        while !content.is_empty() {
            let ([id, counts @ ..], rest) = content.split_first_chunk::<17>().ok_or(TABLE)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(..total).ok_or(TABLE)?;
            let (class, tables) = match id >> 4 {
                0 => (Class::Dc, &mut self.dc),
                1 => (Class::Ac, &mut self.ac),
                _ => return Err(TABLE),
            };
            let slot = tables.get_mut(usize::from(id & 15)).ok_or(TABLE)?;
            *slot = Some(Table::new(class, counts, symbols)?);
            content = &rest[total..];
        }
        Ok(())
    }

    fn quantization(&mut self, mut content: &[u8]) -> Checked<()> {
        while let [id, rest @ ..] = content {
            let wide = match id >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(TABLE),
            };
            let values = rest.get(..64 * wide).ok_or(TABLE)?;
            if values.chunks_exact(wide).any(|value| value.iter().all(|&byte| byte == 0)) {
                return Err(TABLE);
            }
            let first = values[..wide].iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            *self.quantization.get_mut(usize::from(id & 15)).ok_or(TABLE)? = Some(first);
            content = &rest[64 * wide..];
        }
        Ok(())
    }

    fn scan(&mut self, content: &[u8]) -> Checked<()> {
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(Fault::Unsupported("a JPEG of more than 256 scans"));
        }
        let frame = self.frame.as_mut().ok_or(SEGMENT)?;
        let (&count, rest) = content.split_first().ok_or(SEGMENT)?;
        let count = usize::from(count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(SEGMENT);
        }
        let (named, last) = rest.split_at(2 * count);
        let band = if frame.progressive { Band::read(last, count)? } else { Band::WHOLE };
        let mut parts = Vec::with_capacity(count);
        for pair in named.chunks_exact(2) {
            let place = frame.place(pair[0])?;
            let component = &mut frame.components[place];
            component.bring(band)?;
            parts.push(Part { place, dc: pair[1] >> 4, ac: pair[1] & 15 });
        }
        self.walk_blocks(band, &parts)
    }

    fn walk_blocks(&mut self, band: Band, parts: &[Part]) -> Checked<()> {
        let Self { data, at, frame: Some(frame), dc, ac, quantization, interval, filling, .. } =
            self
        else {
            return Err(SEGMENT);
        };
        let (across, down) = frame.units(parts);
        let blocks = frame.blocks_of_unit(parts)?;
        let limit = |part: &Part| -> Checked<i32> {
            let number = usize::from(frame.components[part.place].quantization);
            let factor = quantization.get(number).copied().flatten().ok_or(TABLE)?;
            Ok(LARGEST_MEAN / i32::from(factor) + 1)
        };
        let mut walk =
            |units: &mut dyn Units| walk(data, *at, across * down, *interval, filling, units);
        *at = if !frame.progressive {
            let mut steps = Vec::with_capacity(parts.len());
            for part in parts {
                steps.push(Steps::new(table(ac, part.ac)?));
            }
            let mut tables = Vec::with_capacity(parts.len());
            for (part, steps) in parts.iter().zip(&steps) {
                let (dc, ac) = (table(dc, part.dc)?, table(ac, part.ac)?);
                tables.push(Tables { dc, ac, steps, limit: limit(part)? });
            }
            walk(&mut Laned(Sequential { tables, blocks }))?
        } else if band.first > 0 {
            let component = &mut frame.components[parts[0].place];
            component.prepare(data.len())?;
            let nonzero = &mut component.nonzero[..];
            let (table, runs) = (table(ac, parts[0].ac)?, Runs::default());
            walk(&mut OneBand { table, band, nonzero, across, runs })?
        } else if band.before == 0 {
            let pair = |part: &Part| Ok((table(dc, part.dc)?, limit(part)?));
            let tables = parts.iter().map(pair).collect::<Checked<_>>()?;
            walk(&mut FirstMeans { tables, blocks, lowest: band.lowest })?
        } else {
            walk(&mut FurtherMeans { blocks: blocks.len() as u32 })?
        };
        Ok(())
    }

    fn finish(self) -> Checked<Summary> {
        let frame = self.frame.ok_or(CUT)?;
        if !frame.is_complete() {
            return Err(SCANS);
        }
        let (width, height) = (frame.width, frame.height);
        Ok(Summary { width, height, components: frame.components.len() })
    }
}

fn table(tables: &[Option<Table>; 4], id: u8) -> Checked<&Table> {
    tables.get(usize::from(id)).and_then(Option::as_ref).ok_or(TABLE)
}
