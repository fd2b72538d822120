//! Where the GPUs are known from.

use odin_gpu::allocation::labels::Machine;
use odin_gpu::allocation::{Fault, Gpu};

/// The GPUs of a machine, as they were seen last.
pub trait Inventory: Send + 'static {
    /// What was seen last, faults included. It answers at once: a driver that
    /// hangs is a fault, not a wait.
    ///
    /// # Errors
    /// When the GPUs cannot be known at all, for example without a library.
    fn observe(&mut self) -> Result<Vec<Gpu>, Fault>;

    /// What labels say of the machine itself.
    fn machine(&mut self) -> Machine;
}
