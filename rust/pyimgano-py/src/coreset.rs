//! Binding of `pyimgano_core::coreset`.

use numpy::{PyArray1, PyReadonlyArray2};
use pyimgano_core::coreset;
use pyo3::prelude::*;

use crate::convert::{Signals, matrix};

/// See `pyimgano.kernels.greedy_coreset`.
#[pyfunction]
#[pyo3(signature = (features, n_samples, start, n_threads=None, progress=None))]
pub fn greedy_coreset<'py>(
    py: Python<'py>,
    features: PyReadonlyArray2<'py, f32>,
    n_samples: usize,
    start: usize,
    n_threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let features = matrix("features", &features)?;
    let signals = Signals::new(progress);
    let picks = signals
        .run(py, |monitor| coreset::greedy(features, n_samples, start, n_threads, monitor))?;
    Ok(PyArray1::from_iter(py, picks.into_iter().map(|row| row as i64)))
}
