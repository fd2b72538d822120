//! Where the GPUs are known from.

use odin_gpu::Devices;
use odin_gpu::allocation::labels::Machine;
use odin_gpu::allocation::{Fault, Gpu};

/// The GPUs of a machine, as they were seen last.
pub trait Inventory: Send + 'static {
    /// What was seen last, faults included. It answers at once: a driver that
    /// hangs is a fault, not a wait. An error says why the GPUs cannot be known
    /// at all, for example without a library; none, that they are being read
    /// and what was seen before counts.
    fn observe(&mut self) -> Option<Result<Vec<Gpu>, Fault>>;

    /// What labels say of the machine itself.
    fn machine(&mut self) -> Machine;
}

impl Inventory for Devices {
    fn observe(&mut self) -> Option<Result<Vec<Gpu>, Fault>> {
        self.gpus()
    }

    fn machine(&mut self) -> Machine {
        Self::machine(self)
    }
}
