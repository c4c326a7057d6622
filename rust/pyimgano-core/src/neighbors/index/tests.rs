use proptest::prelude::*;

use super::*;
use crate::neighbors::quantized_rows::QuantizedRows;
use crate::projection::Projected;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Pruned, dense and plain answers are the same, ties and groups included.
    #[test]
    fn every_way_gives_the_same_answer(
        n in 1usize..300, m in 0usize..140, d in 1usize..50, k in 1usize..12,
        levels in 1u32..2000, grouped in any::<bool>(), seed in any::<u64>()
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
        let bank = Matrix::new(&bank, n, d).expect("fits");
        let queries = Matrix::new(&queries, m, d).expect("fits");
        let mut ids = |rows: usize| -> Vec<i64> {
            (0..rows).map(|_| i64::from(next() % 3)).collect()
        };
        let (theirs, own) = (ids(n), ids(m));
        let progress = Progress::default();
        for simd in Simd::all() {
            let batch =
                QueryBatch { queries, k, groups: grouped.then_some(&own), simd, progress: &progress };
            let groups = grouped.then_some(&theirs[..]);
            let empty = || Neighbors {
                distances: vec![f32::INFINITY; m * k],
                indices: vec![-1; m * k],
            };
            let mut expected = empty();
            let index = KnnIndex::build(bank, groups, 1.0, false, simd, &progress).expect("runs");
            let all = plain::answer(
                &index.bank, &batch, &mut expected.distances, &mut expected.indices
            ).expect("runs");
            prop_assert_eq!((all.candidates as usize, all.pruned()), (n * m, 0));
            prop_assert_eq!(all.candidates, all.refined + all.excluded);
            for structured in [false, true] {
                let index = KnnIndex::build(bank, groups, 1.0, structured, simd, &progress)
                    .expect("runs");
                prop_assert_eq!(index.data().expect("fits"), bank.data());
                prop_assert_eq!(index.groups().expect("fits"), groups.map(<[i64]>::to_vec));
                // An index serves whatever instructions its queries are asked with.
                for simd in Simd::all() {
                    let mut got = empty();
                    let stats =
                        index.bounded(&QueryBatch { simd, ..batch }, &mut got).expect("runs");
                    prop_assert_eq!(&got, &expected);
                    prop_assert_eq!(stats.candidates as usize, n * m);
                    let left = stats.refined + stats.excluded;
                    prop_assert_eq!(stats.candidates, stats.pruned() + left);
                }
                let Some(structure) = &index.structure else { continue };
                let projections = Projected::of(bank, &structure.axes, simd, &progress).expect("runs");
                let mut bytes = QuantizedRows::of(&projections, &index.bank.rows, &progress).expect("runs");
                bytes.add_rows(&index.bank, simd, &progress).expect("runs");
                let mut got = empty();
                let mut slots = slots(&batch, TILE, &mut got).expect("runs");
                dense::answer(&index.bank, Some(&bytes), &batch, &mut slots).expect("runs");
                prop_assert_eq!(&got, &expected);
            }
        }
    }
}
