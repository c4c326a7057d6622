use proptest::prelude::*;

use super::*;
use crate::Silent;
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
            let index = KnnIndex::build((bank, false), groups, 1.0, false, simd, &progress).expect("runs");
            let all = plain::answer(
                &index.order.in_place(bank), &batch, &mut expected.distances, &mut expected.indices
            ).expect("runs");
            prop_assert_eq!((all.candidates as usize, all.pruned()), (n * m, 0));
            prop_assert_eq!(all.candidates, all.refined + all.excluded);
            for (structured, copied) in [(false, true), (true, true), (true, false)] {
                let given = (bank, copied);
                let index = KnnIndex::build(given, groups, 1.0, structured, simd, &progress)
                    .expect("runs");
                let data = index.data().expect("fits");
                prop_assert_eq!(data.as_deref(), copied.then_some(bank.data()));
                let rows = index.bank((!copied).then_some(bank)).expect("the same rows");
                prop_assert_eq!(index.groups().expect("fits"), groups.map(<[i64]>::to_vec));
                // An index serves whatever instructions its queries are asked with.
                for simd in Simd::all() {
                    let mut got = empty();
                    let stats =
                        index.bounded(&rows, &QueryBatch { simd, ..batch }, &mut got).expect("runs");
                    prop_assert_eq!(&got, &expected);
                    prop_assert_eq!(stats.candidates as usize, n * m);
                    let left = stats.refined + stats.excluded;
                    prop_assert_eq!(stats.candidates, stats.pruned() + left);
                }
                let Some(structure) = &index.structure else { continue };
                let projections = Projected::of(bank, &structure.axes, simd, &progress).expect("runs");
                let mut bytes = QuantizedRows::of(&projections, rows.rows, &progress).expect("runs");
                bytes.add_rows(&rows, simd, &progress).expect("runs");
                let mut got = empty();
                let mut slots = slots(&batch, TILE, &mut got).expect("runs");
                dense::answer(&rows, Some(&bytes), &batch, &mut slots).expect("runs");
                prop_assert_eq!(&got, &expected);
            }
        }
    }
}

#[test]
fn rows_come_along_exactly_where_there_is_no_copy_of_them() {
    let values = [0.0, 0.0, 3.0, 4.0];
    let bank = Matrix::new(&values, 2, 2).expect("fits");
    let asked = bank.slice(1, 1);
    let refused = |index: &KnnIndex, rows: Option<Matrix<'_>>| match index
        .query_with_stats(rows, asked, 1, None, None, &Silent)
    {
        Err(Error::Argument(text)) => text,
        other => panic!("{other:?}"),
    };
    let copied = KnnIndex::new(bank, None, None, &Silent).expect("good rows");
    assert!(refused(&copied, Some(bank)).contains("has a copy"));
    let in_place = KnnIndex::in_place(bank, None, None, &Silent).expect("good rows");
    assert!(refused(&in_place, None).contains("bank is missing"));
    assert!(refused(&in_place, Some(bank.slice(0, 1))).contains("(2, 2)"));
    let found = in_place.query_in_place(bank, asked, 2, None, None, &Silent).expect("the rows");
    assert_eq!((found.distances, found.indices), (vec![0.0, 5.0], vec![1, 0]));
    assert_eq!((in_place.data(), copied.data()), (Ok(None), Ok(Some(values.to_vec()))));
}
