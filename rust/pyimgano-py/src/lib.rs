//! `pyimgano._rust`: checks arguments, releases the GIL, calls `pyimgano_core`, maps errors.

mod components;
mod convert;
mod convolution;
mod coreset;
mod curves;
mod jpeg;
mod layer_maps;
mod neighbors;
mod reserve;

use pyo3::prelude::*;

/// The compiled kernels; `pyimgano.kernels` is their documented face.
#[pymodule]
mod _rust {
    use super::*;

    /// At import, while the GIL is held: no fork of Python's comes in between.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        pyimgano_core::threads::prepare().map_err(convert::to_py)
    }

    #[pymodule_export]
    use super::components::{component_stats, filter_components, label_components};
    #[pymodule_export]
    use super::convolution::ConvolutionalNetwork;
    #[pymodule_export]
    use super::coreset::greedy_coreset;
    #[pymodule_export]
    use super::curves::{pixel_curves, pixel_metrics, pro_curve};
    #[pymodule_export]
    use super::jpeg::check_jpeg;
    #[pymodule_export]
    use super::layer_maps::join_maps;
    #[pymodule_export]
    use super::neighbors::{GroupIndex, KnnIndex};

    /// The version of the compiled crate, as Python spells it: it must equal the Python package's.
    #[pyfunction]
    fn version() -> String {
        env!("CARGO_PKG_VERSION").replace("-dev.", ".dev")
    }

    /// The instruction set that kernels use: `portable`, `avx2`, `avx512` or `neon`.
    #[pyfunction]
    fn simd_level() -> PyResult<&'static str> {
        use pyimgano_core::simd::Simd;
        Ok(Simd::from_env().map_err(convert::to_py)?.level().name())
    }

    /// The number of threads a kernel uses when none is asked for.
    #[pyfunction]
    #[pyo3(signature = (n_threads=None))]
    fn resolve_threads(n_threads: Option<usize>) -> PyResult<usize> {
        pyimgano_core::threads::resolve(n_threads).map_err(convert::to_py)
    }
}
