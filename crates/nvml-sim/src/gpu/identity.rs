//! What a GPU is called and where it sits.

use super::Gpu;
use crate::card::scramble;
use crate::profile::Form;

/// Where a GPU sits on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pci {
    /// Bus number; domain and device are 0.
    pub bus: u32,
    /// PCI device and vendor.
    pub device_id: u32,
    /// PCI subsystem.
    pub subsystem_id: u32,
}

impl Pci {
    /// As NVML writes it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("00000000:{:02X}:00.0", self.bus)
    }

    /// As NVML wrote it before domains grew to 32 bits.
    #[must_use]
    pub fn legacy_text(&self) -> String {
        format!("0000:{:02X}:00.0", self.bus)
    }
}

impl Gpu<'_> {
    /// Name of the model, or of the MIG device.
    #[must_use]
    pub fn name(&self) -> String {
        let name = &self.card.profile.name;
        self.own_slice().map_or_else(|_| name.clone(), |slice| format!("{name} MIG {}", slice.profile.name))
    }

    /// Where it sits.
    #[must_use]
    pub fn pci(&self) -> Pci {
        let profile = self.card.profile;
        Pci { bus: self.card.bus, device_id: profile.device_id, subsystem_id: profile.subsystem_id }
    }

    /// Its place in the order of enumeration.
    #[must_use]
    pub fn position(&self) -> u32 {
        let position = self.world.enumerated.iter().position(|uuid| *uuid == self.card.uuid);
        position.and_then(|position| u32::try_from(position).ok()).unwrap_or(u32::MAX)
    }

    /// The number in `/dev/nvidiaN`.
    #[must_use]
    pub fn minor(&self) -> u32 {
        u32::try_from(self.index).unwrap_or(u32::MAX)
    }

    /// The socket it sits at: the first half of the GPUs at 0, the rest at 1.
    #[must_use]
    pub fn node(&self) -> u32 {
        let count = self.world.loaded.cards.len();
        u32::from(count > 1 && self.index >= count.div_ceil(2))
    }

    /// A number of the board that stays.
    #[must_use]
    pub fn number(&self, salt: u64) -> u64 {
        scramble(self.world.loaded.scenario.seed, self.index, salt)
    }

    /// Whether it is a module on a baseboard.
    #[must_use]
    pub fn module(&self) -> bool {
        self.card.profile.form == Form::Sxm
    }
}
