//! Names and help texts of all metrics ODIN gives beside DCGM's.
//!
//! A name that ends in `_total` is a counter, every other a gauge. Units are
//! base units and part of the name; an enumeration of NVML keeps NVML's
//! numbers and its help says so.

mod device;
mod fleet;
mod link;

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

impl Family {
    /// Type of the exposition format.
    pub(crate) fn kind(self) -> &'static str {
        if self.name.ends_with("_total") { "counter" } else { "gauge" }
    }
}

const fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help }
}

/// Metrics that a field or a getter of NVML becomes.
pub(crate) fn of_nvml() -> impl Iterator<Item = Family> {
    device::DEVICE.iter().chain(link::LINK).copied()
}

/// Metrics of ODIN's own: states, ages, use by pods, events.
pub(crate) fn of_fleet() -> impl Iterator<Item = Family> {
    fleet::FLEET.iter().copied()
}
