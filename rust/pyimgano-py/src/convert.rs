//! Errors and signals between the two languages.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use numpy::{Element, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyimgano_core::{Error, Matrix, Monitor, Result, SearchStats};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyDict;

pyo3::import_exception!(pyimgano.errors, InvalidInputError);
pyo3::import_exception!(pyimgano.errors, NotEnoughMemoryError);

/// One Python exception for each kind of kernel error.
pub fn to_py(error: Error) -> PyErr {
    match error {
        Error::Argument(text) | Error::NotFinite(text) => InvalidInputError::new_err(text),
        Error::Memory(text) => NotEnoughMemoryError::new_err(text),
        Error::Interrupted => PyKeyboardInterrupt::new_err("interrupted"),
    }
}

/// The rows of a C-contiguous array, without a copy.
pub fn matrix<'a>(name: &str, array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<Matrix<'a>> {
    let data = array.as_slice().map_err(|_| not_contiguous(name))?;
    Matrix::new(data, array.shape()[0], array.shape()[1]).map_err(to_py)
}

/// The values of a contiguous array, without a copy.
pub fn slice<'a, T: Element>(name: &str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| not_contiguous(name))
}

/// Adds a search's counters to those that the caller asked for, by name.
pub fn add_stats(counts: Option<&Bound<'_, PyDict>>, stats: SearchStats) -> PyResult<()> {
    let Some(counts) = counts else { return Ok(()) };
    for (name, more) in stats.named() {
        let so_far = counts.get_item(name)?.map_or(Ok(0), |value| value.extract::<u64>())?;
        counts.set_item(name, so_far + more)?;
    }
    Ok(())
}

/// Anomaly maps, all of one precision.
#[derive(FromPyObject)]
pub enum Maps<'py> {
    Single(Vec<PyReadonlyArray2<'py, f32>>),
    Double(Vec<PyReadonlyArray2<'py, f64>>),
}

/// Height and width of an image.
pub fn shape<T: Element>(image: &PyReadonlyArray2<'_, T>) -> [usize; 2] {
    [image.shape()[0], image.shape()[1]]
}

/// The values of a C-contiguous image, without a copy.
pub fn pixels<'a, T: Element>(image: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    image.as_slice().map_err(|_| not_contiguous("an image"))
}

pub fn not_contiguous(name: &str) -> PyErr {
    InvalidInputError::new_err(format!("{name} must be C-contiguous"))
}

/// Lets Ctrl-C through while a kernel runs without the GIL, and calls a progress callback if given.
pub struct Signals {
    progress: Option<Py<PyAny>>,
    last: RefCell<Instant>,
    raised: RefCell<Option<PyErr>>,
}

impl Signals {
    const EVERY: Duration = Duration::from_millis(50);

    pub fn new(progress: Option<Py<PyAny>>) -> Self {
        Self { progress, last: RefCell::new(Instant::now()), raised: RefCell::new(None) }
    }

    /// Runs `kernel` without the GIL.
    pub fn run<T: Send>(
        self,
        py: Python<'_>,
        kernel: impl FnOnce(&dyn Monitor) -> Result<T> + Send,
    ) -> PyResult<T> {
        let (result, signals) = py.detach(|| (kernel(&self), self));
        signals.finish(result)
    }

    /// The kernel's result, with what Python raised during it in place of `Interrupted`.
    pub fn finish<T>(self, result: Result<T>) -> PyResult<T> {
        match (result, self.raised.into_inner()) {
            (Err(Error::Interrupted), Some(raised)) => Err(raised),
            (result, _) => result.map_err(to_py),
        }
    }
}

impl Monitor for Signals {
    fn tick(&self, done: usize, total: usize) -> Result<()> {
        let now = Instant::now();
        if done < total && now.duration_since(*self.last.borrow()) < Self::EVERY {
            return Ok(());
        }
        *self.last.borrow_mut() = now;
        let outcome = Python::attach(|py| {
            py.check_signals()?;
            match &self.progress {
                Some(call) => call.call1(py, (done, total)).map(|_| ()),
                None => Ok(()),
            }
        });
        outcome.map_err(|raised| {
            *self.raised.borrow_mut() = Some(raised);
            Error::Interrupted
        })
    }
}
