//! Listening for what GPUs report by themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nvml_wrapper::EventSet;

use super::Shared;
use crate::events::{self, KINDS};
use crate::nvml::{Code, Session};
use crate::sample::Condition;

/// How long one wait for an event lasts; new devices are registered between.
const WAIT_MILLISECONDS: u32 = 1000;

/// Pause when there is nothing to listen to.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for NVML's events while the library is open.
pub(super) fn run(shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        let session = shared.library().state.as_ref().ok().map(|open| Arc::clone(&open.session));
        if let Some(session) = session {
            listen(shared, &session);
            shared.events.counted().listening = false;
        }
        shared.sleep(PAUSE);
    }
}

/// Listens until the devices are others or the library goes away.
fn listen(shared: &Shared, session: &Arc<Session>) {
    let devices = running(shared);
    let Ok(set) = session.nvml().create_event_set() else { return };
    let registered = devices.iter().filter(|index| register(session, **index, &set)).count();
    if registered == 0 {
        return;
    }
    shared.events.counted().listening = true;
    while !shared.is_stopping() && shared.library().state.is_ok() && running(shared) == devices {
        match session.wait(&set, WAIT_MILLISECONDS) {
            Ok(event) => {
                if let Ok(uuid) = event.device.uuid() {
                    tracing::warn!(uuid, kind = event.kind, data = event.data, "a GPU reports an event");
                    shared.events.add(&uuid, event.kind, event.data, Instant::now());
                }
            }
            Err(Code::TIMEOUT) => {}
            Err(code) => {
                tracing::warn!(%code, "cannot wait for events of GPUs");
                return;
            }
        }
    }
}

/// Devices that answer, by index and UUID.
fn running(shared: &Shared) -> BTreeSet<u32> {
    let slots = shared.slots();
    slots.iter().filter(|slot| slot.front().condition == Condition::Running).map(|slot| slot.index).collect()
}

/// Registers a device for the kinds of events it has.
fn register(session: &Session, index: u32, set: &EventSet<'_>) -> bool {
    let Ok(device) = session.nvml().device_by_index(index) else { return false };
    let wanted = KINDS.iter().fold(0, |mask, (bit, _)| mask | bit);
    // A driver refuses the whole mask for one kind it does not know.
    let supported = session.supported_events(&device);
    session.register(&device, supported.unwrap_or(events::XID) & wanted, set).is_ok()
}

/// Follows the kernel's log; without one there is nothing to follow.
pub(super) fn follow_kernel(shared: &Arc<Shared>) {
    let Some(log) = &shared.options.kernel_log else { return };
    let uptime = uptime();
    let began = Instant::now();
    let ended = events::follow_kernel(log, |xid| {
        let uuid = uuid_at(shared, &xid.address);
        // A record of before the start has its age, for the window.
        let at = xid.written.zip(uptime).map_or_else(
            || Some(Instant::now()),
            |(written, uptime)| match written.checked_sub(uptime) {
                Some(after) => Some(began + after),
                None => began.checked_sub(uptime.saturating_sub(written)),
            },
        );
        tracing::warn!(address = xid.address, xid = xid.xid, "the kernel reports an XID");
        shared.events.counted().kernel_xid(&xid.address, xid.xid, uuid.as_deref(), at);
    });
    if let Err(error) = ended {
        tracing::warn!(log = %log.display(), %error, "cannot follow the kernel's log; XIDs come from NVML alone");
    }
}

/// Time since boot (proc_uptime(5)).
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn uuid_at(shared: &Shared, address: &str) -> Option<String> {
    shared.slots().iter().find_map(|slot| {
        let front = slot.front();
        let identity = &front.identity.as_ref()?.identity;
        (events::short_address(&identity.pci_bus_id) == address).then(|| identity.uuid.clone())
    })
}
