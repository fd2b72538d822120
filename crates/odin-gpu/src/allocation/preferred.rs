//! Which of the free devices a container should get.
//!
//! Whole GPUs: the set with the most bandwidth inside, and among equals the
//! one that leaves the best set behind, so that a pair on one board is not
//! torn apart for a single GPU. The weights are those of NVIDIA's
//! go-gpuallocator (`besteffort_policy.go`); 16 GPUs have at most 12,870 sets
//! of one size, so all are looked at and the answer is exact.
//!
//! MIG devices and replicas: one by one, from the GPU the policy prefers.

use std::collections::{BTreeMap, BTreeSet};

use super::resources::{Device, Resource};
use super::sharing::Policy;
use super::{Gpu, LinkKind};

/// More sets than this are not looked at one by one.
const MAXIMUM_SETS: u64 = 20_000;

/// Why no choice can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A device that the resource does not have.
    #[error("{resource} has no device {id:?}")]
    Unknown {
        /// The resource.
        resource: String,
        /// The id that was given.
        id: String,
    },
    /// Too few to choose from, or more required than wanted.
    #[error("{wanted} of {resource} are wanted, {available} are available and {required} are required")]
    Count {
        /// The resource.
        resource: String,
        /// How many are to be chosen.
        wanted: usize,
        /// How many there are to choose from.
        available: usize,
        /// How many must be among them.
        required: usize,
    },
}

/// What is to be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Ids to choose from.
    pub available: &'a [String],
    /// Ids that must be among the chosen.
    pub required: &'a [String],
    /// How many, the required included.
    pub size: usize,
}

/// Chooses devices of a resource.
///
/// # Errors
/// When an id is not the resource's, or the numbers do not fit.
pub fn preferred(
    resource: &Resource,
    gpus: &[Gpu],
    policy: Policy,
    request: Request<'_>,
) -> Result<Vec<String>, Impossible> {
    let known: BTreeMap<&str, &Device> =
        resource.devices.iter().map(|device| (device.id.as_str(), device)).collect();
    let find = |id: &String| {
        known
            .get(id.as_str())
            .copied()
            .ok_or_else(|| Impossible::Unknown { resource: resource.name.clone(), id: id.clone() })
    };
    let required = unique(request.required).into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let taken: BTreeSet<&str> = required.iter().map(|device| device.id.as_str()).collect();
    let mut free = unique(request.available).into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
    free.retain(|device| !taken.contains(device.id.as_str()));
    free.sort_by_key(|device| (device.gpu_index, device.mig_index));
    let count = Impossible::Count {
        resource: resource.name.clone(),
        wanted: request.size,
        available: free.len() + required.len(),
        required: required.len(),
    };
    let needed =
        request.size.checked_sub(required.len()).filter(|needed| *needed <= free.len()).ok_or(count)?;
    // The kubelet may not have heard yet of one that failed a moment ago.
    let healthy: Vec<&Device> = free.iter().copied().filter(|device| device.fault.is_none()).collect();
    if healthy.len() >= needed {
        free = healthy;
    }
    let whole = resource.devices.iter().all(|device| device.id == device.gpu);
    let chosen = if whole && sets(free.len(), needed) <= MAXIMUM_SETS {
        nearest(&required, &free, needed, &Nearness::of(gpus))
    } else {
        one_by_one(resource, &required, free, needed, policy)
    };
    Ok(required.into_iter().chain(chosen).map(|device| device.id.clone()).collect())
}

fn unique(ids: &[String]) -> Vec<&String> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(|id| seen.insert(id.as_str())).collect()
}

/// Number of sets of `size` out of `from`; saturates.
fn sets(from: usize, size: usize) -> u64 {
    let size = size.min(from - size) as u64;
    (1..=size)
        .try_fold(1_u64, |sets, n| Some(sets.checked_mul(from as u64 - size + n)? / n))
        .unwrap_or(u64::MAX)
}

/// Weight of the connection between two GPUs.
struct Nearness<'a> {
    links: BTreeMap<(&'a str, &'a str), u32>,
    numa: BTreeMap<&'a str, Option<u32>>,
}

