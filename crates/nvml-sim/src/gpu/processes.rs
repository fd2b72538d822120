//! What runs on a GPU.

use super::Gpu;
use crate::round::whole32;
use crate::scenario::{Process, ProcessKind};

/// A process with what NVML says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Running<'a> {
    /// The process.
    pub process: &'a Process,
    /// Bytes of memory.
    pub memory: u64,
    /// GPU instance, `u32::MAX` without MIG.
    pub instance: u32,
}

impl Gpu<'_> {
    /// The processes of a kind.
    #[must_use]
    pub fn processes(&self, kind: ProcessKind) -> Vec<Running<'_>> {
        let slices = self.slices();
        let mut running = Vec::new();
        for process in &self.card.processes {
            if process.kind == kind && (self.slice.is_none() || process.instance == self.slice) {
                let slice = process.instance.and_then(|instance| slices.get(instance));
                let instance = slice.map_or(u32::MAX, |slice| slice.id);
                running.push(Running { process, memory: u64::from(process.memory_mib) << 20, instance });
            }
        }
        running
    }

    /// Percent of the SMs and of the memory that each process uses.
    pub fn shares(&self) -> impl Iterator<Item = (&Process, u32, u32)> {
        let load = self.load();
        let processes = self.card.processes.iter();
        processes
            .map(move |process| (process, whole32(load * process.share), whole32(load * process.share * 0.6)))
    }
}
