//! A [`Fleet`] as the device plugin sees it: who is there, how near to each
//! other, and who must not be given out.
//!
//! Verdicts come from samples; what never changes while a GPU is there
//! (memory, links, memory node) is read by a thread of its own whenever the
//! set of GPUs is another, so nobody who looks waits for the driver.

mod facts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::allocation::labels::Machine;
use crate::allocation::{Fault, Gpu, MigDevice, Model};
use crate::catalogue::CATALOGUE;
use crate::events::{Counted, Source};
use crate::fleet::Fleet;
use crate::sample::{Front, Instance, Sample, State};
use facts::Facts;

/// XIDs that say something of the program that ran, not of the GPU: NVIDIA's
/// device plugin leaves the same ones out (internal/rm/health.go).
const OF_APPLICATIONS: [u64; 6] = [13, 31, 43, 45, 68, 109];

/// The GPUs of a fleet; cheap to clone.
#[derive(Clone, Debug)]
pub struct Devices {
    fleet: Fleet,
    known: Arc<Mutex<BTreeMap<String, Facts>>>,
}

impl Devices {
    /// Begins to follow a fleet.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        let devices = Self { fleet: fleet.clone(), known: Arc::default() };
        facts::follow(&devices);
        devices
    }

    /// Every GPU that told its UUID, with the fault it has, if any.
    ///
    /// # Errors
    /// When the library cannot be asked.
    pub fn gpus(&self) -> Result<Vec<Gpu>, Fault> {
        let now = Instant::now();
        let shared = &self.fleet.shared;
        if let Some(unavailable) = shared.library().unavailable(now, shared.options.deadline) {
            return Err(Fault::new("NvmlUnavailable", format!("{unavailable}; {}", unavailable.hint())));
        }
        let slots = shared.slots().clone();
        let known = self.known().clone();
        let counted = shared.events.counted();
        let gpus = slots.iter().filter_map(|slot| {
            let front = slot.front();
            let identity = front.identity.as_ref()?.identity.clone();
            let state = front.state(now, shared.options.deadline);
            let fault = fault(state, front.sample.as_deref(), &counted, &identity.uuid, now);
            let facts = known.get(&identity.uuid).cloned().unwrap_or_default();
            Some(Gpu {
                index: identity.index,
                minor: identity.minor,
                numa: facts.numa,
                mig: facts.mig_enabled.then(|| mig_devices(&front)),
                mig_capable: facts.mig_capable,
                links: facts.links,
                model: Model { name: identity.name, memory_mib: facts.memory_mib, compute: facts.compute },
                uuid: identity.uuid,
                fault,
            })
        });
        Ok(gpus.collect())
    }

    /// What labels say of the machine.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let library = self.fleet.shared.library();
        let open = library.state.as_ref().ok();
        let cuda = open.and_then(|open| {
            let (major, minor) = open.cuda.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Machine { product: facts::product(), driver: open.map(|open| open.driver.clone()), cuda }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Facts>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mig_devices(front: &Front) -> Vec<MigDevice> {
    let instances = front.sample.iter().flat_map(|sample| &sample.instances);
    (0..).zip(instances).map(|(index, instance)| mig_device(index, instance)).collect()
}

fn mig_device(index: u32, instance: &Instance) -> MigDevice {
    let number = |family: &str, labels: &str| {
        let slot = CATALOGUE.slot(family, labels)?;
        let (_, value) = instance.values.iter().find(|(given, _)| *given == slot)?;
        format!("{value:.0}").parse::<u64>().ok()
    };
    let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok()).unwrap_or_default();
    MigDevice {
        index,
        uuid: instance.uuid.clone(),
        profile: instance.profile.clone(),
        memory_mib: number("odin_gpu_mig_device_profile_memory_bytes", "").unwrap_or_default() >> 20,
        multiprocessors: small(number("odin_gpu_mig_device_multiprocessors", "")),
        gpu_slices: instance.slices,
        compute_slices: small(number("odin_gpu_mig_device_slices", r#"slice="compute_instance""#)),
    }
}

/// Why a GPU must not be given out; the gravest reason first.
fn fault(
    state: State,
    sample: Option<&Sample>,
    counted: &Counted,
    uuid: &str,
    now: Instant,
) -> Option<Fault> {
    let is = |reason, message: &str| Some(Fault::new(reason, message));
    match state {
        State::Lost => return is("GpuLost", "it fell off the bus; reset the GPU or reboot, and look for XID 79"),
        State::Gone => return is("GpuMissing", "NVML no longer lists it"),
        State::Hung => return is("GpuHung", "a call of the driver about it does not return"),
        State::ResetRequired => return is("GpuNeedsReset", "it answers nothing until it is reset"),
        State::NoPermission => return is("GpuNoPermission", "the driver refuses access to it"),
        State::Failing => return is("GpuFailing", "calls of the driver about it fail"),
        State::Starting | State::Running => {}
    }
    let value = |family: &str, labels: &str| -> Option<f64> {
        let value = *sample?.values.get(CATALOGUE.slot(family, labels)?)?;
        value.is_finite().then_some(value)
    };
    let set = |family: &str, labels: &str| value(family, labels).is_some_and(|value| value > 0.0);
    if set("odin_gpu_row_remap_failed", "") {
        return is("GpuRowRemapFailed", "no spare memory row was left: replace the GPU");
    }
    if set("odin_gpu_ecc_errors_total", r#"error="uncorrected",since="boot""#) {
        return is("GpuUncorrectedEcc", "uncorrected memory errors since the driver was loaded: reset the GPU");
    }
    if set("odin_gpu_row_remap_pending", "") {
        return is("GpuRowRemapPending", "memory rows are to be replaced: reset the GPU");
    }
    let xid = counted
        .xids
        .iter()
        .filter(|((of, xid, source), _)| {
            of == uuid && *source == Source::Nvml && !OF_APPLICATIONS.contains(xid)
        })
        .find(|(_, xids)| xids.in_window(now) > 0);
    xid.map(|((_, xid, _), _)| {
        Fault::new(format!("GpuXid{xid}"), format!("XID {xid} was reported in the last five minutes"))
    })
}
