//! A request to end early, heard between the steps of an executor.
//!
//! Work on bytes (backup, restore, drill) runs on blocking threads that cannot
//! be dropped like a future. It asks here before every step; an executor that
//! is told to stop fails that step and so takes its own way back.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks whatever runs to end at its next step.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Tells whether an end was asked for.
#[must_use]
pub fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
