//! Binding of `pyimgano_core::neighbors`.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyimgano_core::neighbors;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Signals, add_stats, matrix, slice, to_py};

type Answer<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>);
type Content<'py> = (Option<Bound<'py, PyArray2<f32>>>, Option<Bound<'py, PyArray1<i64>>>);

/// See `pyimgano.kernels.KnnIndex`.
#[pyclass(frozen, module = "pyimgano._rust")]
pub struct KnnIndex(neighbors::KnnIndex);

#[pymethods]
impl KnnIndex {
    #[new]
    #[pyo3(signature = (bank, groups=None, n_threads=None, copy=true))]
    fn new(
        py: Python<'_>,
        bank: PyReadonlyArray2<'_, f32>,
        groups: Option<PyReadonlyArray1<'_, i64>>,
        n_threads: Option<usize>,
        copy: bool,
    ) -> PyResult<Self> {
        let bank = matrix("bank", &bank)?;
        let groups = groups.as_ref().map(|ids| slice("groups", ids)).transpose()?;
        let make = if copy { neighbors::KnnIndex::new } else { neighbors::KnnIndex::in_place };
        Signals::new(None).run(py, |monitor| make(bank, groups, n_threads, monitor)).map(Self)
    }

    /// `bank` is given exactly where the index has no copy of it.
    #[pyo3(signature = (queries, k, groups=None, n_threads=None, counts=None, bank=None))]
    #[allow(clippy::too_many_arguments)] // Those of Python, and its token.
    fn query<'py>(
        &self,
        py: Python<'py>,
        queries: PyReadonlyArray2<'py, f32>,
        k: usize,
        groups: Option<PyReadonlyArray1<'py, i64>>,
        n_threads: Option<usize>,
        counts: Option<&Bound<'py, PyDict>>,
        bank: Option<PyReadonlyArray2<'py, f32>>,
    ) -> PyResult<Answer<'py>> {
        let bank = bank.as_ref().map(|rows| matrix("bank", rows)).transpose()?;
        let queries = matrix("queries", &queries)?;
        let groups = groups.as_ref().map(|ids| slice("groups", ids)).transpose()?;
        let (found, stats) = Signals::new(None).run(py, |monitor| {
            self.0.query_with_stats(bank, queries, k, groups, n_threads, monitor)
        })?;
        add_stats(counts, stats)?;
        let shape = [queries.rows(), k];
        let distances = PyArray1::from_vec(py, found.distances).reshape(shape)?;
        let indices = PyArray1::from_vec(py, found.indices).reshape(shape)?;
        Ok((distances, indices))
    }

    /// What the index was made of: its rows, if it has a copy of them, and their groups.
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Content<'py>> {
        let (data, groups) = py.detach(|| Ok((self.0.data()?, self.0.groups()?))).map_err(to_py)?;
        let shape = [self.0.rows(), self.0.cols()];
        let rows = data.map(|data| PyArray1::from_vec(py, data).reshape(shape)).transpose()?;
        Ok((rows, groups.map(|ids| PyArray1::from_vec(py, ids))))
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.0.rows(), self.0.cols())
    }
}

/// See `pyimgano.kernels.GroupIndex`.
#[pyclass(frozen, module = "pyimgano._rust")]
pub struct GroupIndex(neighbors::GroupIndex);

#[pymethods]
impl GroupIndex {
    #[new]
    #[pyo3(signature = (bank, groups, n_threads=None))]
    fn new(
        py: Python<'_>,
        bank: PyReadonlyArray2<'_, f32>,
        groups: PyReadonlyArray1<'_, i64>,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (bank, groups) = (matrix("bank", &bank)?, slice("groups", &groups)?);
        Signals::new(None)
            .run(py, |monitor| neighbors::GroupIndex::new(bank, groups, n_threads, monitor))
            .map(Self)
    }

    #[pyo3(signature = (queries, groups=None, n_threads=None))]
    fn nearest<'py>(
        &self,
        py: Python<'py>,
        queries: PyReadonlyArray2<'py, f32>,
        groups: Option<PyReadonlyArray1<'py, i64>>,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let queries = matrix("queries", &queries)?;
        let groups = groups.as_ref().map(|ids| slice("groups", ids)).transpose()?;
        let found = Signals::new(None)
            .run(py, |monitor| self.0.nearest(queries, groups, n_threads, monitor))?;
        PyArray1::from_vec(py, found).reshape([queries.rows(), self.0.ids().len()])
    }

    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        PyArray1::from_slice(py, self.0.ids())
    }
}
