//! Binding of `pyimgano_core::layer_maps`.

use numpy::{PyArray1, PyArray4, PyArrayMethods, PyReadonlyArray4, PyUntypedArrayMethods};
use pyimgano_core::layer_maps::{Joining, LayerMap, join};
use pyo3::prelude::*;

use crate::convert::{Signals, not_contiguous};

/// See `pyimgano.kernels.join_maps`.
#[pyfunction]
#[pyo3(signature = (maps, grid, pooled, nearest, n_threads=None))]
pub fn join_maps<'py>(
    py: Python<'py>,
    maps: Vec<PyReadonlyArray4<'py, f32>>,
    grid: [usize; 2],
    pooled: bool,
    nearest: bool,
    n_threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray4<f32>>> {
    let n = maps.first().map_or(0, |map| map.shape()[0]);
    let mut all = Vec::with_capacity(maps.len());
    for map in &maps {
        let values = map.as_slice().map_err(|_| not_contiguous("a map"))?;
        let shape = map.shape();
        all.push(LayerMap { values, shape: [shape[1], shape[2], shape[3]] });
    }
    let how = Joining { grid, pooled, nearest };
    let joined = Signals::new(None).run(py, |monitor| join(&all, n, how, n_threads, monitor))?;
    let depth = all.iter().map(|map| map.shape[2]).sum();
    PyArray1::from_vec(py, joined).reshape([n, grid[0], grid[1], depth])
}
