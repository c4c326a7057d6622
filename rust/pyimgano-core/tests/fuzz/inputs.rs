//! Random numbers, rows, masks and maps of the kinds that go wrong most easily.

use pyimgano_core::Matrix;

pub fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")),
        Err(_) => default,
    }
}

/// xorshift
pub struct Random(u64);

impl Random {
    /// A generator of its own for each case, so that one case can be run alone.
    pub fn of(kernel: u64, case: u64) -> Self {
        let seed = number("PYIMGANO_FUZZ_SEED", 0).wrapping_add(1);
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (case + 1).wrapping_mul(0xd1b5_4a32_d192_ed03)
            ^ kernel.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let mut random = Self(mixed | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 16) % n.max(1) as u64) as usize
    }

    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Uniform from -1 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Any finite value at all.
    pub fn any(&mut self) -> f32 {
        let x = f32::from_bits((self.next() >> 32) as u32);
        if x.is_finite() { x } else { -0.0 }
    }

    /// 0, 1, few, about a panel's 64, or up to `most`.
    pub fn size(&mut self, most: usize) -> usize {
        let size = match self.below(8) {
            0 => self.below(2),
            1 | 2 => self.between(1, 20),
            3 => 64 * self.between(1, 2) + self.below(3) - 1,
            _ => self.between(1, most),
        };
        size.min(most)
    }

    pub fn columns(&mut self) -> usize {
        if self.chance(6) { self.between(131, 400) } else { self.between(1, 130) }
    }
}

/// Values that begin anywhere in memory that float32 may begin.
pub struct Rows {
    buffer: Vec<f32>,
    offset: usize,
    rows: usize,
    cols: usize,
}

impl Rows {
    pub fn matrix(&self) -> Matrix<'_> {
        let data = &self.buffer[self.offset..][..self.rows * self.cols];
        Matrix::new(data, self.rows, self.cols).expect("fits")
    }
}

/// Kinds of [`rows`].
pub const KINDS: usize = 9;

/// Rows of one of the kinds that go wrong most easily.
pub fn rows(random: &mut Random, rows: usize, cols: usize, kind: usize) -> Rows {
    let offset = random.below(17);
    let levels = random.between(2, 7);
    let scale = match kind {
        3 => 1e-42,
        4 => 1e18,
        5 => 1e38,
        _ => 3.0,
    };
    let basis: Vec<f32> = (0..3 * cols).map(|_| random.unit()).collect();
    let mut values: Vec<f32> = Vec::with_capacity(rows * cols);
    for _ in 0..rows {
        if kind == 8 && !values.is_empty() && !random.chance(4) {
            let row = random.below(values.len() / cols);
            values.extend_from_within(row * cols..(row + 1) * cols);
            continue;
        }
        let latent = [random.unit(), random.unit(), random.unit()];
        for j in 0..cols {
            values.push(match kind {
                0 => (random.below(levels) as f32 - 1.0) * 0.5, // ties
                1 => [0.0, -0.0][random.below(2)],
                2 | 8 => (0..3).map(|l| latent[l] * basis[l * cols + j]).sum(), // structure
                6 => 3e4 + random.unit(), // an offset that eats most digits
                7 => random.any(),
                _ => random.unit() * scale,
            });
        }
    }
    // What lies around must never be looked at.
    let mut buffer = vec![f32::NAN; offset];
    buffer.extend(values);
    buffer.extend([f32::NAN; 5]);
    Rows { buffer, offset, rows, cols }
}

/// The distance of the crate, as its documentation says it.
pub fn squared(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 16];
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        let difference = f64::from(*x) - f64::from(*y);
        sums[i % 16] += difference * difference;
    }
    for step in [8, 4, 2, 1] {
        for j in 0..step {
            sums[j] += sums[j + step];
        }
    }
    sums[0]
}

pub fn mask(random: &mut Random, height: usize, width: usize) -> Vec<u8> {
    let (kind, share) = (random.below(5), random.between(1, 20));
    (0..height * width)
        .map(|i| {
            let (y, x) = (i / width, i % width);
            match kind {
                0 => 0,
                1 => 255,
                2 => u8::from((x + y) % 2 == 0),
                3 => 3 * u8::from((y / 5 + x / 7) % 3 == 0),
                _ => u8::from(random.chance(share)),
            }
        })
        .collect()
}

pub fn scores(random: &mut Random, n: usize) -> Vec<f32> {
    let kind = random.below(6);
    (0..n)
        .map(|i| match kind {
            0 => random.any(),
            1 => random.below(5) as f32 - 2.0,
            2 => 7.5,
            3 => [0.0, -0.0, 1e-42, -1e-42][random.below(4)],
            4 => i as f32 * 1e-3,
            _ => random.unit(),
        })
        .collect()
}
