//! MIG: how the card is cut, and what each part has.

use super::Gpu;
use crate::card::uuid;
use crate::cut::{Compute, Part, named};
use crate::profile::MigProfile;
use crate::refusal::{Answer, Refusal};
use crate::scenario::Process;
use crate::world::Target;

/// One MIG device: a compute instance of a GPU instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Number of the GPU instance.
    pub id: u32,
    /// Its kind.
    pub profile: &'static MigProfile,
    /// Memory slice at which it begins.
    pub start: u32,
    /// The compute instance.
    pub compute: Compute,
}

impl Slice {
    /// What a handle of it stands for.
    #[must_use]
    pub fn target(&self, gpu: &Gpu<'_>) -> Target {
        Target::Mig(gpu.card.uuid.clone(), self.id, self.compute.id)
    }
}

impl Gpu<'_> {
    /// The MIG devices there are.
    #[must_use]
    pub fn slices(&self) -> Vec<Slice> {
        let mut slices = Vec::new();
        for part in &self.card.cut.parts {
            let Some(profile) = named(self.card.profile, &part.profile) else { continue };
            let device =
                |compute: &Compute| Slice { id: part.id, profile, start: part.start, compute: *compute };
            slices.extend(part.compute.iter().map(device));
        }
        slices
    }

    /// The MIG device this is.
    ///
    /// # Errors
    /// It is a GPU.
    pub fn own_slice(&self) -> Answer<Slice> {
        let slice = self.slice.ok_or(Refusal::NotSupported)?;
        self.slices().get(slice).cloned().ok_or(Refusal::InvalidArgument)
    }

    /// The GPU instance this is, or is a part of, with its kind.
    ///
    /// # Errors
    /// It is a GPU, or was destroyed.
    pub fn own_part(&self) -> Answer<(&Part, &'static MigProfile)> {
        let part = self.card.cut.parts.iter().find(|part| Some(part.id) == self.part);
        let part = part.ok_or(Refusal::InvalidArgument)?;
        let profile = named(self.card.profile, &part.profile).ok_or(Refusal::InvalidArgument)?;
        Ok((part, profile))
    }

    /// The compute instance this is.
    ///
    /// # Errors
    /// It is none, or was destroyed.
    pub fn own_compute(&self) -> Answer<Compute> {
        let (part, _) = self.own_part()?;
        let compute = part.compute.iter().find(|compute| Some(compute.id) == self.compute);
        compute.copied().ok_or(Refusal::InvalidArgument)
    }

    /// Whether a process runs on this GPU or in this part of it.
    #[must_use]
    pub fn has(&self, process: &Process) -> bool {
        let Some(id) = self.part else { return true };
        let part = self.card.cut.parts.iter().find(|part| part.id == id);
        process.instance.is_some() && part.is_some_and(|part| part.origin == process.instance)
    }

    /// UUID of the GPU or the MIG device.
    #[must_use]
    pub fn uuid(&self) -> String {
        let seed = self.world.loaded.scenario.seed;
        let salt = |slice: Slice| u64::from(slice.id) + 99 + u64::from(slice.compute.id) * 64;
        self.own_slice()
            .map_or_else(|_| self.card.uuid.clone(), |slice| uuid("MIG", seed, self.index, salt(slice)))
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
