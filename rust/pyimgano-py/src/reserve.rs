//! Memory set aside for small requests that the system refuses.
//!
//! What follows the size of the input is asked for by `pyimgano_core::memory`, and a refusal is an
//! error. All else, the queues of the thread pool for one, is small, and Rust ends the process where
//! it gets no memory: then it comes from here, until the call has ended with that error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

/// Larger requests are the business of `pyimgano_core::memory`.
const SMALL: usize = 64 << 10;

/// Set aside: address space only, for none of it is written to before it is needed.
const SIZE: usize = 4 << 20;

/// The reserve. Parts are given out one after the other; all are free again when the last is back.
#[repr(align(4096))]
struct Reserve {
    bytes: UnsafeCell<[u8; SIZE]>,
    /// How many parts are in use, times 2^32, plus where the next one begins.
    state: AtomicU64,
}

// SAFETY: `bytes` is only written to through parts, which do not overlap.
unsafe impl Sync for Reserve {}

static RESERVE: Reserve = Reserve { bytes: UnsafeCell::new([0; SIZE]), state: AtomicU64::new(0) };

impl Reserve {
    fn part(&self, layout: Layout) -> *mut u8 {
        if layout.size() > SMALL || layout.align() > align_of::<Self>() {
            return null_mut();
        }
        let mut start = 0;
        let taken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            start = (state as u32 as usize).next_multiple_of(layout.align());
            let end = start + layout.size();
            (end <= SIZE).then(|| ((state >> 32) + 1) << 32 | end as u64)
        });
        if taken.is_err() {
            return null_mut();
        }
        self.bytes.get().cast::<u8>().wrapping_add(start)
    }

    /// Where `old` begins in the reserve, if it is a part of it.
    fn place(&self, old: *mut u8) -> Option<usize> {
        let from = old.addr().checked_sub(self.bytes.get().addr())?;
        (from < SIZE).then_some(from)
    }

    /// Takes a part back; what was given out last can be given out anew at once.
    fn take_back(&self, start: usize, size: usize) {
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            let (parts, next) = ((state >> 32) - 1, state as u32 as usize);
            let next = if parts == 0 {
                0
            } else if start + size == next {
                start
            } else {
                next
            };
            Some(parts << 32 | next as u64)
        });
    }
}

/// The system's allocator with the reserve behind it.
struct Backed;

// SAFETY: each part of the reserve is given out once until it is taken back, with the size and
// alignment asked for; all else is the system allocator's.
unsafe impl GlobalAlloc for Backed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let got = unsafe { System.alloc(layout) };
        if got.is_null() { RESERVE.part(layout) } else { got }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let got = unsafe { System.alloc_zeroed(layout) };
        if !got.is_null() {
            return got;
        }
        let part = RESERVE.part(layout);
        if !part.is_null() {
            // SAFETY: a part has the layout's size. It may have been used before.
            unsafe { part.write_bytes(0, layout.size()) };
        }
        part
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        match RESERVE.place(old) {
            Some(start) => RESERVE.take_back(start, layout.size()),
            // SAFETY: not of the reserve, so the system's.
            None => unsafe { System.dealloc(old, layout) },
        }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if RESERVE.place(old).is_none() {
            // SAFETY: the system's, passed on.
            let got = unsafe { System.realloc(old, layout, size) };
            if !got.is_null() {
                return got;
            }
        }
        // SAFETY: the caller's promise: `size` is not 0, and no overflow.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are valid for so many bytes, and differ; `old` is of that layout.
            unsafe {
                new.copy_from_nonoverlapping(old, layout.size().min(size));
                self.dealloc(old, layout);
            }
        }
        new
    }
}

#[global_allocator]
static ALLOCATOR: Backed = Backed;
