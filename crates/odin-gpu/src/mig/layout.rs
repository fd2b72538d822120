//! How a GPU is cut, and what its model can be cut into.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Failure;

/// How one GPU is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Layout {
    /// Whether MIG mode is on.
    pub enabled: bool,
    /// GPU instances, in the order of their places.
    pub instances: Vec<Instance>,
}

/// One GPU instance. Its number is NVML's and left out: a new one at the same
/// place is the same instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Instance {
    /// Memory slice at which it begins.
    pub start: u32,
    /// Memory slices it takes.
    pub size: u32,
    /// Name of its kind, for example `1g.10gb`.
    pub profile: String,
    /// What creation asks for.
    pub profile_id: u32,
    /// Compute slices of its kind.
    pub slices: u32,
    /// Its compute instances, in the order of their places.
    pub compute: Vec<Compute>,
}

/// One compute instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Compute {
    /// Compute slice of the GPU instance at which it begins.
    pub start: u32,
    /// Compute slices it has.
    pub slices: u32,
}

/// A kind of GPU instance of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For example `1g.10gb`.
    pub name: String,
    /// What creation asks for.
    pub id: u32,
    /// Compute slices.
    pub slices: u32,
    /// How many a GPU can have.
    pub most: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Memory slices at which one can begin; not told while MIG mode is off.
    pub places: Vec<u32>,
    /// Memory slices one takes; 0 while not told.
    pub size: u32,
}

/// MIG mode: now, and after the next reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mode {
    /// Whether it is on.
    pub current: bool,
    /// Whether it will be on.
    pub pending: bool,
}

/// What was seen of one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// NVML's index.
    pub index: u32,
    /// UUID.
    pub uuid: String,
    /// Model, as NVML names it.
    pub model: String,
    /// MIG mode; none where the model has no MIG.
    pub mode: Option<Mode>,
    /// What it can be cut into.
    pub kinds: Vec<Kind>,
    /// What it is cut into.
    pub instances: Vec<Instance>,
    /// UUIDs of its MIG devices.
    pub devices: Vec<String>,
    /// What runs on it, in words; or why that cannot be told.
    pub users: Vec<String>,
}

/// What was seen of all GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// GPUs that were read whole.
    pub seen: Vec<Seen>,
    /// Why others were not.
    pub unread: Vec<Failure>,
}

impl Instance {
    /// An instance of a kind with one compute instance that fills it.
    #[must_use]
    pub fn whole(kind: &Kind, start: u32) -> Self {
        Self {
            start,
            size: kind.size,
            profile: kind.name.clone(),
            profile_id: kind.id,
            slices: kind.slices,
            compute: vec![Compute { start: 0, slices: kind.slices }],
        }
    }

    /// Whether one compute instance fills it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.compute == [Compute { start: 0, slices: self.slices }]
    }

    /// Whether they take a memory slice both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.start + other.size && other.start < self.start + self.size
    }
}

impl Layout {
    /// Whether it is the same devices, be it at other places.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let devices = |layout: &Self| {
            let mut devices: Vec<(u32, Vec<Compute>)> =
                layout.instances.iter().map(|one| (one.profile_id, one.compute.clone())).collect();
            devices.sort();
            devices
        };
        self.enabled == other.enabled && devices(self) == devices(other)
    }
}

impl Seen {
    /// How it is cut now.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout { enabled: self.is_on(), instances: self.instances.clone() }
    }

    /// Whether MIG mode is on now.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.mode.is_some_and(|mode| mode.current)
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.profile, self.start)?;
        if self.is_whole() {
            return Ok(());
        }
        let parts: Vec<String> = self.compute.iter().map(|part| format!("{}c", part.slices)).collect();
        let parts = if parts.is_empty() { "no compute instance".to_owned() } else { parts.join(", ") };
        write!(formatter, " ({parts})")
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.enabled {
            return formatter.write_str("MIG off");
        }
        if self.instances.is_empty() {
            return formatter.write_str("MIG on, not cut");
        }
        let mut odd: Vec<String> = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for instance in &self.instances {
            if instance.is_whole() {
                *counts.entry(&instance.profile).or_default() += 1;
            } else {
                odd.push(instance.to_string());
            }
        }
        let whole = counts.into_iter().map(|(profile, count)| format!("{count} x {profile}"));
        formatter.write_str(&whole.chain(odd).collect::<Vec<_>>().join(", "))
    }
}
