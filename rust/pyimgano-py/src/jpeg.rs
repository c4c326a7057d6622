//! Whether JPEGs are whole.

use pyimgano_core::jpeg::{Fault, Summary, check};
use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;

use crate::convert::NotEnoughMemoryError;

/// Width, height and number of components of a whole JPEG. `ValueError`: it is damaged;
/// `NotImplementedError`: it is of a kind that is not read.
#[pyfunction]
pub fn check_jpeg(py: Python<'_>, data: &[u8]) -> PyResult<(usize, usize, usize)> {
    match py.detach(|| check(data)) {
        Ok(Summary { width, height, components }) => Ok((width, height, components)),
        Err(Fault::Damaged(text)) => Err(PyValueError::new_err(text)),
        Err(Fault::Unsupported(text)) => Err(PyNotImplementedError::new_err(text)),
        Err(fault @ Fault::Memory) => Err(NotEnoughMemoryError::new_err(fault.to_string())),
    }
}
