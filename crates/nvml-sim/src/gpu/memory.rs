//! Memory of the board and its window to the host.

use super::Gpu;
use crate::round::whole;

const MIB: u64 = 1 << 20;

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What the driver keeps.
    pub reserved: u64,
    /// What processes use.
    pub used: u64,
}

impl Memory {
    /// What is left.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.total - self.reserved - self.used
    }
}

impl Gpu<'_> {
    /// Memory of the board or the MIG device.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let profile = self.card.profile;
        let slice = self.slice.and_then(|slice| self.slices().get(slice).cloned());
        let (total, reserved) = slice.as_ref().map_or_else(
            || (u64::from(profile.memory_mib) * MIB, u64::from(profile.reserved_mib) * MIB),
            |slice| (u64::from(slice.profile.memory_mib) * MIB, 20 * MIB),
        );
        let processes: u64 = self
            .card
            .processes
            .iter()
            .filter(|process| self.slice.is_none() || process.instance == self.slice)
            .map(|process| u64::from(process.memory_mib) * MIB)
            .sum();
        let percent =
            if self.slice.is_some() { 0.0 } else { self.card.memory.value(self.now()).clamp(0.0, 100.0) };
        #[expect(clippy::cast_precision_loss, reason = "bytes of one board are exact in a float")]
        let other = whole((total - reserved) as f64 * percent / 100.0) / MIB * MIB;
        Memory { total, reserved, used: (processes + other).min(total - reserved) }
    }

    /// Bytes of the window: total and used.
    #[must_use]
    pub fn bar1(&self) -> (u64, u64) {
        let total = u64::from(self.card.profile.bar1_mib) * MIB;
        let used = MIB * (1 + u64::try_from(self.card.processes.len()).unwrap_or(0) * 2);
        (total, used.min(total))
    }
}
