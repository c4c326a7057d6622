//! Seeded random inputs of every kind against plain oracles, at every instruction set of this CPU.
//!
//! `cargo test` runs some hundred cases in seconds. More, or others:
//! `PYIMGANO_FUZZ_CASES=20000 PYIMGANO_FUZZ_SEED=7 cargo test --release --test fuzz`.
//! `make asan` runs this and all other tests under AddressSanitizer.

use std::process::Command;

use pyimgano_core::components::{Connectivity, Keep, filter, label, stats};
use pyimgano_core::curves::{Plane, Score, pixel_metrics, pro_vertices};
use pyimgano_core::neighbors::KnnIndex;
use pyimgano_core::simd::{Level, PANEL, Queries, Simd};
use pyimgano_core::{Error, Matrix, Silent, coreset};

/// Cases per kernel and level when nothing else is said.
const CASES: u64 = 60;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")),
        Err(_) => default,
    }
}

/// xorshift
struct Random(u64);

impl Random {
    /// A generator of its own for each case, so that one case can be run alone.
    fn of(kernel: u64, case: u64) -> Self {
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

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 16) % n.max(1) as u64) as usize
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Uniform from -1 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Any finite value at all.
    fn any(&mut self) -> f32 {
        let x = f32::from_bits((self.next() >> 32) as u32);
        if x.is_finite() { x } else { -0.0 }
    }

    /// 0, 1, few, about a panel's 64, or up to `most`.
    fn size(&mut self, most: usize) -> usize {
        let size = match self.below(8) {
            0 => self.below(2),
            1 | 2 => self.between(1, 20),
            3 => 64 * self.between(1, 2) + self.below(3) - 1,
            _ => self.between(1, most),
        };
        size.min(most)
    }

    fn columns(&mut self) -> usize {
        if self.chance(6) { self.between(131, 400) } else { self.between(1, 130) }
    }
}

/// Values that begin anywhere in memory that float32 may begin.
struct Rows {
    buffer: Vec<f32>,
    offset: usize,
    rows: usize,
    cols: usize,
}

impl Rows {
    fn matrix(&self) -> Matrix<'_> {
        let data = &self.buffer[self.offset..][..self.rows * self.cols];
        Matrix::new(data, self.rows, self.cols).expect("fits")
    }
}

/// Kinds of [`rows`].
const KINDS: usize = 9;

