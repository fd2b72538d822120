//! From what is seen to what is offered.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use odin_gpu::allocation::sharing::{Policy, Sharing};
use odin_gpu::allocation::{Change, Device, Fault, Gpu, History, Resource, Roster, labels, resources};
use odin_gpu::cdi::{GPU_KIND, Specifications};
use tokio::sync::{mpsc, watch};

use super::Inventory;

/// Reason of a device that no CDI specification lets into a container.
pub const NO_CDI_DEVICE: &str = "NoCdiDevice";
/// How long a GPU must be well before it is given out again.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(10);
/// How often the GPUs are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What this machine offers its cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    /// Every GPU that was ever seen, with the fault that counts.
    pub gpus: Vec<Gpu>,
    /// Resources with their devices.
    pub resources: Vec<Resource>,
    /// Qualified CDI name by the UUID of the device.
    pub names: BTreeMap<String, String>,
    /// Which GPU the next replica comes from.
    pub policy: Policy,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Why the GPUs cannot be known at all, where that is so.
    pub unknown: Option<Fault>,
    /// What stands in the way of offering more, each a sentence.
    pub troubles: Vec<String>,
}

impl Offer {
    /// A resource by its name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}

/// Looks at the GPUs and keeps the offer up to date.
#[derive(Debug)]
pub struct Keeper<I> {
    inventory: I,
    sharing: Sharing,
    specifications: SpecificationFiles,
    roster: Roster,
    history: History,
}

impl<I: Inventory> Keeper<I> {
    /// A keeper that has seen nothing yet.
    #[must_use]
    pub fn new(
        inventory: I,
        sharing: Sharing,
        cdi_directories: Vec<PathBuf>,
        settle: SignedDuration,
    ) -> Self {
        Self {
            inventory,
            sharing,
            specifications: SpecificationFiles::new(cdi_directories),
            roster: Roster::default(),
            history: History::new(settle),
        }
    }

    /// Looks once: what is offered now, and which GPUs turned. None while the
    /// GPUs are being read.
    pub fn look(&mut self, now: Timestamp) -> Option<(Offer, Vec<Change>)> {
        let seen = self.inventory.observe()?;
        let unknown = seen.as_ref().err().cloned();
        let mut troubles: Vec<String> =
            unknown.as_ref().map(|fault| fault.message.clone()).into_iter().collect();
        let mut gpus = self.roster.observe(seen);
        let changes = self.history.observe(now, &mut gpus);
        let specifications = self.specifications.current();
        troubles.extend(specifications.problems().iter().map(ToString::to_string));
        let mut resources = resources::resources(&gpus, &self.sharing).unwrap_or_else(|mismatch| {
            troubles.push(mismatch.to_string());
            Vec::new()
        });
        let mut names = BTreeMap::new();
        for device in resources.iter_mut().flat_map(|resource| &mut resource.devices) {
            name(device, specifications, &mut names);
        }
        let labels = labels::labels(&self.inventory.machine(), &gpus, &self.sharing);
        let policy = self.sharing.policy;
        Some((Offer { gpus, resources, names, policy, labels, unknown, troubles }, changes))
    }

    /// Looks for ever. The offer is sent on when it is another one.
    pub async fn run(mut self, offers: watch::Sender<Arc<Offer>>, changes: mpsc::Sender<Change>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told: Vec<String> = Vec::new();
        loop {
            ticks.tick().await;
            let Some((offer, turned)) = self.look(Timestamp::now()) else { continue };
            for trouble in offer.troubles.iter().filter(|trouble| !told.contains(trouble)) {
                tracing::warn!(trouble, "not every GPU can be offered");
            }
            told.clone_from(&offer.troubles);
            for change in turned {
                tell(&change);
                // History is kept by the keeper; a reader that went away misses events only.
                drop(changes.try_send(change));
            }
            offers.send_if_modified(|present| {
                let another = **present != offer;
                if another {
                    *present = Arc::new(offer);
                }
                another
            });
        }
    }
}

fn tell(change: &Change) {
    match &change.fault {
        Some(Fault { reason, message }) => {
            tracing::error!(gpu = change.uuid, reason, message, "a GPU must not be given out");
        }
        None => tracing::info!(gpu = change.uuid, "a GPU is well again"),
    }
}

/// Finds the device's name; a device without one is not given out. A pod that
/// got it would fail for good, one that waits is scheduled once it has one.
fn name(device: &mut Device, specifications: &Specifications, names: &mut BTreeMap<String, String>) {
    if names.contains_key(&device.uuid) {
        return;
    }
    match specifications.name_of(GPU_KIND, device.wanted()) {
        Ok(name) => drop(names.insert(device.uuid.clone(), name)),
        Err(unresolved) if device.fault.is_none() => {
            device.fault = Some(Fault::new(NO_CDI_DEVICE, unresolved.to_string()));
        }
        Err(_) => {}
    }
}

/// The specifications, read again when a file changed.
#[derive(Debug)]
struct SpecificationFiles {
    directories: Vec<PathBuf>,
    stamp: Option<Vec<(PathBuf, Option<SystemTime>, u64)>>,
    read: Specifications,
}

impl SpecificationFiles {
    fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories, stamp: None, read: Specifications::default() }
    }

    fn current(&mut self) -> &Specifications {
        let stamp = self.directories.iter().flat_map(|directory| stamp_of(directory)).collect();
        if self.stamp.as_ref() != Some(&stamp) {
            self.read = Specifications::read(&self.directories);
            self.stamp = Some(stamp);
        }
        &self.read
    }
}

/// Names, times and sizes of a directory's files, in order; what cannot be
/// read has none, and the reading says why.
fn stamp_of(directory: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let about = fs::metadata(&file).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            (file, changed, about.map_or(0, |about| about.len()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