impl<'a> Nearness<'a> {
    fn of(gpus: &'a [Gpu]) -> Self {
        let mut links = BTreeMap::new();
        for gpu in gpus {
            for link in &gpu.links {
                // Both ends should agree; where one knows less, the other counts.
                for pair in [(gpu.uuid.as_str(), link.to.as_str()), (link.to.as_str(), gpu.uuid.as_str())] {
                    let weight = links.entry(pair).or_default();
                    *weight = weight_of(link.kind).max(*weight);
                }
            }
        }
        Self { links, numa: gpus.iter().map(|gpu| (gpu.uuid.as_str(), gpu.numa)).collect() }
    }

    fn between(&self, one: &str, other: &str) -> u32 {
        let same_node = || {
            let node = self.numa.get(one).copied().flatten();
            node.is_some() && node == self.numa.get(other).copied().flatten()
        };
        self.links
            .get(&(one, other))
            .copied()
            .unwrap_or_else(|| weight_of(if same_node() { LinkKind::Node } else { LinkKind::System }))
    }

    fn inside(&self, set: &[&Device]) -> u32 {
        set.iter()
            .enumerate()
            .flat_map(|(at, one)| set[at + 1..].iter().map(|other| self.between(&one.gpu, &other.gpu)))
            .sum()
    }
}

fn weight_of(kind: LinkKind) -> u32 {
    match kind {
        LinkKind::System => 10,
        LinkKind::Node => 20,
        LinkKind::HostBridge => 30,
        LinkKind::MultipleSwitches => 40,
        LinkKind::SingleSwitch => 50,
        LinkKind::Board => 60,
        LinkKind::NvLink(links) => links.max(1).saturating_mul(100),
    }
}

fn nearest<'a>(
    required: &[&'a Device],
    free: &[&'a Device],
    needed: usize,
    nearness: &Nearness<'_>,
) -> Vec<&'a Device> {
    let mut best: Option<((u32, u32), Vec<&Device>)> = None;
    for set in subsets(free.len(), needed) {
        let (inside, left): (Vec<_>, Vec<_>) = (0..free.len()).partition(|at| set.contains(at));
        let chosen: Vec<&Device> = inside.into_iter().map(|at| free[at]).collect();
        let left: Vec<&Device> = left.into_iter().map(|at| free[at]).collect();
        let whole: Vec<&Device> = required.iter().chain(&chosen).copied().collect();
        let score = (nearness.inside(&whole), nearness.inside(&left));
        // The first of equals has the lowest indices.
        if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
            best = Some((score, chosen));
        }
    }
    best.map(|(_, chosen)| chosen).unwrap_or_default()
}

/// All sets of `size` out of `0..from`, in the order of their indices.
fn subsets(from: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut next = (size <= from).then(|| (0..size).collect::<Vec<_>>());
    std::iter::from_fn(move || {
        let current = next.take()?;
        let mut following = current.clone();
        // The last place that can still move on moves, those after it follow.
        next = (0..size).rev().find(|at| current[*at] < from - size + at).map(|at| {
            following[at] += 1;
            for later in at + 1..size {
                following[later] = following[later - 1] + 1;
            }
            following
        });
        Some(current)
    })
}

fn one_by_one<'a>(
    resource: &'a Resource,
    required: &[&'a Device],
    mut free: Vec<&'a Device>,
    needed: usize,
    policy: Policy,
) -> Vec<&'a Device> {
    let count = |devices: &mut dyn Iterator<Item = &Device>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for device in devices {
            *counts.entry(device.gpu.clone()).or_default() += 1;
        }
        counts
    };
    let total = count(&mut resource.devices.iter());
    let mut left = count(&mut free.iter().copied());
    let mut picked = count(&mut required.iter().copied());
    let mut chosen = Vec::with_capacity(needed);
    for _ in 0..needed {
        let of =
            |counts: &BTreeMap<String, usize>, device: &Device| counts.get(&device.gpu).copied().unwrap_or(0);
        let rank = |device: &Device| {
            let used = of(&total, device).saturating_sub(of(&left, device));
            let used = if policy == Policy::Packed { usize::MAX - used } else { used };
            (used, of(&picked, device))
        };
        let Some(at) = (0..free.len()).min_by_key(|at| (rank(free[*at]), *at)) else { break };
        let device = free.remove(at);
        *picked.entry(device.gpu.clone()).or_default() += 1;
        left.entry(device.gpu.clone()).and_modify(|left| *left -= 1);
        chosen.push(device);
    }
    chosen
}

#[cfg(test)]
mod tests;
