//! Coreset and nearest neighbours.

use pyimgano_core::neighbors::KnnIndex;
use pyimgano_core::{Error, Silent, coreset};

use crate::inputs::{KINDS, Random, rows, squared};

pub fn coresets(case: u64) {
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

pub fn neighbours(case: u64) {
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
    let in_place = KnnIndex::in_place(bank.matrix(), theirs, threads, &Silent).expect("good input");
    let same = in_place.query_in_place(bank.matrix(), queries.matrix(), k, own, threads, &Silent);
    assert_eq!(found, same.expect("good input"));
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
