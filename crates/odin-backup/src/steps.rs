//! Named points an executor passes.
//!
//! The executor announces every step before it is taken. The product listens
//! for logging only; tests stop or kill the process there, at each in turn.

use crate::Result;

/// Hears of every step before it is taken.
pub trait Steps: Send + Sync {
    /// Announces a step.
    ///
    /// # Errors
    ///
    /// An error ends the operation as if the step itself had failed.
    fn reached(&self, step: &str) -> Result<()>;
}

/// Lets every step pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unhindered;

impl Steps for Unhindered {
    fn reached(&self, step: &str) -> Result<()> {
        tracing::debug!(step, "step");
        Ok(())
    }
}

impl<F: Fn(&str) -> Result<()> + Send + Sync> Steps for F {
    fn reached(&self, step: &str) -> Result<()> {
        self(step)
    }
}
