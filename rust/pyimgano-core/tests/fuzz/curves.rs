//! Pixel metrics.

use pyimgano_core::Silent;
use pyimgano_core::curves::{Ask, Plane, Score, pixel_curves, pixel_metrics, pro_vertices};

use crate::inputs::{Random, mask, scores};
use crate::regions::flood;

/// Mask, map, width.
pub type Image<T> = (Vec<u8>, Vec<T>, usize);

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
    let limits = [limit];
    let ask = Ask { limits: &limits, ..Ask::default() };
    let all = pixel_curves(&planes, ask, threads, &Silent).expect("good input");
    assert_eq!(all.curve, vertices);
    assert!(all.metrics == got || all.metrics.auroc.is_nan() && got.auroc.is_nan());
    crate::more_curves::check(case, images, &planes, threads);
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

pub fn curves(case: u64) {
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
