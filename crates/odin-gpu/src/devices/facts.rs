//! What does not change while a GPU is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use nvml_wrapper::enum_wrappers::device::TopologyLevel;
use nvml_wrapper::{Device, Nvml};

use super::Devices;
use crate::allocation::{Link, LinkKind};

/// Most NVLinks of one GPU (`NVML_NVLINK_MAX_LINKS` of nvml.h).
const MAXIMUM_LINKS: u32 = 18;
/// How often the set of GPUs is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// MIG mode can be switched while a GPU is there; this is when it is noticed.
const AGAIN: u32 = 5;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) numa: Option<u32>,
    pub(super) memory_mib: u64,
    pub(super) compute: Option<(u32, u32)>,
    pub(super) mig_capable: bool,
    pub(super) mig_enabled: bool,
    pub(super) links: Vec<Link>,
}

/// Starts the thread that reads them. Without it devices have no facts, which
/// costs labels and the choice by topology, nothing else.
pub(super) fn follow(devices: &Devices) {
    let devices = devices.clone();
    let started = std::thread::Builder::new().name("gpu-facts".to_owned()).spawn(move || run(&devices));
    if let Err(error) = started {
        tracing::error!(%error, "cannot start the thread that reads how GPUs are connected");
    }
}

fn run(devices: &Devices) {
    let shared = Arc::clone(&devices.fleet.shared);
    let mut seen = BTreeSet::new();
    let mut round: u32 = 0;
    while !shared.is_stopping() {
        let session = shared.library().state.as_ref().ok().map(|open| Arc::clone(&open.session));
        let present = identities(devices);
        if let Some(session) = session.filter(|_| present != seen || round.is_multiple_of(AGAIN)) {
            let facts = read(session.nvml(), &present);
            *devices.known() = facts;
            seen = present;
        }
        round = round.wrapping_add(1);
        shared.sleep(LOOK);
    }
}

/// UUID, index and PCI address of every GPU that told them.
fn identities(devices: &Devices) -> BTreeSet<(String, u32, String)> {
    let slots = devices.fleet.shared.slots().clone();
    let of = |slot: &Arc<crate::sample::Slot>| {
        let identity = &slot.front().identity.as_ref()?.identity.clone();
        Some((identity.uuid.clone(), identity.index, identity.pci_bus_id.clone()))
    };
    slots.iter().filter_map(of).collect()
}

fn read(nvml: &Nvml, present: &BTreeSet<(String, u32, String)>) -> BTreeMap<String, Facts> {
    let open: Vec<(&str, &str, Device<'_>)> = present
        .iter()
        .filter_map(|(uuid, _, pci)| Some((uuid.as_str(), pci.as_str(), nvml.device_by_uuid(uuid.as_str()).ok()?)))
        .collect();
    let active: Vec<Vec<Option<String>>> = open.iter().map(|(_, _, device)| nvlinks(device)).collect();
    let mut all = BTreeMap::new();
    for (at, (uuid, pci, device)) in open.iter().enumerate() {
        let compute = device.cuda_compute_capability().ok();
        let mode = device.mig_mode().ok();
        let links = (0..open.len()).filter(|other| *other != at).filter_map(|other| {
            let (to, peer_pci, peer) = &open[other];
            let kind = between(device, peer, nvlinks_between((&active[at], pci), (&active[other], peer_pci)))?;
            Some(Link { to: (*to).to_owned(), kind })
        });
        let facts = Facts {
            numa: numa(pci),
            memory_mib: device.memory_info().map(|memory| memory.total >> 20).unwrap_or_default(),
            compute: compute.and_then(|at| Some((at.major.try_into().ok()?, at.minor.try_into().ok()?))),
            mig_capable: mode.is_some(),
            mig_enabled: mode.is_some_and(|mode| mode.current == 1),
            links: links.collect(),
        };
        all.insert((*uuid).to_owned(), facts);
    }
    all
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

fn between(device: &Device<'_>, peer: &Device<'_>, nvlinks: u32) -> Option<LinkKind> {
    if nvlinks > 0 {
        return Some(LinkKind::NvLink(nvlinks));
    }
    Some(match device.topology_common_ancestor(peer.clone()).ok()? {
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
