//! Following the library and its devices.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nvml_wrapper::Device;

use super::{Open, Shared};
use crate::catalogue::Rhythm;
use crate::identity::Identity;
use crate::instances;
use crate::nvml::{self, Code, Session, Unavailable};
use crate::process::Processes;
use crate::rates::{Meter, Rates};
use crate::reader::Reader;
use crate::sample::{Condition, Labelled, Sample, Slot};
use crate::{events, labels};

/// Time between two looks at the library and the number of its devices.
const LOOK: Duration = Duration::from_secs(1);

/// Opens the library whenever it is not open, and follows its devices.
pub(super) fn run(shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        let session = shared.library().state.as_ref().ok().map(|open| Arc::clone(&open.session));
        match session {
            None => open(shared),
            Some(session) => {
                count(shared, &session);
                let old = Arc::downgrade(&session);
                drop(session);
                if is_outdated(shared) {
                    close(shared, &old);
                }
            }
        }
        shared.sleep(LOOK.min(shared.options.interval));
    }
}

/// Whether the kernel driver has another number of GPUs than NVML counted.
/// While a call hangs the library cannot be closed, so it stays as it is.
fn is_outdated(shared: &Shared) -> bool {
    let Ok(entries) = std::fs::read_dir(&shared.options.driver_gpus) else { return false };
    let there = entries.count();
    let counted = shared.library().state.as_ref().map_or(there, |open| open.devices as usize);
    let now = Instant::now();
    let is_hung =
        |slot: &Arc<Slot>| slot.front().state(now, shared.options.deadline) == crate::sample::State::Hung;
    there != counted && !shared.slots().iter().any(is_hung)
}

/// Lets go of the library, and waits until every thread did: NVML counts anew
/// only after its last user shut it down.
fn close(shared: &Shared, old: &Weak<Session>) {
    tracing::info!("the driver has another number of GPUs; NVML is initialised anew");
    shared.library().state = Err(Unavailable::Opening);
    let until = Instant::now() + shared.options.deadline;
    while old.strong_count() > 0 && Instant::now() < until && !shared.is_stopping() {
        shared.sleep(Duration::from_millis(20));
    }
}

fn open(shared: &Arc<Shared>) {
    // The old session goes when the last thread that uses it ends; opening
    // before would only count up the reference to a library that is no use.
    shared.library().busy_since = Some(Instant::now());
    let opened = nvml::open(&shared.options.library).and_then(|session| describe(Arc::new(session)));
    let mut library = shared.library();
    library.busy_since = None;
    match (&opened, &library.state) {
        (Ok(open), _) => {
            library.opened += 1;
            tracing::info!(driver = open.driver, devices = open.devices, "NVML is open");
        }
        (Err(reason), Err(old)) if reason != old => tracing::warn!(%reason, "NVML is not available"),
        _ => {}
    }
    library.state = opened;
    drop(library);
    follow(shared);
}

fn describe(session: Arc<Session>) -> Result<Open, Unavailable> {
    let nvml = session.nvml();
    let devices = nvml.device_count().map_err(|error| Unavailable::Failed(Code::of(&error)))?;
    let cuda = nvml.sys_cuda_driver_version().unwrap_or_default();
    Ok(Open {
        driver: nvml.sys_driver_version().unwrap_or_default(),
        nvml: nvml.sys_nvml_version().unwrap_or_default(),
        cuda: format!("{}.{}", cuda / 1000, cuda % 1000 / 10),
        devices,
        session,
    })
}

fn count(shared: &Arc<Shared>, session: &Session) {
    shared.library().busy_since = Some(Instant::now());
    let count = session.nvml().device_count();
    let mut library = shared.library();
    library.busy_since = None;
    match (count, &mut library.state) {
        (Ok(count), Ok(open)) => open.devices = count,
        (Err(error), state) if Code::of(&error).ends_library() => {
            let reason = Unavailable::Failed(Code::of(&error));
            tracing::warn!(%reason, "NVML went away");
            *state = Err(reason);
        }
        _ => {}
    }
    drop(library);
    follow(shared);
}

/// Starts a thread for each device that has none, and retires those NVML does
/// not count any more.
fn follow(shared: &Arc<Shared>) {
    let Some(open) = shared.library().state.as_ref().ok().cloned() else { return };
    let mut slots = shared.slots();
    slots.retain(|slot| slot.front().condition != Condition::Gone || slot.index >= open.devices);
    for slot in slots.iter().filter(|slot| slot.index >= open.devices) {
        slot.front().condition = Condition::Gone;
    }
    for index in 0..open.devices {
        if slots.iter().any(|slot| slot.index == index) {
            continue;
        }
        let slot = Arc::new(Slot::new(index));
        slots.push(Arc::clone(&slot));
        let (shared, session) = (Arc::clone(shared), Arc::clone(&open.session));
        let started = std::thread::Builder::new()
            .name(format!("gpu-{index}"))
            .stack_size(512 << 10)
            .spawn(move || watch_device(&shared, session, &slot));
        if let Err(error) = started {
            tracing::error!(index, %error, "cannot start a thread");
        }
    }
    slots.sort_by_key(|slot| slot.index);
}

