//! Connected components.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyReadwriteArray2};
use pyimgano_core::components::{Connectivity, Keep, Stats, filter, label, stats};
use pyimgano_core::memory;
use pyo3::prelude::*;

use crate::convert::{Maps, Signals, pixels, shape, to_py};

/// Labels of the non-zero pixels, written into `labels` (all zero on entry), and their number.
#[pyfunction]
pub fn label_components(
    py: Python<'_>,
    mask: PyReadonlyArray2<'_, u8>,
    mut labels: PyReadwriteArray2<'_, i32>,
    connectivity: u32,
) -> PyResult<usize> {
    let connectivity = Connectivity::new(connectivity).map_err(to_py)?;
    let ([_, width], mask) = (shape(&mask), pixels(&mask)?);
    let labels = labels.as_slice_mut()?;
    Signals::new(None).run(py, |signals| label(mask, labels, width, connectivity, signals))
}

/// Per label: area; left, top, width, height; largest score; mean score.
type StatsColumns<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
);

/// Statistics of each label from 1 on; `maps` holds one anomaly map or none.
#[pyfunction]
pub fn component_stats<'py>(
    py: Python<'py>,
    labels: PyReadonlyArray2<'py, i32>,
    maps: Maps<'py>,
) -> PyResult<StatsColumns<'py>> {
    let ([height, width], labels) = (shape(&labels), pixels(&labels)?);
    let all = match &maps {
        Maps::Single(maps) => {
            let map = maps.first().map(pixels).transpose()?;
            Signals::new(None).run(py, |signals| stats(labels, map, height, width, signals))
        }
        Maps::Double(maps) => {
            let map = maps.first().map(pixels).transpose()?;
            Signals::new(None).run(py, |signals| stats(labels, map, height, width, signals))
        }
    }?;
    let column = |value: fn(&Stats) -> f64| {
        memory::collected(all.iter().map(value)).map_err(to_py).map(|all| all.into_pyarray(py))
    };
    let area = memory::collected(all.iter().map(|one| i64::from(one.area))).map_err(to_py)?;
    let mut boxes = memory::reserved(4 * all.len()).map_err(to_py)?;
    all.iter().for_each(|one| boxes.extend(one.left_top_width_height()));
    let boxes = PyArray1::from_vec(py, boxes).reshape([all.len(), 4])?;
    Ok((area.into_pyarray(py), boxes, column(|one| one.max)?, column(Stats::mean)?))
}

/// Copies what stays of each map to the array of `out` beside it, all zero on entry.
#[pyfunction]
#[pyo3(signature = (maps, out, *, threshold, min_area, min_score, connectivity, n_threads))]
#[expect(clippy::too_many_arguments, reason = "one per keyword of the Python function")]
pub fn filter_components(
    py: Python<'_>,
    maps: Vec<PyReadonlyArray2<'_, f32>>,
    mut out: Vec<PyReadwriteArray2<'_, f32>>,
    threshold: f32,
    min_area: usize,
    min_score: Option<f32>,
    connectivity: u32,
    n_threads: Option<usize>,
) -> PyResult<()> {
    let connectivity = Connectivity::new(connectivity).map_err(to_py)?;
    let keep = Keep { threshold, min_area, min_score, connectivity };
    let mut jobs = memory::reserved(maps.len()).map_err(to_py)?;
    for (map, out) in maps.iter().zip(&mut out) {
        jobs.push((pixels(map)?, out.as_slice_mut()?, shape(map)));
    }
    Signals::new(None).run(py, move |signals| filter(jobs, keep, n_threads, signals))
}
