//! Connected components: labels, statistics and the filter.

use pyimgano_core::Silent;
use pyimgano_core::components::{Connectivity, Keep, filter, label, stats};

use crate::inputs::{Random, mask, scores};

/// Labels by flood fill, from 1 on in raster order.
pub fn flood(mask: &[bool], width: usize, eight: bool) -> (Vec<i32>, usize) {
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

pub fn regions(case: u64) {
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
