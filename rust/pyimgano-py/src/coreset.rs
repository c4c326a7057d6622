//! Binding of `pyimgano_core::coreset`.

use numpy::{PyArray1, PyReadonlyArray2};
use pyimgano_core::{coreset, memory};
use pyo3::prelude::*;

use crate::convert::{Signals, matrix, to_py};

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
    let rows = memory::collected(picks.into_iter().map(|row| row as i64)).map_err(to_py)?;
    Ok(PyArray1::from_vec(py, rows))
}
