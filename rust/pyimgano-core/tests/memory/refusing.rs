//! An allocator that refuses large requests when it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is no larger than this need not follow the input.
const SMALL: usize = 64 << 10;

/// How many more large requests are granted.
static GRANTED: AtomicUsize = AtomicUsize::new(usize::MAX);
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static ALONE: Mutex<()> = Mutex::new(());

/// Holds the other tests of this process up.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `work` returns when its large requests are refused after the first `granted`, and how many
/// were.
pub fn large_requests_from<T>(granted: usize, work: impl FnOnce() -> T) -> (T, usize) {
    REFUSED.store(0, Ordering::SeqCst);
    GRANTED.store(granted, Ordering::SeqCst);
    let outcome = work();
    GRANTED.store(usize::MAX, Ordering::SeqCst);
    (outcome, REFUSED.load(Ordering::SeqCst))
}

fn refuses(size: usize) -> bool {
    let take = |left: usize| if left == usize::MAX { Some(left) } else { left.checked_sub(1) };
    let refused =
        size > SMALL && GRANTED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err();
    if refused {
        REFUSED.fetch_add(1, Ordering::SeqCst);
    }
    refused
}

struct Refusing;

// SAFETY: all that is given out and taken back is the system allocator's; a null is allowed at any
// time.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        if refuses(layout.size()) { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        if refuses(layout.size()) { null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: passed on.
        if refuses(size) { null_mut() } else { unsafe { System.realloc(old, layout, size) } }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(old, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;
