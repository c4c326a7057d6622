//! ROC, precision-recall and PRO curves of anomaly maps.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyimgano_core::curves::{self, Ask, Defect, PixelMetrics, Plane, Score, Vertex};
use pyimgano_core::{Monitor, Result, memory};
use pyo3::prelude::*;

use crate::convert::{Maps, Signals, pixels, shape, slice, to_py};

/// (auroc, ap, f1_max, f1_threshold, aupro)
type Figures = (f64, f64, f64, f64, f64);

/// (fpr, pro, thresholds)
type Columns<'py> =
    (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// What a function of the images' planes returns, called without the GIL.
fn with_planes<T: Score + numpy::Element, R: Send>(
    py: Python<'_>,
    masks: &[PyReadonlyArray2<'_, u8>],
    maps: &[PyReadonlyArray2<'_, T>],
    run: impl FnOnce(&[Plane<'_, T>], &dyn Monitor) -> Result<R> + Send,
) -> PyResult<R> {
    let mut planes = memory::reserved(masks.len()).map_err(to_py)?;
    for (mask, map) in masks.iter().zip(maps) {
        let [height, width] = shape(map);
        let plane = Plane::new(pixels(mask)?, pixels(map)?, height, width);
        planes.push(plane.map_err(to_py)?);
    }
    Signals::new(None).run(py, |signals| run(&planes, signals))
}

/// All figures of all images together; NaN where there is no defect or no normal pixel.
#[pyfunction]
#[pyo3(signature = (masks, maps, *, integration_limit, n_threads))]
pub fn pixel_metrics(
    py: Python<'_>,
    masks: Vec<PyReadonlyArray2<'_, u8>>,
    maps: Maps<'_>,
    integration_limit: f64,
    n_threads: Option<usize>,
) -> PyResult<Figures> {
    let m = match &maps {
        Maps::Single(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_metrics(planes, integration_limit, n_threads, signals)
        }),
        Maps::Double(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_metrics(planes, integration_limit, n_threads, signals)
        }),
    }?;
    Ok(figures(&m))
}

/// (image, pixels, saturation)
type DefectPixels<'py> = (usize, PyReadonlyArray1<'py, i64>, u32);

/// (figures, aupro, spro, aupimo, (hits, flagged, defect) of each image, curve)
type Swept<'py> = (Figures, Vec<f64>, Vec<f64>, Vec<f64>, Vec<(u64, u64, u64)>, Columns<'py>);

/// What the two others return, and more, from one sweep.
#[pyfunction]
#[pyo3(signature = (masks, maps, *, limits, defects, low_rates, threshold, n_threads))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub fn pixel_curves<'py>(
    py: Python<'py>,
    masks: Vec<PyReadonlyArray2<'py, u8>>,
    maps: Maps<'py>,
    limits: Vec<f64>,
    defects: Vec<DefectPixels<'py>>,
    low_rates: Option<[f64; 2]>,
    threshold: Option<f64>,
    n_threads: Option<usize>,
) -> PyResult<Swept<'py>> {
    let mut each = memory::reserved(defects.len()).map_err(to_py)?;
    for (image, pixels, saturation) in &defects {
        let pixels = slice("the pixels of a defect", pixels)?;
        each.push(Defect { image: *image, pixels, saturation: *saturation });
    }
    let ask = Ask { limits: &limits, defects: &each, low_rates, threshold };
    let found = match &maps {
        Maps::Single(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_curves(planes, ask, n_threads, signals)
        }),
        Maps::Double(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_curves(planes, ask, n_threads, signals)
        }),
    }?;
    let counts = found.flagged.iter().map(|one| (one.hits, one.flagged, one.defect));
    let counts = memory::collected(counts).map_err(to_py)?;
    let curve = columns(py, &found.curve)?;
    Ok((figures(&found.metrics), found.aupro, found.spro, found.aupimo, counts, curve))
}

/// The vertices of the PRO curve; none where there is no defect or no normal pixel.
#[pyfunction]
#[pyo3(signature = (masks, maps, *, n_threads))]
pub fn pro_curve<'py>(
    py: Python<'py>,
    masks: Vec<PyReadonlyArray2<'py, u8>>,
    maps: Maps<'py>,
    n_threads: Option<usize>,
) -> PyResult<Columns<'py>> {
    let vertices = match &maps {
        Maps::Single(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pro_vertices(planes, n_threads, signals)
        }),
        Maps::Double(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pro_vertices(planes, n_threads, signals)
        }),
    }?;
    columns(py, &vertices)
}

fn figures(m: &PixelMetrics) -> Figures {
    (m.auroc, m.ap, m.f1_max, m.f1_threshold, m.aupro)
}

fn columns<'py>(py: Python<'py>, vertices: &[Vertex]) -> PyResult<Columns<'py>> {
    let column = |value: fn(&Vertex) -> f64| {
        memory::collected(vertices.iter().map(value)).map_err(to_py).map(|all| all.into_pyarray(py))
    };
    Ok((column(|v| v.fpr)?, column(|v| v.pro)?, column(|v| v.threshold)?))
}
