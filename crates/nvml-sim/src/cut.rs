//! How a card is cut (MIG), and the file that keeps what clients cut.
//!
//! The scenario says how a card is cut at first. What a client changes goes to
//! a file beside the scenario ([`file`]), which every process that has the
//! scenario open reads as live as the scenario itself. When the scenario's own
//! word about a card changes it holds again, and the file's is forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::profile::{MigProfile, Profile};
use crate::refusal::{Answer, Refusal};

/// Memory slices of a card.
const MEMORY_SLICES: usize = 8;

/// What clients cut, by the UUID of the GPU.
pub type Cuts = BTreeMap<String, Cut>;

/// The file that belongs to a scenario.
#[must_use]
pub fn file(scenario: &Path) -> PathBuf {
    let mut name = scenario.as_os_str().to_owned();
    name.push(".mig");
    name.into()
}

/// One card's cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cut {
    /// What the scenario said when this was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Vec<String>>,
    /// How often the card had been reset by then.
    pub resets: u32,
    /// Calls that wanted to change the cut, failed ones too; never begins anew.
    pub changes: u32,
    /// MIG mode now.
    pub enabled: bool,
    /// MIG mode after the next reset.
    pub pending: bool,
    /// GPU instances.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// One GPU instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Its number.
    pub id: u32,
    /// Name of its kind.
    pub profile: String,
    /// Memory slice at which it begins.
    pub start: u32,
    /// Memory slices it takes.
    pub size: u32,
    /// Its place in the scenario's list; none when a client made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<usize>,
    /// Compute instances.
    #[serde(default)]
    pub compute: Vec<Compute>,
}

/// One compute instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Compute {
    /// Its number in the GPU instance.
    pub id: u32,
    /// Compute slice of the GPU instance at which it begins.
    pub start: u32,
    /// Compute slices it has.
    pub slices: u32,
}

impl Cut {
    /// As the scenario says it, unless a client changed it since.
    #[must_use]
    pub fn of(profile: &Profile, scenario: Option<&[String]>, resets: u32, kept: Option<&Self>) -> Self {
        let scenario = scenario.map(<[String]>::to_vec);
        match kept {
            Some(kept) if kept.scenario == scenario && kept.resets == resets => kept.clone(),
            // A reset activates what is pending, and no instance outlives it.
            Some(kept) if kept.scenario == scenario => {
                Self { resets, enabled: kept.pending, parts: Vec::new(), ..kept.clone() }
            }
            _ => {
                let enabled = scenario.is_some();
                let changes = kept.map_or(0, |kept| kept.changes);
                let mut cut = Self { resets, changes, enabled, pending: enabled, ..Self::default() };
                for (origin, name) in scenario.iter().flatten().enumerate() {
                    // What does not fit any more is left out.
                    let Some(profile) = named(profile, name) else { continue };
                    let Ok(id) = cut.create(profile, None) else { continue };
                    if let Some(part) = cut.parts.iter_mut().find(|part| part.id == id) {
                        part.origin = Some(origin);
                        part.compute.push(Compute { id: 0, start: 0, slices: profile.slices });
                    }
                }
                Self { scenario, ..cut }
            }
        }
    }

    /// Makes a GPU instance where it fits first, or just there.
    ///
    /// # Errors
    /// MIG mode is off, the place is none of the profile's, or nothing is free.
    pub fn create(&mut self, profile: &MigProfile, start: Option<u32>) -> Answer<u32> {
        if !self.enabled {
            return Err(Refusal::NotSupported);
        }
        if start.is_some_and(|start| !profile.placements.contains(&start)) {
            return Err(Refusal::InvalidArgument);
        }
        let places = profile.placements.iter().copied();
        let free = places.filter(|place| start.is_none_or(|start| start == *place));
        let start = free
            .into_iter()
            .find(|place| self.remains(profile) && self.is_free(*place, profile.placement_size))
            .ok_or(Refusal::InsufficientResources)?;
        let id = first_free(self.parts.iter().map(|part| part.id), 1);
        self.parts.push(Part {
            id,
            profile: profile.name.clone(),
            start,
            size: profile.placement_size,
            origin: None,
            compute: Vec::new(),
        });
        self.parts.sort_by_key(|part| part.id);
        Ok(id)
    }

    /// How many more of a profile fit.
    #[must_use]
    pub fn remaining(&self, profile: &MigProfile) -> u32 {
        let mut tried = self.clone();
        (0..profile.instances)
            .take_while(|_| tried.create(profile, None).is_ok())
            .count()
            .try_into()
            .unwrap_or(0)
    }

    fn remains(&self, profile: &MigProfile) -> bool {
        let there = self.parts.iter().filter(|part| part.profile == profile.name).count();
        there < profile.instances as usize
    }

    fn is_free(&self, start: u32, size: u32) -> bool {
        let end = start + size;
        end as usize <= MEMORY_SLICES
            && self.parts.iter().all(|part| end <= part.start || part.start + part.size <= start)
    }
}

impl Part {
    /// Makes a compute instance where it fits first, or just there.
    ///
    /// # Errors
    /// The GPU instance has no such profile or place, or nothing is free.
    pub fn create(&mut self, profile: &MigProfile, slices: u32, start: Option<u32>) -> Answer<u32> {
        let places = places(profile, slices);
        if places.is_empty() {
            return Err(Refusal::NotSupported);
        }
        if start.is_some_and(|start| !places.contains(&start)) {
            return Err(Refusal::InvalidArgument);
        }
        let free = |place: &u32| {
            start.is_none_or(|start| start == *place)
                && self
                    .compute
                    .iter()
                    .all(|other| place + slices <= other.start || other.start + other.slices <= *place)
        };
        let start = places.iter().copied().find(free).ok_or(Refusal::InsufficientResources)?;
        let id = first_free(self.compute.iter().map(|compute| compute.id), 0);
        self.compute.push(Compute { id, start, slices });
        self.compute.sort_by_key(|compute| compute.id);
        Ok(id)
    }
}

/// The profile of that name.
#[must_use]
pub fn named<'a>(profile: &'a Profile, name: &str) -> Option<&'a MigProfile> {
    profile.mig.iter().find(|known| known.name == name)
}

/// Slices of a compute instance by `NVML_COMPUTE_INSTANCE_PROFILE_*`.
#[must_use]
pub fn compute_slices(number: u32) -> Option<u32> {
    [1, 2, 3, 4, 7].get(number as usize).copied()
}

/// `NVML_COMPUTE_INSTANCE_PROFILE_*` by slices.
#[must_use]
pub fn compute_profile(slices: u32) -> u32 {
    if slices == 7 { 4 } else { slices.saturating_sub(1) }
}

/// Compute slices at which a compute instance of so many slices can begin; a
/// GPU instance of four slices has none of three (`nvidia-smi mig -lcip`).
#[must_use]
pub fn places(profile: &MigProfile, slices: u32) -> Vec<u32> {
    let has = compute_profile(slices) < 5 && slices <= profile.slices && (profile.slices, slices) != (4, 3);
    let starts = 0..=profile.slices.saturating_sub(slices);
    starts.filter(|start| has && start % slices.next_power_of_two() == 0).collect()
}

fn first_free(taken: impl Iterator<Item = u32> + Clone, from: u32) -> u32 {
    (from..).find(|id| taken.clone().all(|taken| taken != *id)).unwrap_or(from)
}

#[cfg(test)]
mod tests;
