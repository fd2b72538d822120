//! MIG: how the card is cut, and what each part has.

use super::Gpu;
use crate::card::uuid;
use crate::profile::MigProfile;
use crate::refusal::{Answer, Refusal};

/// One GPU instance with one compute instance that fills it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Number of the GPU instance.
    pub id: u32,
    /// Its kind.
    pub profile: &'static MigProfile,
    /// Memory slice at which it begins.
    pub start: u32,
}

impl Gpu<'_> {
    /// The GPU instances there are, placed in order where they fit.
    #[must_use]
    pub fn slices(&self) -> Vec<Slice> {
        let mut taken = [false; 8];
        let mut slices = Vec::new();
        for name in self.card.mig.iter().flatten() {
            let Some(profile) = self.card.profile.mig.iter().find(|profile| profile.name == *name) else {
                continue;
            };
            let Some(start) = place(profile, &mut taken) else { continue };
            let id = u32::try_from(slices.len()).unwrap_or(0) + 1;
            slices.push(Slice { id, profile, start });
        }
        slices
    }

    /// How many more of a profile fit.
    #[must_use]
    pub fn remaining(&self, profile: &MigProfile) -> u32 {
        if self.card.mig.is_none() {
            return 0;
        }
        let mut taken = [false; 8];
        for slice in self.slices() {
            occupy(slice.profile, slice.start, &mut taken);
        }
        (0..profile.instances)
            .take_while(|_| place(profile, &mut taken).is_some())
            .count()
            .try_into()
            .unwrap_or(0)
    }

    /// The MIG device this is.
    ///
    /// # Errors
    /// It is a GPU.
    pub fn own_slice(&self) -> Answer<Slice> {
        let slice = self.slice.ok_or(Refusal::NotSupported)?;
        self.slices().get(slice).cloned().ok_or(Refusal::InvalidArgument)
    }

    /// UUID of the GPU or the MIG device.
    #[must_use]
    pub fn uuid(&self) -> String {
        let seed = self.world.loaded.scenario.seed;
        self.slice.map_or_else(
            || self.card.uuid.clone(),
            |slice| uuid("MIG", seed, self.index, 100 + u64::try_from(slice).unwrap_or(0)),
        )
    }

    /// A kind of GPU instance by its `NVML_GPU_INSTANCE_PROFILE_*`.
    ///
    /// # Errors
    /// The board has none such.
    pub fn mig_profile(&self, number: u32) -> Answer<&'static MigProfile> {
        self.whole()?;
        self.card.profile.mig.iter().find(|profile| profile.profile == number).ok_or(Refusal::NotSupported)
    }

    /// A kind of GPU instance by the number that creation asks for.
    ///
    /// # Errors
    /// The board has none such.
    pub fn mig_profile_id(&self, id: u32) -> Answer<&'static MigProfile> {
        self.whole()?;
        self.card.profile.mig.iter().find(|profile| profile.id() == id).ok_or(Refusal::InvalidArgument)
    }
}

fn place(profile: &MigProfile, taken: &mut [bool; 8]) -> Option<u32> {
    let free = profile.placements.iter().copied().find(|start| {
        (*start..start + profile.placement_size).all(|at| taken.get(at as usize).is_some_and(|taken| !taken))
    })?;
    occupy(profile, free, taken);
    Some(free)
}

fn occupy(profile: &MigProfile, start: u32, taken: &mut [bool; 8]) {
    for slot in taken.iter_mut().skip(start as usize).take(profile.placement_size as usize) {
        *slot = true;
    }
}
