use proptest::prelude::*;

use super::*;
use crate::Silent;
use crate::neighbors::KnnIndex;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Pruned and scanned answers are those of one search per group.
    #[test]
    fn it_answers_as_one_search_per_group(
        n in 1usize..400, m in 0usize..140, d in 1usize..50, most in 1i64..6,
        levels in 1u32..2000, skip in any::<bool>(), seed in any::<u64>()
    ) {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as u32
        };
        let mut values = |rows: usize| -> Vec<f32> {
            (0..rows * d).map(|_| (next() % levels) as f32 * 0.37).collect()
        };
        let (bank, queries) = (values(n), values(m));
        let mut ids = |rows: usize| -> Vec<i64> {
            (0..rows).map(|_| 3 * (i64::from(next()) % most) - 5).collect()
        };
        let (theirs, own) = (ids(n), ids(m));
        let own = skip.then_some(&own[..]);
        let queries = Matrix::new(&queries, m, d).expect("fits");
        let matrix = Matrix::new(&bank, n, d).expect("fits");
        let mut sorted = theirs.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let mut expected = vec![f32::INFINITY; m * sorted.len()];
        for (g, id) in sorted.iter().enumerate() {
            let of_group = (0..n).filter(|row| theirs[*row] == *id);
            let rows: Vec<f32> = of_group.flat_map(|row| matrix.row(row).to_vec()).collect();
            let rows = Matrix::new(&rows, rows.len() / d, d).expect("fits");
            let index = KnnIndex::new(rows, None, None, &Silent).expect("runs");
            let found = index.query(queries, 1, None, None, &Silent).expect("runs");
            for (q, distance) in found.distances.iter().enumerate() {
                if own.is_none_or(|own| own[q] != *id) {
                    expected[q * sorted.len() + g] = *distance;
                }
            }
        }
        let progress = Progress::default();
        for simd in Simd::all() {
            for structured in [false, true] {
                let index = GroupIndex::build(matrix, &theirs, 1.0, structured, simd, &progress)
                    .expect("runs");
                prop_assert_eq!(index.ids(), &sorted[..]);
                // An index serves whatever instructions its queries are asked with.
                for simd in Simd::all() {
                    let batch = QueryBatch { queries, k: 1, groups: None, simd, progress: &progress };
                    let mut got = vec![f32::INFINITY; expected.len()];
                    index.bounded(&batch, own, &mut got).expect("runs");
                    prop_assert_eq!(&got, &expected);
                    let mut got = vec![f32::INFINITY; expected.len()];
                    index.plain(&batch, own, &mut got).expect("runs");
                    prop_assert_eq!(&got, &expected);
                }
            }
        }
    }
}
