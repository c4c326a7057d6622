//! Errors and signals between the two languages.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use numpy::{Element, PyReadonlyArray2, PyUntypedArrayMethods};
use pyimgano_core::{Error, Monitor, Result};
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyValueError};
use pyo3::prelude::*;

/// One Python exception for each kind of kernel error.
pub fn to_py(error: Error) -> PyErr {
    match error {
        Error::Argument(text) | Error::NotFinite(text) => PyValueError::new_err(text),
        Error::Interrupted => PyKeyboardInterrupt::new_err("interrupted"),
        Error::System(text) => PyOSError::new_err(text),
    }
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

/// Calls a kernel without the GIL; Ctrl-C stops it, and `progress` is told how far it is.
pub fn detached<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    kernel: impl FnOnce(&Signals) -> Result<T> + Send,
) -> PyResult<T> {
    let signals = Signals::new(progress);
    let (signals, result) = py.detach(move || {
        let result = kernel(&signals);
        (signals, result)
    });
    signals.finish(result)
}

/// Anomaly maps, all of one precision.
#[derive(FromPyObject)]
pub enum Maps<'py> {
    Single(Vec<PyReadonlyArray2<'py, f32>>),
    Double(Vec<PyReadonlyArray2<'py, f64>>),
}

/// Height and width.
pub fn shape<T: Element>(array: &PyReadonlyArray2<'_, T>) -> [usize; 2] {
    let shape = array.shape();
    [shape[0], shape[1]]
}

/// The values of a C-contiguous array.
pub fn contiguous<'a, T: Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    Ok(array.as_slice()?)
}
