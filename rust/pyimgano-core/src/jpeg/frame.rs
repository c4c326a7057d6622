//! The picture's geometry: how many blocks its components have, and what is still to come of them.

use super::fault::{CUT, Checked, Fault, SCANS, SEGMENT};

/// Marks a coefficient of which nothing has come yet.
const UNSEEN: i8 = -1;

/// One component of the picture.
pub struct Component {
    id: u8,
    pub h: usize,
    pub v: usize,
    pub quantization: u8,
    /// Blocks across and down that hold pixels of the picture.
    pub blocks: (usize, usize),
    /// By coefficient: lowest bit that has come.
    lowest: [i8; 64],
    /// In a progressive picture, by block: which coefficients are not zero, a bit each.
    pub nonzero: Vec<u64>,
}

/// What the frame header says.
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: Vec<Component>,
    /// Units of a scan of several components, across and down.
    units: (usize, usize),
}

impl Frame {
    /// Reads the content of a frame header.
    pub fn read(marker: u8, content: &[u8]) -> Checked<Self> {
        let [precision, h1, h0, w1, w0, count, parts @ ..] = content else { return Err(SEGMENT) };
        if *precision != 8 {
            return Err(Fault::Unsupported("a JPEG with more than 8 bits"));
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        if height == 0 {
            return Err(Fault::Unsupported("a JPEG that tells its height after the pixels"));
        }
        if width == 0 || parts.len() != 3 * usize::from(*count) {
            return Err(SEGMENT);
        }
        if ![1, 3, 4].contains(count) {
            return Err(Fault::Unsupported("a JPEG with other than 1, 3 or 4 components"));
        }
        let sampling = |part: &[u8]| (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        let all = || parts.chunks_exact(3).map(sampling);
        if !all().all(|(h, v)| (1..=4).contains(&h) && (1..=4).contains(&v)) {
            return Err(SEGMENT);
        }
        let (h_max, v_max) = all().fold((1, 1), |most, one| (most.0.max(one.0), most.1.max(one.1)));
        let progressive = marker == 0xC2;
        let mut components: Vec<Component> = Vec::with_capacity(parts.len() / 3);
        for part in parts.chunks_exact(3) {
            if components.iter().any(|other| other.id == part[0]) {
                return Err(SEGMENT);
            }
            let (h, v) = sampling(part);
            let blocks = ((width * h).div_ceil(8 * h_max), (height * v).div_ceil(8 * v_max));
            components.push(Component {
                id: part[0],
                h,
                v,
                quantization: part[2],
                blocks,
                lowest: [UNSEEN; 64],
                nonzero: Vec::new(),
            });
        }
        let units = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        Ok(Self { width, height, progressive, components, units })
    }

    /// The place of the component that a scan names.
    pub fn place(&self, id: u8) -> Checked<usize> {
        self.components.iter().position(|one| one.id == id).ok_or(SEGMENT)
    }

    /// Units across and down. A scan of one component has the blocks that hold pixels, one by one.
    pub fn units(&self, parts: &[Part]) -> (usize, usize) {
        if let [one] = parts { self.components[one.place].blocks } else { self.units }
    }

    /// The part that each block of a unit belongs to, by its place; at most ten blocks.
    pub fn blocks_of_unit(&self, parts: &[Part]) -> Checked<Vec<usize>> {
        let count = |part: &Part| {
            let component = &self.components[part.place];
            if parts.len() == 1 { 1 } else { component.h * component.v }
        };
        if parts.iter().map(count).sum::<usize>() > 10 {
            return Err(SEGMENT);
        }
        let each = |(place, part)| std::iter::repeat_n(place, count(part));
        Ok(parts.iter().enumerate().flat_map(each).collect())
    }

    /// Whether every bit of every coefficient has come.
    pub fn is_complete(&self) -> bool {
        self.components.iter().all(|one| one.lowest.iter().all(|&bit| bit == 0))
    }
}

/// A component of a scan, and the numbers of its tables.
pub struct Part {
    pub place: usize,
    pub dc: u8,
    pub ac: u8,
}

/// Which bits of which coefficients a scan brings.
#[derive(Debug, Clone, Copy)]
pub struct Band {
    pub first: u32,
    pub last: u32,
    /// The lowest bit that came before; 0: none did.
    pub before: u8,
    pub lowest: u8,
}

impl Band {
    /// Everything at once, as in a picture that is not progressive.
    pub const WHOLE: Self = Self { first: 0, last: 63, before: 0, lowest: 0 };

    /// What the end of a progressive scan's header says.
    pub fn read(numbers: &[u8], components: usize) -> Checked<Self> {
        let &[first, last, bits] = numbers else { return Err(SEGMENT) };
        let (before, lowest) = (bits >> 4, bits & 15);
        let means = first == 0 && last == 0;
        let others = (1..=last).contains(&first) && last <= 63 && components == 1;
        let follows = before == 0 || before == lowest + 1;
        if !(means || others) || !follows || lowest > 13 {
            return Err(SEGMENT);
        }
        Ok(Self { first: u32::from(first), last: u32::from(last), before, lowest })
    }
}

impl Component {
    /// Takes note of a scan, which must bring what comes next.
    pub fn bring(&mut self, band: Band) -> Checked<()> {
        let expected = if band.before == 0 { UNSEEN } else { band.before as i8 };
        for lowest in &mut self.lowest[band.first as usize..=band.last as usize] {
            if *lowest != expected {
                return Err(SCANS);
            }
            *lowest = band.lowest as i8;
        }
        Ok(())
    }

    /// Makes room for the marks of every block.
    pub fn prepare(&mut self, data_left: usize) -> Checked<()> {
        if self.nonzero.is_empty() {
            let count = self.blocks.0 * self.blocks.1;
            // A bit can stand for 32,767 blocks: no picture without any data takes memory.
            if count > data_left.saturating_mul(8 * 0x7FFF) {
                return Err(CUT);
            }
            self.nonzero.try_reserve_exact(count).map_err(|_| Fault::Memory)?;
            self.nonzero.resize(count, 0);
        }
        Ok(())
    }
}
