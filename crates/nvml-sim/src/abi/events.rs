//! Event sets: what the driver tells those who wait.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::collections::BTreeMap;
use std::ffi::{c_uint, c_ulonglong};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlEventSet_t, nvmlReturn_t};

use super::pointers::put;
use super::{PAUSE, handle, on_device, on_system};
use crate::gpu::Event;
use crate::refusal::{Answer, Refusal};
use crate::world::{self, Snapshot, Target};

/// One registration of a set: events of these kinds of this GPU, from then on.
#[derive(Clone, Debug)]
struct Registration {
    target: Target,
    kinds: u64,
    told: f64,
}

#[derive(Default)]
struct Sets {
    last: usize,
    sets: BTreeMap<usize, Vec<Registration>>,
}

static SETS: LazyLock<Mutex<Sets>> = LazyLock::new(Mutex::default);

fn sets() -> MutexGuard<'static, Sets> {
    SETS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(set: *mut nvmlEventSet_t) -> nvmlReturn_t {
    on_system("nvmlEventSetCreate", |_| {
        let mut sets = sets();
        sets.last += 16;
        let number = sets.last;
        sets.sets.insert(number, Vec::new());
        // SAFETY: NVML's contract: null or a set's place.
        unsafe { put(set, std::ptr::without_provenance_mut(number)) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    on_system("nvmlEventSetFree", |_| {
        sets().sets.remove(&(set as usize)).map(|_| ()).ok_or(Refusal::InvalidArgument)
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    kinds: c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceRegisterEvents", device, |gpu| {
        gpu.whole()?;
        let known = if cfg!(feature = "old-driver") {
            crate::gpu::events::SUPPORTED_OLD
        } else {
            crate::gpu::events::SUPPORTED
        };
        if kinds & !known != 0 {
            return Err(Refusal::NotSupported);
        }
        let mut sets = sets();
        let registrations = sets.sets.get_mut(&(set as usize)).ok_or(Refusal::InvalidArgument)?;
        let target = Target::Gpu(gpu.card.uuid.clone());
        let told = gpu.now();
        match registrations.iter_mut().find(|registration| registration.target == target) {
            Some(registration) => registration.kinds |= kinds,
            None => registrations.push(Registration { target, kinds, told }),
        }
        Ok(())
    })
}

/// The next event of a set up to now, in the order of time.
fn next(snapshot: &Snapshot, registrations: &mut [Registration]) -> Option<(Target, Event)> {
    let mut earliest: Option<(usize, Event)> = None;
    for (index, registration) in registrations.iter().enumerate() {
        let Ok(gpu) = snapshot.gpu(&registration.target) else { continue };
        let mut events = gpu.events(registration.told, snapshot.now).into_iter();
        if let Some(event) = events.find(|event| event.bit & registration.kinds != 0)
            && earliest.is_none_or(|(_, best)| event.at < best.at)
        {
            earliest = Some((index, event));
        }
    }
    let (index, event) = earliest?;
    let registration = registrations.get_mut(index)?;
    registration.told = event.at;
    Some((registration.target.clone(), event))
}

fn wait(
    call: &str,
    set: nvmlEventSet_t,
    data: *mut sys::nvmlEventData_t,
    milliseconds: c_uint,
) -> nvmlReturn_t {
    on_system(call, |_| {
        let deadline = world::monotonic() + f64::from(milliseconds) / 1e3;
        loop {
            let snapshot = world::snapshot()?;
            let found = {
                let mut sets = sets();
                let registrations = sets.sets.get_mut(&(set as usize)).ok_or(Refusal::InvalidArgument)?;
                next(&snapshot, registrations)
            };
            if let Some((target, event)) = found {
                return tell(data, &target, &event);
            }
            if world::monotonic() >= deadline {
                return Err(Refusal::Timeout);
            }
            std::thread::sleep(PAUSE);
        }
    })
}

fn tell(data: *mut sys::nvmlEventData_t, target: &Target, event: &Event) -> Answer<()> {
    let told = sys::nvmlEventData_t {
        device: handle(target),
        eventType: event.bit,
        eventData: event.data,
        gpuInstanceId: u32::MAX,
        computeInstanceId: u32::MAX,
    };
    // SAFETY: NVML's contract: null or an event's place.
    unsafe { put(data, told) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait(
    set: nvmlEventSet_t,
    data: *mut sys::nvmlEventData_t,
    milliseconds: c_uint,
) -> nvmlReturn_t {
    wait("nvmlEventSetWait", set, data, milliseconds)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    data: *mut sys::nvmlEventData_t,
    milliseconds: c_uint,
) -> nvmlReturn_t {
    wait("nvmlEventSetWait_v2", set, data, milliseconds)
}
