//! Binding of `pyimgano_core::convolution`.

use numpy::{
    PyArray1, PyArray4, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray4, PyUntypedArrayMethods,
};
use pyimgano_core::convolution::{Convolution, Network};
use pyo3::prelude::*;

use crate::convert::{Signals, not_contiguous, slice, to_py};

/// Weights, biases, stride, source, residual, and whether negative values become 0.
type Given<'py> =
    (PyReadonlyArray4<'py, f32>, PyReadonlyArray1<'py, f32>, usize, usize, Option<usize>, bool);

/// See `pyimgano.kernels.ConvolutionalNetwork`.
#[pyclass(frozen, module = "pyimgano._rust")]
pub struct ConvolutionalNetwork(Network);

#[pymethods]
impl ConvolutionalNetwork {
    #[new]
    fn new(channels: usize, convolutions: Vec<Given<'_>>, outputs: Vec<usize>) -> PyResult<Self> {
        let mut all = Vec::with_capacity(convolutions.len());
        for (weights, bias, stride, source, residual, relu) in &convolutions {
            let shape = weights.shape();
            all.push(Convolution {
                weights: weights.as_slice().map_err(|_| not_contiguous("weights"))?,
                shape: [shape[0], shape[1], shape[2], shape[3]],
                bias: slice("bias", bias)?,
                stride: *stride,
                source: *source,
                residual: *residual,
                relu: *relu,
            });
        }
        Network::new(channels, &all, &outputs).map(Self).map_err(to_py)
    }

    /// The outputs, float32 (n, height, width, channels).
    #[pyo3(signature = (batch, n_threads=None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        batch: PyReadonlyArray4<'py, f32>,
        n_threads: Option<usize>,
    ) -> PyResult<Vec<Bound<'py, PyArray4<f32>>>> {
        let values = batch.as_slice().map_err(|_| not_contiguous("batch"))?;
        let shape = batch.shape();
        self.0.check_channels(shape[1]).map_err(to_py)?;
        let size = [shape[0], shape[2], shape[3]];
        let maps =
            Signals::new(None).run(py, |monitor| self.0.run(values, size, n_threads, monitor))?;
        maps.into_iter()
            .map(|map| {
                let [height, width, channels] = map.shape;
                PyArray1::from_vec(py, map.values).reshape([shape[0], height, width, channels])
            })
            .collect()
    }
}
