//! Panics stop at the border to C and go on behind it (invariant 4).

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    static CAUGHT: RefCell<Option<Box<dyn Any + Send>>> = const { RefCell::new(None) };
}

/// Runs the body of a callback that C calls; a panic is kept for [`resume`] and `fallback` goes to C.
pub fn contain<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            CAUGHT.with(|caught| {
                caught.borrow_mut().get_or_insert(payload);
            });
            fallback
        }
    }
}

/// True if a callback on this thread has panicked and [`resume`] has not been called since.
pub fn is_pending() -> bool {
    CAUGHT.with(|caught| caught.borrow().is_some())
}

/// Goes on with the panic of a callback that C called on this thread; to be called when C has returned.
pub fn resume() {
    if let Some(payload) = CAUGHT.with(|caught| caught.borrow_mut().take()) {
        resume_unwind(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_carried_over() {
        assert_eq!(contain(1, || 2), 2);
        assert_eq!(contain(1, || -> i32 { panic!("inside the callback") }), 1);
        assert!(is_pending());
        let payload = catch_unwind(resume).expect_err("the panic goes on");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"inside the callback"));
        assert!(!is_pending());
    }
}
