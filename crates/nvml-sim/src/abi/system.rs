//! Calls about the library and the machine.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::{CStr, c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::pointers::{borrow, list, put, string, text};
use super::{guarded, handle, on_system};
use crate::gpu::Gpu;
use crate::refusal::{Answer, Refusal};
use crate::world::{self, Snapshot, Target};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> nvmlReturn_t {
    guarded(|| world::initialize("nvmlInit"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    guarded(|| world::initialize("nvmlInit_v2"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> nvmlReturn_t {
    guarded(|| world::initialize("nvmlInitWithFlags"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    guarded(world::shutdown)
}

/// NVML's own words, as its header has them.
fn words(code: nvmlReturn_t) -> &'static CStr {
    match code {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        5 => c"Already Initialized",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        8 => c"Insufficient External Power",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        11 => c"Interrupt Request Issue",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        14 => c"Corrupted infoROM",
        15 => c"GPU is lost",
        16 => c"GPU requires reset",
        17 => c"GPU access blocked by the operating system",
        18 => c"Driver/library version mismatch",
        19 => c"In use by another client",
        20 => c"Insufficient Memory",
        21 => c"No data",
        22 => c"vGPU ECC is not supported",
        23 => c"Insufficient Resources",
        24 => c"Frequency not supported",
        25 => c"Argument version mismatch",
        26 => c"The requested functionality has been deprecated",
        27 => c"The system is not ready for the request",
        28 => c"No GPUs were found",
        29 => c"Resource not in correct state to perform requested operation",
        30 => c"Reset type is not supported",
        _ => c"Unknown Error",
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(code: nvmlReturn_t) -> *const c_char {
    words(code).as_ptr()
}

/// What follows from the driver's version, `595.91.07`: its branch, `r595_91`,
/// and NVML's own version, `13.595.91.07`.
fn driver(snapshot: &Snapshot) -> &str {
    if cfg!(feature = "old-driver") { "535.288.01" } else { &snapshot.loaded.scenario.driver }
}

fn cuda(snapshot: &Snapshot) -> (c_int, c_int) {
    if cfg!(feature = "old-driver") { (12, 2) } else { snapshot.loaded.scenario.cuda }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetDriverVersion", |snapshot| {
        // SAFETY: NVML's contract: null or `length` bytes.
        unsafe { text(version, length, driver(snapshot)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetNVMLVersion", |snapshot| {
        let value = format!("{}.{}", cuda(snapshot).0, driver(snapshot));
        // SAFETY: NVML's contract: null or `length` bytes.
        unsafe { text(version, length, &value) }
    })
}

fn cuda_version(call: &str, version: *mut c_int) -> nvmlReturn_t {
    on_system(call, |snapshot| {
        let (major, minor) = cuda(snapshot);
        // SAFETY: NVML's contract: null or an int.
        unsafe { put(version, major * 1000 + minor * 10) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) -> nvmlReturn_t {
    cuda_version("nvmlSystemGetCudaDriverVersion", version)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> nvmlReturn_t {
    cuda_version("nvmlSystemGetCudaDriverVersion_v2", version)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetProcessName(
    pid: c_uint,
    name: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetProcessName", |snapshot| {
        let mut processes = snapshot.loaded.cards.iter().flat_map(|card| &card.processes);
        let process = processes.find(|process| process.pid == pid).ok_or(Refusal::NotFound)?;
        // NVML cuts the name where it does not fit.
        let room = (length as usize).saturating_sub(1).min(process.name.len());
        let cut = process.name.get(..room).unwrap_or_default();
        // SAFETY: NVML's contract: null or `length` bytes.
        unsafe { text(name, length, cut) }
    })
}

fn count(call: &str, count: *mut c_uint) -> nvmlReturn_t {
    on_system(call, |snapshot| {
        let there = c_uint::try_from(snapshot.enumerated.len()).map_err(|_| Refusal::Unknown)?;
        // SAFETY: NVML's contract: null or an unsigned int.
        unsafe { put(count, there) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount(devices: *mut c_uint) -> nvmlReturn_t {
    count("nvmlDeviceGetCount", devices)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(devices: *mut c_uint) -> nvmlReturn_t {
    count("nvmlDeviceGetCount_v2", devices)
}

/// Hands out the GPU that a search finds. One that is off the bus has no handle.
fn find(
    call: &str,
    device: *mut nvmlDevice_t,
    found: impl Fn(&Gpu<'_>) -> Answer<bool>,
    missing: Refusal,
) -> nvmlReturn_t {
    on_system(call, |snapshot| {
        for gpu in snapshot.gpus() {
            if !found(&gpu)? {
                continue;
            }
            if gpu.faults().any(|kind| matches!(kind, crate::fault::Kind::OffBus {})) {
                return Err(Refusal::GpuIsLost);
            }
            super::held_up(call, Some(gpu.index))?;
            if !gpu.faults().any(|kind| matches!(kind, crate::fault::Kind::Lost {})) {
                snapshot.refused(call, Some(gpu.index))?;
            }
            // SAFETY: NVML's contract: null or a handle's place.
            return unsafe { put(device, handle(&Target::Gpu(gpu.card.uuid.clone()))) };
        }
        Err(missing)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex(index: c_uint, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    by_index("nvmlDeviceGetHandleByIndex", index, device)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    by_index("nvmlDeviceGetHandleByIndex_v2", index, device)
}

fn by_index(call: &str, index: c_uint, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    // A GPU that the scenario no longer has was there when they were counted.
    let gone = |snapshot: &Snapshot| (index as usize) < snapshot.enumerated.len();
    let missing = match world::snapshot() {
        Ok(snapshot) if gone(&snapshot) => Refusal::GpuIsLost,
        _ => Refusal::InvalidArgument,
    };
    find(call, device, |gpu| Ok(gpu.position() == index), missing)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleBySerial(
    serial: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null or a C string.
    let wanted = unsafe { string(serial) };
    find("nvmlDeviceGetHandleBySerial", device, |gpu| Ok(gpu.card.serial == wanted?), Refusal::NotFound)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null or a C string.
    let wanted = unsafe { string(uuid) };
    if wanted.is_ok_and(|wanted| wanted.starts_with("MIG-")) {
        return on_system("nvmlDeviceGetHandleByUUID", |snapshot| {
            for gpu in snapshot.gpus() {
                for slice in 0..gpu.slices().len() {
                    let target = Target::Mig(gpu.card.uuid.clone(), slice);
                    if snapshot.gpu(&target)?.uuid() == wanted? {
                        // SAFETY: NVML's contract: null or a handle's place.
                        return unsafe { put(device, handle(&target)) };
                    }
                }
            }
            Err(Refusal::NotFound)
        });
    }
    find("nvmlDeviceGetHandleByUUID", device, |gpu| Ok(gpu.card.uuid == wanted?), Refusal::NotFound)
}

fn by_bus(call: &str, bus_id: *const c_char, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null or a C string.
    let wanted = unsafe { string(bus_id) };
    let same = |gpu: &Gpu<'_>| {
        let wanted = wanted?;
        // "domain:bus:device.function", "bus:device.function" and "domain:bus:device".
        let pci = gpu.pci();
        let known =
            [pci.text(), pci.legacy_text(), format!("{:02X}:00.0", pci.bus), format!("{:X}:0.0", pci.bus)];
        Ok(known.iter().any(|text| text.eq_ignore_ascii_case(wanted)))
    };
    find(call, device, same, Refusal::NotFound)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId(
    bus_id: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    by_bus("nvmlDeviceGetHandleByPciBusId", bus_id, device)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    bus_id: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    by_bus("nvmlDeviceGetHandleByPciBusId_v2", bus_id, device)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetTopologyGpuSet(
    cpu: c_uint,
    number: *mut c_uint,
    devices: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetTopologyGpuSet", |snapshot| {
        // The first half of the machine's CPUs belongs to node 0.
        let near = snapshot.gpus().filter(|gpu| u64::from(gpu.node()) == u64::from(cpu) / 64 % 2);
        let near: Vec<nvmlDevice_t> = near.map(|gpu| handle(&Target::Gpu(gpu.card.uuid.clone()))).collect();
        // SAFETY: NVML's contract: a count and as many handles.
        unsafe { list(number, devices, &near) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlUnitGetCount(units: *mut c_uint) -> nvmlReturn_t {
    // Units are S-class systems, of which none is left in service.
    on_system("nvmlUnitGetCount", |_| {
        // SAFETY: NVML's contract: null or an unsigned int.
        unsafe { put(units, 0) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGetExcludedDeviceCount(devices: *mut c_uint) -> nvmlReturn_t {
    on_system("nvmlGetExcludedDeviceCount", |_| {
        // SAFETY: NVML's contract: null or an unsigned int.
        unsafe { put(devices, 0) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGetExcludedDeviceInfoByIndex(_index: c_uint) -> nvmlReturn_t {
    on_system("nvmlGetExcludedDeviceInfoByIndex", |_| Err(Refusal::InvalidArgument))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetHicVersion(cards: *mut c_uint) -> nvmlReturn_t {
    // Host interface cards belong to S-class systems.
    on_system("nvmlSystemGetHicVersion", |_| {
        // SAFETY: NVML's contract: null or an unsigned int.
        unsafe { put(cards, 0) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNvlinkBwMode(mode: *mut c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetNvlinkBwMode", |_| {
        // SAFETY: NVML's contract: null or an unsigned int. 0 is full bandwidth.
        unsafe { put(mode, 0) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeState(
    state: *mut sys::nvmlConfComputeSystemState_t,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetConfComputeState", |_| {
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe {
            put(state, sys::nvmlConfComputeSystemState_t { environment: 0, ccFeature: 0, devToolsMode: 0 })
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeCapabilities(
    capabilities: *mut sys::nvmlConfComputeSystemCaps_t,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetConfComputeCapabilities", |_| {
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(capabilities, sys::nvmlConfComputeSystemCaps_t { cpuCaps: 0, gpusCaps: 0 }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeGpusReadyState(ready: *mut c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetConfComputeGpusReadyState", |_| {
        // SAFETY: NVML's contract: null or an unsigned int.
        unsafe { put(ready, 0) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceQueryDrainState(
    pci: *mut sys::nvmlPciInfo_t,
    state: *mut c_uint,
) -> nvmlReturn_t {
    on_system("nvmlDeviceQueryDrainState", |snapshot| {
        // SAFETY: NVML's contract: null or a structure.
        let bus = unsafe { borrow(pci) }?.bus;
        if !snapshot.gpus().any(|gpu| gpu.pci().bus == bus) {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: NVML's contract: null or a state's place.
        unsafe { put(state, 0) }
    })
}