/// Rows of one of the kinds that go wrong most easily.
fn rows(random: &mut Random, rows: usize, cols: usize, kind: usize) -> Rows {
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
fn squared(a: &[f32], b: &[f32]) -> f64 {
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

fn coresets(case: u64) {
    let mut random = Random::of(1, case);
    let (n, d, kind) = (random.size(600), random.columns(), random.below(KINDS));
    let given = rows(&mut random, n, d, kind);
    let matrix = given.matrix();
    let threads = Some(random.between(1, 4));
    if n == 0 {
        let refused = coreset::greedy(matrix, 1, 0, threads, &Silent);
        assert!(matches!(refused, Err(Error::Argument(_))));
        return;
    }
    let (wanted, start) = (random.between(1, n), random.below(n));
    let mut expected = vec![start];
    let mut nearest = vec![f64::INFINITY; n];
    nearest[start] = -1.0;
    while expected.len() < wanted {
        let last = matrix.row(expected[expected.len() - 1]);
        let mut best = (-1.0, n);
        for (row, value) in nearest.iter_mut().enumerate().filter(|(_, value)| **value >= 0.0) {
            *value = value.min(squared(matrix.row(row), last));
            if *value > best.0 {
                best = (*value, row);
            }
        }
        nearest[best.1] = -1.0;
        expected.push(best.1);
    }
    let picks = coreset::greedy(matrix, wanted, start, threads, &Silent);
    assert_eq!(picks, Ok(expected), "case {case}: {n} x {d} of kind {kind}");
}

fn neighbours(case: u64) {
    let mut random = Random::of(2, case);
    // From 1,024 rows on the index has a structure.
    let n = if random.chance(4) { random.between(1020, 1300) } else { random.size(300) };
    let (d, m) = (random.columns(), random.size(70));
    let k = if random.chance(5) { random.between(1, n + 3) } else { random.between(1, 12) };
    let (kind, other) = (random.below(KINDS), random.below(KINDS));
    let bank = rows(&mut random, n, d, kind);
    let other = if random.chance(3) { other } else { kind };
    let queries = rows(&mut random, m, d, other);
    let (grouped, most) = (random.chance(3), random.between(1, 4));
    let mut ids = |n: usize| -> Vec<i64> { (0..n).map(|_| random.below(most) as i64).collect() };
    let (theirs, own) = (ids(n), ids(m));
    let threads = Some(random.between(1, 4));
    let (theirs, own) = (grouped.then_some(&theirs[..]), grouped.then_some(&own[..]));
    let index = KnnIndex::new(bank.matrix(), theirs, threads, &Silent);
    if n == 0 {
        assert!(matches!(index, Err(Error::Argument(_))));
        return;
    }
    let index = index.expect("good input");
    let found = index.query(queries.matrix(), k, own, threads, &Silent).expect("good input");
    for q in 0..m {
        let query = queries.matrix().row(q);
        let mut all: Vec<(f64, i64)> = (0..n)
            .filter(|row| theirs.zip(own).is_none_or(|(theirs, own)| theirs[*row] != own[q]))
            .map(|row| (squared(bank.matrix().row(row), query), row as i64))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.resize(all.len().max(k), (f64::INFINITY, -1));
        for (j, (value, row)) in all[..k].iter().enumerate() {
            assert_eq!(
                (found.distances[q * k + j], found.indices[q * k + j]),
                (value.sqrt() as f32, *row),
                "case {case}: query {q} of {m}, neighbour {j} of {k}, {n} x {d} of kind {kind}"
            );
        }
    }
}

fn mask(random: &mut Random, height: usize, width: usize) -> Vec<u8> {
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

fn scores(random: &mut Random, n: usize) -> Vec<f32> {
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

/// Labels by flood fill, from 1 on in raster order.
fn flood(mask: &[bool], width: usize, eight: bool) -> (Vec<i32>, usize) {
    let mut labels = vec![0; mask.len()];
    let mut count = 0;
    for start in 0..mask.len() {
        if !mask[start] || labels[start] != 0 {
            continue;
        }
        count += 1;
        labels[start] = count;
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            let (y, x) = (at / width, at % width);
            for ny in y.saturating_sub(1)..(y + 2).min(mask.len() / width) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = ny * width + nx;
                    if mask[next] && labels[next] == 0 && (eight || ny == y || nx == x) {
                        labels[next] = count;
                        stack.push(next);
                    }
                }
            }
        }
    }
    (labels, count as usize)
}

fn regions(case: u64) {
    let mut random = Random::of(3, case);
    let (height, width) = (random.size(70), random.between(1, 200));
    let eight = random.chance(2);
    let connectivity = if eight { Connectivity::Eight } else { Connectivity::Four };
    let mask = mask(&mut random, height, width);
    let mut labels = vec![0; mask.len()];
    let count = label(&mask, &mut labels, width, connectivity, &Silent).expect("good input");
    let flags: Vec<bool> = mask.iter().map(|byte| *byte != 0).collect();
    assert_eq!((labels.clone(), count), flood(&flags, width, eight), "case {case}");

    let map = scores(&mut random, mask.len());
    let all = stats(&labels, Some(&map), height, width, &Silent).expect("good input");
    let mut expected = vec![(0, f64::NEG_INFINITY, 0); count + 1];
    for (at, label) in labels.iter().enumerate() {
        let (area, highest, bottom) = &mut expected[*label as usize];
        *area += 1;
        *highest = highest.max(f64::from(map[at]));
        *bottom = at / width;
    }
    let got: Vec<_> = all.iter().map(|one| (one.area, one.max, one.bottom as usize)).collect();
    assert_eq!(got, expected[1..], "case {case}");

    let keep = Keep {
        threshold: if random.chance(4) { random.any() } else { random.unit() },
        min_area: random.below(12),
        min_score: random.chance(2).then(|| random.unit()),
        connectivity,
    };
    let maps: Vec<Vec<f32>> =
        (0..random.between(1, 4)).map(|_| scores(&mut random, mask.len())).collect();
    let mut out: Vec<Vec<f32>> = maps.iter().map(|map| vec![0.0; map.len()]).collect();
    let jobs = maps.iter().zip(&mut out);
    let jobs = jobs.map(|(map, out)| (&map[..], &mut out[..], [height, width])).collect();
    filter(jobs, keep, Some(random.between(1, 4)), &Silent).expect("good input");
    for (map, out) in maps.iter().zip(&out) {
        let above: Vec<bool> = map.iter().map(|score| *score > keep.threshold).collect();
        let (labels, count) = flood(&above, width, eight);
        let mut found = vec![(0, f32::NEG_INFINITY); count + 1];
        for (at, label) in labels.iter().enumerate() {
            let (area, highest) = &mut found[*label as usize];
            *area += 1;
            *highest = highest.max(map[at]);
        }
        for (at, label) in labels.iter().enumerate() {
            let (area, highest) = found[*label as usize];
            let high = keep.min_score.is_none_or(|least| highest >= least);
            let stays = *label > 0 && area >= keep.min_area && high;
            let expected = if stays { map[at] } else { 0.0 };
            assert_eq!(out[at].to_bits(), expected.to_bits(), "case {case}, pixel {at}");
        }
    }
}

/// Mask, map, width.
type Image<T> = (Vec<u8>, Vec<T>, usize);

/// (score, defect?, weight in its region) of each pixel, highest score first, and the number of
/// regions.
fn sorted_pixels<T: Score>(images: &[Image<T>]) -> (Vec<(f64, bool, f64)>, usize) {
    let (mut all, mut regions) = (vec![], 0);
    for (mask, map, width) in images {
        let flags: Vec<bool> = mask.iter().map(|byte| *byte != 0).collect();
        let (labels, count) = flood(&flags, *width, true);
        regions += count;
        let mut area = vec![0.0; count + 1];
        labels.iter().for_each(|label| area[*label as usize] += 1.0);
        for (at, label) in labels.iter().enumerate() {
            let weight = if *label > 0 { 1.0 / area[*label as usize] } else { 0.0 };
            // Adding zero: the two zeros are one score.
            all.push((map[at].as_f64() + 0.0, *label > 0, weight));
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    (all, regions)
}

fn check_curves<T: Score>(case: u64, images: &[Image<T>], limit: f64, threads: Option<usize>) {
    let plane = |(mask, map, width)| Plane::new(mask, map, <[u8]>::len(mask) / width, width);
    let planes: Vec<Plane<'_, T>> = images
        .iter()
        .map(|(mask, map, width)| plane((mask, map, *width)).expect("good input"))
        .collect();
    let got = pixel_metrics(&planes, limit, threads, &Silent).expect("good input");
    let vertices = pro_vertices(&planes, threads, &Silent).expect("good input");
    let (all, regions) = sorted_pixels(images);
    let defect = all.iter().filter(|pixel| pixel.1).count() as f64;
    let normal = all.len() as f64 - defect;
    if defect == 0.0 || normal == 0.0 {
        assert!(got.auroc.is_nan() && got.aupro.is_nan() && vertices.is_empty());
        return;
    }
    let (mut tp, mut fp, mut pro) = (0.0, 0.0, 0.0);
    let (mut auroc, mut ap, mut f1, mut aupro) = (0.0, 0.0, 0.0f64, 0.0);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|pixel| pixel.1).count() as f64;
        let misses = tied.len() as f64 - hits;
        let rise = tied.iter().map(|pixel| pixel.2).sum::<f64>() / regions as f64;
        auroc += misses * (tp + hits / 2.0);
        if misses > 0.0 {
            // Up to the limit, along a straight line from one vertex to the next.
            let share = ((limit * normal - fp) / misses).clamp(0.0, 1.0);
            aupro += misses * share * (pro + rise * share / 2.0);
        }
        (tp, fp, pro) = (tp + hits, fp + misses, pro + rise);
        ap += hits * tp / (tp + fp);
        f1 = f1.max(2.0 * tp / (tp + fp + defect));
    }
    let near = |what: &str, a: f64, b: f64| {
        assert!((a - b).abs() < 1e-9, "case {case}: {what} is {a}, not {b}");
    };
    near("AUROC", got.auroc, auroc / normal / defect);
    near("AP", got.ap, ap / defect);
    near("F1", got.f1_max, f1);
    near("AUPRO", got.aupro, aupro / normal / limit);
    let flagged = |of: bool| {
        all.iter().filter(|pixel| pixel.0 > got.f1_threshold && pixel.1 == of).count() as f64
    };
    let (tp, fp) = (flagged(true), flagged(false));
    near("F1 at its threshold", 2.0 * tp / (tp + fp + defect), f1);
    assert_eq!((vertices[0].fpr, vertices[0].pro), (0.0, 0.0));
    assert_eq!(vertices.last().map(|last| (last.fpr, last.pro)), Some((1.0, 1.0)));
    assert!(vertices.is_sorted_by(|a, b| a.fpr <= b.fpr && a.pro <= b.pro + 1e-12));
}

fn curves(case: u64) {
    let mut random = Random::of(4, case);
    let limit = [0.05, 0.3, 1.0][random.below(3)];
    let threads = Some(random.between(1, 4));
    let double = random.chance(3);
    let images: Vec<Image<f32>> = (0..random.between(1, 4))
        .map(|_| {
            let (height, width) = (random.size(70).max(1), random.between(1, 200));
            let mask = mask(&mut random, height, width);
            let map = scores(&mut random, mask.len());
            (mask, map, width)
        })
        .collect();
    if double {
        let wide = |map: &[f32]| map.iter().map(|x| f64::from(*x) * 1e200).collect();
        let images: Vec<Image<f64>> =
            images.iter().map(|(mask, map, width)| (mask.clone(), wide(map), *width)).collect();
        check_curves(case, &images, limit, threads);
    } else {
        check_curves(case, &images, limit, threads);
    }
}

/// The loops themselves, on slices that end where their memory ends.
fn loops(case: u64, simd: Simd) {
    let mut random = Random::of(5, case);
    let (d, m) = (random.columns(), random.between(1, 15));
    let kind = [0, 1, 2, 6][random.below(4)];
    let exact = |rows: Rows| rows.matrix().data().to_vec().into_boxed_slice();
    let queries = exact(rows(&mut random, m, d, kind));
    let panel = exact(rows(&mut random, d, PANEL, kind));
    let (a, b) = (&queries[..d], &queries[(m - 1) * d..]);
    assert_eq!(simd.squared_distance(a, b).to_bits(), squared(a, b).to_bits(), "case {case}");
    let close = |got: f32, real: f64, size: f64| (f64::from(got) - real).abs() <= 1e-4 * size;
    assert!(close(simd.near(a, b), squared(a, b), squared(a, b)), "case {case}");
    simd.prefetch(a);

    let all = Queries { rows: &queries, dims: d };
    let mut out = vec![0.0; m * PANEL];
    simd.dots(&panel, all, &mut out);
    let which: Vec<u32> = (0..random.below(20)).map(|_| random.below(m) as u32).collect();
    let bias: [f32; PANEL] = std::array::from_fn(|_| random.unit());
    let thresholds: Vec<f32> = which.iter().map(|_| random.unit() * 4.0).collect();
    let mut masks = vec![];
    simd.reach(&panel, &bias, all, &which, &thresholds, &mut masks);
    assert_eq!(masks.len(), which.len());
    let product = |q: usize, r: usize| -> (f64, f64) {
        (0..d)
            .map(|j| f64::from(queries[q * d + j]) * f64::from(panel[j * PANEL + r]))
            .fold((0.0, 1e-30), |(sum, size), term| (sum + term, size + term.abs()))
    };
    for r in 0..PANEL {
        for q in 0..m {
            let (sum, size) = product(q, r);
            assert!(close(out[q * PANEL + r], sum, size), "case {case}");
        }
        for (i, q) in which.iter().enumerate() {
            let (sum, size) = product(*q as usize, r);
            let over = sum + f64::from(bias[r]) - f64::from(thresholds[i]);
            // Rounding may decide what is nearer than that.
            if over.abs() > 1e-4 * (size + 5.0) {
                assert_eq!(masks[i] >> r & 1 == 1, over > 0.0, "case {case}");
            }
        }
    }

    let count = random.between(1, PANEL);
    let rows: Box<[f32]> = (0..count * PANEL).map(|_| random.unit()).collect();
    let query: [f32; PANEL] = std::array::from_fn(|_| random.unit());
    let limits: [f32; PANEL] = std::array::from_fn(|_| random.unit() * 30.0 + 30.0);
    let asked = random.next() & u64::MAX >> (PANEL - count);
    let mut near = [0.0; PANEL];
    let kept = simd.sift(&query, &rows, asked, &limits, &mut near);
    assert_eq!(kept & !asked, 0, "case {case}");
    for r in (0..count).filter(|r| asked >> r & 1 == 1) {
        let real = squared(&query, &rows[r * PANEL..(r + 1) * PANEL]);
        assert!(close(near[r], real, real), "case {case}");
        assert_eq!(kept >> r & 1 == 1, near[r] <= limits[r], "case {case}");
    }
}

/// Everything, at the level that `PYIMGANO_SIMD` names.
#[test]
#[ignore = "run by every_level, in a process of its own"]
fn one_level() {
    let simd = Simd::from_env().expect("a level of this CPU");
    for case in 0..number("PYIMGANO_FUZZ_CASES", CASES) {
        loops(case, simd);
        coresets(case);
        neighbours(case);
        regions(case);
        curves(case);
    }
}

/// The environment names the level, and a process has but one: so each level gets its own.
#[test]
fn every_level() {
    for simd in Simd::all() {
        let level = match simd.level() {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        };
        let status = Command::new(std::env::current_exe().expect("this test"))
            .args(["one_level", "--exact", "--ignored", "--nocapture"])
            .env("PYIMGANO_SIMD", level)
            .status()
            .expect("starts");
        assert!(status.success(), "at {level}: {status}");
    }
}
