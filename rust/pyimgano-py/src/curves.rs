//! ROC, precision-recall and PRO curves of anomaly maps.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyimgano_core::curves::{self, PixelMetrics, Plane, Score, Vertex};
use pyimgano_core::{Monitor, Result, memory};
use pyo3::prelude::*;

use crate::convert::{Maps, Signals, pixels, shape, to_py};

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

/// What the two others return, from one sweep.
#[pyfunction]
#[pyo3(signature = (masks, maps, *, integration_limit, n_threads))]
pub fn pixel_curves<'py>(
    py: Python<'py>,
    masks: Vec<PyReadonlyArray2<'py, u8>>,
    maps: Maps<'py>,
    integration_limit: f64,
    n_threads: Option<usize>,
) -> PyResult<(Figures, Columns<'py>)> {
    let (found, vertices) = match &maps {
        Maps::Single(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_curves(planes, integration_limit, n_threads, signals)
        }),
        Maps::Double(maps) => with_planes(py, &masks, maps, |planes, signals| {
            curves::pixel_curves(planes, integration_limit, n_threads, signals)
        }),
    }?;
    Ok((figures(&found), columns(py, &vertices)?))
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
