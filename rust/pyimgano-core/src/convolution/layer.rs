//! A convolution of a network: what is given, and what is made ready of it.

use super::block::BLOCK;
use super::{direct, winograd};
use crate::{Error, Result, memory};

/// A convolution with padding of half its kernel, so that an image's size is divided by the stride.
#[derive(Debug, Clone, Copy)]
pub struct Convolution<'a> {
    /// (outputs, inputs, side, side), cross-correlation as all networks have it.
    pub weights: &'a [f32],
    /// Outputs, inputs, height and width of the kernel.
    pub shape: [usize; 4],
    /// One for each output.
    pub bias: &'a [f32],
    /// 1 or 2.
    pub stride: usize,
    /// What it is applied to: 0 is the image, i + 1 the convolution i before it.
    pub source: usize,
    /// What is added to its outputs, numbered alike.
    pub residual: Option<usize>,
    /// Whether negative outputs, the residual added, become 0.
    pub relu: bool,
}

/// It with its weights as the loops want them.
#[derive(Debug)]
pub(super) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub source: usize,
    pub residual: Option<usize>,
    pub relu: bool,
    pub winograd: bool,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Layer {
    /// `widths` has the channels of the image and of all convolutions before.
    pub fn new(number: usize, given: &Convolution<'_>, widths: &[usize]) -> Result<Self> {
        let [outputs, inputs, kernel, across] = given.shape;
        let bad = |what: String| Err(Error::Argument(format!("convolution {number} {what}")));
        if outputs == 0 || inputs == 0 || kernel != across || kernel % 2 == 0 || kernel > 15 {
            return bad(format!(
                "has weights of shape {:?}: a kernel must be square, with an odd side up to 15",
                given.shape
            ));
        }
        let values = given.shape.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
        if values != Some(given.weights.len()) || given.bias.len() != outputs {
            return bad(format!(
                "has {} weights and {} biases for shape {:?}",
                given.weights.len(),
                given.bias.len(),
                given.shape
            ));
        }
        if !(1..=2).contains(&given.stride) {
            return bad(format!("has stride {}, not 1 or 2", given.stride));
        }
        if widths.get(given.source) != Some(&inputs) {
            return bad(format!(
                "takes {inputs} channels, and map {} is none of those before it that has them",
                given.source
            ));
        }
        if given.residual.is_some_and(|at| at == 0 || widths.get(at) != Some(&outputs)) {
            return bad(format!("has no map of {outputs} channels before it to add"));
        }
        let of_image = given.source == 0;
        let winograd = kernel == 3 && given.stride == 1 && !of_image;
        let weights = if winograd {
            winograd::transformed(given.weights, outputs, inputs)?
        } else {
            let lanes = if of_image { 1 } else { BLOCK };
            direct::packed(given.weights, [outputs, inputs, kernel], lanes)?
        };
        let mut bias = memory::collected(given.bias.iter().copied())?;
        memory::resize(&mut bias, outputs.next_multiple_of(BLOCK), 0.0)?;
        Ok(Self {
            inputs,
            outputs,
            kernel,
            stride: given.stride,
            source: given.source,
            residual: given.residual,
            relu: given.relu,
            winograd,
            weights,
            bias,
        })
    }

    /// Blocks of outputs.
    pub fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Values of working memory that a thread needs.
    pub fn scratch_len(&self) -> usize {
        if self.winograd {
            winograd::scratch_len(self.inputs.div_ceil(BLOCK), self.blocks())
        } else {
            0
        }
    }
}
