//! How near GPUs are to each other and to memory nodes.
//!
//! NVML tells it for pairs, so it is no number of a sample. It is read by a
//! thread of its own whenever the set of GPUs is another: a call that hangs
//! costs the choice by topology, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nvml_wrapper::enum_wrappers::device::TopologyLevel;
use nvml_wrapper::{Device, Nvml};

use crate::allocation::{Link, LinkKind};
use crate::fields::MAXIMUM_LINKS;
use crate::fleet::{self, Fleet, Shared};
use crate::sample::Slot;

/// How often the set of GPUs is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is around one GPU.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// Memory node of the processor it hangs on.
    pub(super) numa: Option<u32>,
    /// How near other GPUs are.
    pub(super) links: Vec<Link>,
}

/// UUID and PCI address.
type Present = BTreeSet<(String, String)>;

/// What is around each GPU of a fleet, as it was read last.
#[derive(Clone, Debug)]
pub(super) struct Topology(Arc<Mutex<BTreeMap<String, Surroundings>>>);

impl Topology {
    /// Starts the thread that reads it.
    pub(super) fn follow(fleet: &Fleet) -> Self {
        let topology = Self(Arc::default());
        let followed = topology.clone();
        fleet::spawn("gpu-topology", &fleet.shared, move |shared| followed.run(shared));
        topology
    }

    pub(super) fn of(&self, uuid: &str) -> Surroundings {
        self.known().get(uuid).cloned().unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Surroundings>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, shared: &Arc<Shared>) {
        let mut read = Present::new();
        while !shared.is_stopping() {
            let present = present(shared);
            let session = shared.library().state.as_ref().ok().map(|open| Arc::clone(&open.session));
            if let Some(session) = session.filter(|_| present != read) {
                let around = around(session.nvml(), &present);
                *self.known() = around;
                read = present;
            }
            shared.sleep(LOOK);
        }
    }
}

fn present(shared: &Shared) -> Present {
    let of = |slot: &Arc<Slot>| {
        let front = slot.front();
        let identity = &front.identity.as_ref()?.identity;
        Some((identity.uuid.clone(), identity.pci_bus_id.clone()))
    };
    shared.slots().iter().filter_map(of).collect()
}

/// One GPU while pairs are compared.
struct End<'a> {
    uuid: &'a str,
    pci: &'a str,
    device: Device<'a>,
    nvlinks: Vec<Option<String>>,
}

fn around(nvml: &Nvml, present: &Present) -> BTreeMap<String, Surroundings> {
    let ends: Vec<End<'_>> = present
        .iter()
        .filter_map(|(uuid, pci)| {
            let device = nvml.device_by_uuid(uuid.as_str()).ok()?;
            let nvlinks = nvlinks(&device);
            Some(End { uuid, pci, device, nvlinks })
        })
        .collect();
    let to = |end: &End<'_>, other: &End<'_>| {
        Some(Link { to: other.uuid.to_owned(), kind: between(nvml, end, other)? })
    };
    ends.iter()
        .map(|end| {
            let others = ends.iter().filter(|other| other.uuid != end.uuid);
            let links = others.filter_map(|other| to(end, other)).collect();
            (end.uuid.to_owned(), Surroundings { numa: numa(end.pci), links })
        })
        .collect()
}

/// Addresses at the other ends of the links that are up; none where the driver
/// does not tell, as for some switches.
fn nvlinks(device: &Device<'_>) -> Vec<Option<String>> {
    (0..MAXIMUM_LINKS)
        .map(|link| device.link_wrapper_for(link))
        .filter(|link| link.is_active().is_ok_and(|active| active))
        .map(|link| link.remote_pci_info().ok().map(|pci| pci.bus_id.to_lowercase()))
        .collect()
}

/// How many NVLinks two GPUs have: direct ones, or through switches that both
/// are connected to.
fn nvlinks_between(one: (&[Option<String>], &str), other: (&[Option<String>], &str)) -> u32 {
    let to = |ends: &[Option<String>], address: &str| {
        ends.iter().flatten().filter(|end| **end == address.to_lowercase()).count()
    };
    let direct = to(one.0, other.1);
    let switched = || {
        let ends: BTreeSet<&Option<String>> = other.0.iter().collect();
        // An end the driver does not tell is a switch: a GPU would be told.
        one.0.iter().filter(|end| ends.contains(end)).count().min(other.0.len())
    };
    u32::try_from(if direct > 0 { direct } else { switched() }).unwrap_or(MAXIMUM_LINKS)
}

fn between(nvml: &Nvml, one: &End<'_>, other: &End<'_>) -> Option<LinkKind> {
    let nvlinks = nvlinks_between((&one.nvlinks, one.pci), (&other.nvlinks, other.pci));
    if nvlinks > 0 {
        return Some(LinkKind::NvLink(nvlinks));
    }
    // The call takes a handle of its own.
    let peer = nvml.device_by_uuid(other.uuid).ok()?;
    Some(match one.device.topology_common_ancestor(peer).ok()? {
        TopologyLevel::Internal => LinkKind::Board,
        TopologyLevel::Single => LinkKind::SingleSwitch,
        TopologyLevel::Multiple => LinkKind::MultipleSwitches,
        TopologyLevel::HostBridge => LinkKind::HostBridge,
        TopologyLevel::Node => LinkKind::Node,
        TopologyLevel::System => LinkKind::System,
    })
}

/// Memory node, as the kernel tells it; -1 is none.
fn numa(pci: &str) -> Option<u32> {
    // NVML's domain has eight digits, the kernel's four.
    let address = pci.to_lowercase();
    let address = address.strip_prefix("0000").filter(|rest| rest.len() == 12).unwrap_or(&address);
    fs::read_to_string(format!("/sys/bus/pci/devices/{address}/numa_node")).ok()?.trim().parse().ok()
}

/// Type of the machine, as its firmware tells it.
pub(super) fn product() -> Option<String> {
    let text = fs::read_to_string("/sys/devices/virtual/dmi/id/product_name").ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(addresses: &[&str]) -> Vec<Option<String>> {
        addresses.iter().map(|address| Some((*address).to_owned()).filter(|text| !text.is_empty())).collect()
    }

    #[test]
    fn links_are_counted_directly_or_through_switches() {
        let rows: [(&[&str], &[&str], u32); 5] = [
            // Directly: one ends where the other is.
            (&["b", "b", "c"], &["a", "a"], 2),
            // Through switches both have.
            (&["s1", "s2", "s2"], &["s1", "s2", "s2"], 3),
            (&["s1", "s2"], &["s3"], 0),
            // Switches the driver does not name.
            (&["", ""], &["", ""], 2),
            (&[], &["s1"], 0),
        ];
        for (one, other, links) in rows {
            assert_eq!(nvlinks_between((&ends(one), "A"), (&ends(other), "B")), links, "{one:?} {other:?}");
        }
    }
}
