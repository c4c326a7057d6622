//! sPRO, AUPIMO and what a threshold flags, score by score.

use pyimgano_core::Silent;
use pyimgano_core::curves::{Ask, Defect, Plane, Score, pixel_curves, pixel_metrics};

use crate::curves::Image;
use crate::inputs::Random;

/// Some overlapping defects: image, pixels, saturation.
fn defects<T>(random: &mut Random, images: &[Image<T>]) -> Vec<(usize, Vec<i64>, u32)> {
    let mut all = vec![];
    for (image, (mask, ..)) in images.iter().enumerate() {
        for _ in 0..random.below(3) {
            let marked = (0..mask.len()).filter(|at| mask[*at] != 0);
            let pixels: Vec<i64> =
                marked.filter(|_| random.chance(2)).map(|at| at as i64).collect();
            if !pixels.is_empty() {
                let saturation = random.between(1, pixels.len()) as u32;
                all.push((image, pixels, saturation));
            }
        }
    }
    all
}

pub fn check<T: Score>(
    case: u64,
    images: &[Image<T>],
    planes: &[Plane<'_, T>],
    threads: Option<usize>,
) {
    let mut random = Random::of(5, case);
    let owned = defects(&mut random, images);
    let defects: Vec<Defect<'_>> = owned
        .iter()
        .map(|(image, pixels, saturation)| Defect {
            image: *image,
            pixels,
            saturation: *saturation,
        })
        .collect();
    let (limits, rates) = ([1.0, 0.05, 0.4], [0.01, 0.2]);
    let threshold = images[0].1[0].as_f64();
    let ask = Ask {
        limits: &limits,
        defects: &defects,
        low_rates: Some(rates),
        threshold: Some(threshold),
    };
    let found = pixel_curves(planes, ask, threads, &Silent).expect("good input");
    for (limit, area) in limits.iter().zip(&found.aupro) {
        let alone = pixel_metrics(planes, *limit, threads, &Silent).expect("good input").aupro;
        assert!(*area == alone || area.is_nan() && alone.is_nan(), "case {case}");
    }
    for ((mask, map, _), count) in images.iter().zip(&found.flagged) {
        let above = |at: &usize| map[*at].as_f64() > threshold;
        let defect: Vec<usize> = (0..mask.len()).filter(|at| mask[*at] != 0).collect();
        let hits = defect.iter().filter(|at| above(at)).count();
        let flagged = (0..mask.len()).filter(|at| above(at)).count();
        let counts = (count.hits as usize, count.flagged as usize, count.defect as usize);
        assert_eq!(counts, (hits, flagged, defect.len()), "case {case}");
    }
    let (limit, area) = (limits[2], found.spro[2]);
    if found.metrics.auroc.is_nan() || defects.is_empty() {
        assert!(area.is_nan(), "case {case}");
        return;
    }
    let expected = spro(images, &defects, limit);
    assert!((area - expected).abs() < 1e-9, "case {case}: sPRO is {area}, not {expected}");
}

/// The curve at every score, from counts.
fn spro<T: Score>(images: &[Image<T>], defects: &[Defect<'_>], limit: f64) -> f64 {
    let mut scores: Vec<f64> =
        images.iter().flat_map(|one| one.1.iter().map(|score| score.as_f64() + 0.0)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let mut normal: Vec<f64> = vec![];
    for (mask, map, _) in images {
        normal.extend((0..mask.len()).filter(|at| mask[*at] == 0).map(|at| map[at].as_f64()));
    }
    normal.sort_by(f64::total_cmp);
    let mut each: Vec<(Vec<f64>, f64)> = vec![];
    for one in defects {
        let map = &images[one.image].1;
        let mut found: Vec<f64> = one.pixels.iter().map(|at| map[*at as usize].as_f64()).collect();
        found.sort_by(f64::total_cmp);
        each.push((found, f64::from(one.saturation)));
    }
    let at_least = |sorted: &[f64], level: f64| {
        (sorted.len() - sorted.partition_point(|score| *score < level)) as f64
    };
    scores.dedup();
    let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
    for level in scores {
        let next_x = at_least(&normal, level) / normal.len() as f64;
        let overlap = |(sorted, most): &(Vec<f64>, f64)| (at_least(sorted, level) / most).min(1.0);
        let next_y = each.iter().map(overlap).sum::<f64>() / each.len() as f64;
        let share = if next_x > x { ((limit - x) / (next_x - x)).clamp(0.0, 1.0) } else { 0.0 };
        area += share * (next_x - x) * (y + share * (next_y - y) / 2.0);
        (x, y) = (next_x, next_y);
    }
    area / limit
}
