//! A borrowed, row-major matrix of float32.

use crate::{Error, Result};

/// `rows` x `cols` float32 values, row after row.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
}

impl<'a> Matrix<'a> {
    /// A view of `data`; refuses a length that is not `rows * cols`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Result<Self> {
        if rows.checked_mul(cols) != Some(data.len()) {
            return Err(Error::Argument(format!(
                "{} values do not make {rows} rows of {cols}",
                data.len()
            )));
        }
        Ok(Self { data, rows, cols })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row after row.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// The `count` rows from row `first`.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        let data = &self.data[first * self.cols..(first + count) * self.cols];
        Self { data, rows: count, cols: self.cols }
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_slices_of_the_data() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let m = Matrix::new(&data, 2, 3).expect("2 x 3 fits 6 values");
        assert_eq!(m.row(1), &[4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_wrong_or_overflowing_shape_is_refused() {
        assert!(Matrix::new(&[1.0; 5], 2, 3).is_err());
        assert!(Matrix::new(&[], usize::MAX, 2).is_err());
    }
}