/// Reads one device until it is gone or the library is another one.
fn watch_device(shared: &Arc<Shared>, session: Arc<Session>, slot: &Arc<Slot>) {
    let mut state = DeviceThread::new(Rhythm::of(shared.options.interval, shared.options.maximum_age));
    let is_current = || {
        let library = shared.library();
        library.state.as_ref().is_ok_and(|open| Arc::ptr_eq(&open.session, &session))
    };
    while !shared.is_stopping() && slot.front().condition != Condition::Gone && is_current() {
        let began = Instant::now();
        slot.front().busy_since = Some(began);
        let round = state.round(shared, &session, slot, began);
        let ends_library = {
            let mut front = slot.front();
            front.busy_since = None;
            match round {
                Ok(()) if front.condition != Condition::Gone => {
                    if front.condition.needed_reset() {
                        front.back_since = Some(Instant::now());
                    }
                    front.condition = Condition::Running;
                }
                Ok(()) => {}
                Err(code) => {
                    front.failures += 1;
                    if front.condition != Condition::Gone {
                        front.condition = Condition::Failing(code);
                    }
                }
            }
            round.is_err_and(Code::ends_library)
        };
        shared.news.fetch_add(1, Ordering::Relaxed);
        if ends_library {
            break;
        }
        shared.sleep(shared.options.interval.saturating_sub(began.elapsed()));
    }
    // A fresh thread takes the device over when the library is open again.
    shared.slots().retain(|other| !Arc::ptr_eq(other, slot) || slot.front().condition == Condition::Gone);
}

/// What the thread of a device keeps between rounds.
struct DeviceThread {
    rhythm: Rhythm,
    reader: Reader,
    processes: Processes,
    uuid: String,
    spare: Option<Arc<Sample>>,
    reasons: Option<u64>,
    meter: Meter,
    rates: Rates,
    links_at: Instant,
}

impl DeviceThread {
    fn new(rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            reader: Reader::new(rhythm),
            processes: Processes::default(),
            uuid: String::new(),
            spare: None,
            reasons: None,
            meter: Meter::default(),
            rates: Rates::default(),
            links_at: Instant::now(),
        }
    }

    fn round(&mut self, shared: &Shared, session: &Session, slot: &Slot, began: Instant) -> nvml::Result<()> {
        let of = |error| Code::of(&error);
        let device = session.nvml().device_by_index(slot.index).map_err(of)?;
        let uuid = device.uuid().map_err(of)?;
        if uuid != self.uuid {
            self.meet(shared, session, slot, &device)?;
            self.uuid = uuid;
        }
        let mut sample =
            self.spare.take().and_then(|spare| Arc::try_unwrap(spare).ok()).unwrap_or_else(Sample::empty);
        sample.answered = self.reader.read(session, &device, &mut sample.values)?;
        sample.processes = self.processes.read(&device, &shared.options.proc);
        instances::read(session, &device, &mut self.reader.buffer, &mut sample.instances);
        sample.at = Instant::now();
        sample.took = sample.at.saturating_duration_since(began);
        if self.reader.has_read_links() {
            self.links_at = began;
            self.rates = self.meter.read(&sample.values, sample.at);
        }
        sample.rates = self.rates;
        sample.links_at = self.links_at;
        let risen = self.clock_events(&sample.values);
        let mut front = slot.front();
        for (count, rose) in front.clock_events.iter_mut().zip(risen) {
            *count += u64::from(rose);
        }
        self.spare = front.sample.replace(Arc::new(sample));
        Ok(())
    }

    /// Another GPU than before, or the first: its identity is read anew.
    fn meet(
        &mut self,
        shared: &Shared,
        session: &Session,
        slot: &Slot,
        device: &Device<'_>,
    ) -> nvml::Result<()> {
        let identity = Identity::of(slot.index, device)?;
        tracing::info!(index = slot.index, uuid = identity.uuid, model = identity.name, "a GPU is there");
        if !identity.pci_bus_id.is_empty() {
            let address = events::short_address(&identity.pci_bus_id);
            shared.events.counted().claim(&address, &identity.uuid);
        }
        let labelled: Labelled = labels::of(identity, session, &shared.options);
        self.reader = Reader::new(self.rhythm);
        self.reasons = None;
        (self.meter, self.rates) = (Meter::default(), Rates::default());
        let mut front = slot.front();
        front.replaced += u64::from(front.identity.is_some());
        front.sample = None;
        front.identity = Some(Arc::new(labelled));
        Ok(())
    }

    /// Which reasons hold the clocks down now and did not a round ago.
    fn clock_events(&mut self, values: &[f64]) -> [bool; events::CLOCK_EVENTS] {
        let mut risen = [false; events::CLOCK_EVENTS];
        let now = labels::clock_event_slots()
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.and_then(|slot| values.get(slot)).is_some_and(|value| *value == 1.0))
            .fold(0_u64, |mask, (bit, _)| mask | 1 << bit);
        if let Some(before) = self.reasons {
            for (bit, rose) in risen.iter_mut().enumerate() {
                *rose = now & !before & 1 << bit != 0;
            }
        }
        self.reasons = Some(now);
        risen
    }
}
