//! Calls about two devices, and about MIG.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::pointers::{borrow, fill, list, put, text, version};
use super::{handle, on_device};
use crate::gpu::Gpu;
use crate::profile::MigProfile;
use crate::refusal::{Answer, Refusal};
use crate::world::{self, Target};

/// `NVML_TOPOLOGY_*`: GPUs of one socket share its host bridge.
fn level(one: &Gpu<'_>, other: &Gpu<'_>) -> c_uint {
    match () {
        () if one.index == other.index => 0,
        // Baseboards pair GPUs below a PCIe switch.
        () if one.module() && one.index / 2 == other.index / 2 => 20,
        () if one.node() == other.node() => 40,
        () => 50,
    }
}

fn on_two(
    call: &str,
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    body: impl FnOnce(&Gpu<'_>, &Gpu<'_>) -> Answer<()>,
) -> nvmlReturn_t {
    on_device(call, one, |one| {
        let target = world::target(other as usize)?;
        let other = one.world.gpu(&target)?;
        one.world.refused(call, Some(other.index))?;
        body(one, &other)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTopologyCommonAncestor(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    path: *mut c_uint,
) -> nvmlReturn_t {
    on_two("nvmlDeviceGetTopologyCommonAncestor", one, other, |one, other| {
        // SAFETY: NVML's contract: null or a level's place.
        unsafe { put(path, level(one, other)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTopologyNearestGpus(
    device: nvmlDevice_t,
    at: c_uint,
    count: *mut c_uint,
    devices: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetTopologyNearestGpus", device, |gpu| {
        let near = gpu.world.gpus().filter(|other| other.index != gpu.index && level(gpu, other) == at);
        let near: Vec<nvmlDevice_t> =
            near.map(|other| handle(&Target::Gpu(other.card.uuid.clone()))).collect();
        // SAFETY: NVML's contract: a count, and null (which asks for the count)
        // or as many handles.
        unsafe {
            if devices.is_null() {
                return put(count, c_uint::try_from(near.len()).map_err(|_| Refusal::Unknown)?);
            }
            list(count, devices, &near)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetP2PStatus(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    capability: c_uint,
    status: *mut c_uint,
) -> nvmlReturn_t {
    on_two("nvmlDeviceGetP2PStatus", one, other, |one, other| {
        let linked = one.nvlink().is_ok() && other.nvlink().is_ok();
        let value = match capability {
            // NVLink and the atomics that it has.
            2 | 3 if linked => 0,
            2 | 3 => 5,
            0 | 1 | 4 => 0,
            _ => return Err(Refusal::InvalidArgument),
        };
        // SAFETY: NVML's contract: null or a status' place.
        unsafe { put(status, value) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceOnSameBoard(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    same: *mut c_int,
) -> nvmlReturn_t {
    on_two("nvmlDeviceOnSameBoard", one, other, |one, other| {
        // SAFETY: NVML's contract: null or an int.
        unsafe { put(same, c_int::from(one.index == other.index)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGspFirmwareVersion(
    device: nvmlDevice_t,
    version: *mut c_char,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGspFirmwareVersion", device, |gpu| {
        gpu.whole()?;
        let value =
            if cfg!(feature = "old-driver") { "535.288.01" } else { &gpu.world.loaded.scenario.driver };
        // SAFETY: NVML's contract: null or NVML_GSP_FIRMWARE_VERSION_BUF_SIZE
        // bytes, which are 64.
        unsafe { text(version, sys::NVML_GSP_FIRMWARE_VERSION_BUF_SIZE, value) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: nvmlDevice_t,
    index: c_uint,
    mig: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMigDeviceHandleByIndex", device, |gpu| {
        gpu.whole()?;
        if gpu.card.profile.mig.is_empty() {
            return Err(Refusal::NotSupported);
        }
        if index as usize >= gpu.slices().len() {
            return Err(Refusal::NotFound);
        }
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(mig, handle(&Target::Mig(gpu.card.uuid.clone(), index as usize))) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    mig: nvmlDevice_t,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", mig, |gpu| {
        if gpu.slice.is_none() {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(device, handle(&Target::Gpu(gpu.card.uuid.clone()))) }
    })
}

fn first(profile: &MigProfile) -> sys::nvmlGpuInstanceProfileInfo_t {
    sys::nvmlGpuInstanceProfileInfo_t {
        id: profile.id(),
        isP2pSupported: 1,
        sliceCount: profile.slices,
        instanceCount: profile.instances,
        multiprocessorCount: profile.multiprocessors,
        copyEngineCount: profile.copy_engines,
        decoderCount: profile.decoders,
        encoderCount: profile.encoders,
        jpegCount: profile.jpegs,
        ofaCount: profile.ofas,
        memorySizeMB: u64::from(profile.memory_mib),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceProfileInfo(
    device: nvmlDevice_t,
    profile: c_uint,
    info: *mut sys::nvmlGpuInstanceProfileInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstanceProfileInfo", device, |gpu| {
        let profile = gpu.mig_profile(profile)?;
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(info, first(profile)) }
    })
}

/// The second version with its name, or the third, which has capabilities.
///
/// # Safety
/// The pointer is null or a structure of the version it begins with.
unsafe fn later(profile: &MigProfile, info: *mut sys::nvmlGpuInstanceProfileInfo_v2_t) -> Answer<()> {
    // SAFETY: the caller's promise; both begin with the version.
    let given = *unsafe { borrow(info.cast::<c_uint>()) }?;
    let base = first(profile);
    let mut name = [0; 96];
    fill(&mut name, &format!("MIG {}", profile.name));
    if version::<sys::nvmlGpuInstanceProfileInfo_v3_t>(given, 3).is_ok() {
        let third = sys::nvmlGpuInstanceProfileInfo_v3_t {
            version: given,
            id: base.id,
            sliceCount: base.sliceCount,
            instanceCount: base.instanceCount,
            multiprocessorCount: base.multiprocessorCount,
            copyEngineCount: base.copyEngineCount,
            decoderCount: base.decoderCount,
            encoderCount: base.encoderCount,
            jpegCount: base.jpegCount,
            ofaCount: base.ofaCount,
            memorySizeMB: base.memorySizeMB,
            name,
            capabilities: 1,
        };
        // SAFETY: the version says that it is the third.
        return unsafe { put(info.cast(), third) };
    }
    version::<sys::nvmlGpuInstanceProfileInfo_v2_t>(given, 2)?;
    let second = sys::nvmlGpuInstanceProfileInfo_v2_t {
        version: given,
        id: base.id,
        isP2pSupported: base.isP2pSupported,
        sliceCount: base.sliceCount,
        instanceCount: base.instanceCount,
        multiprocessorCount: base.multiprocessorCount,
        copyEngineCount: base.copyEngineCount,
        decoderCount: base.decoderCount,
        encoderCount: base.encoderCount,
        jpegCount: base.jpegCount,
        ofaCount: base.ofaCount,
        memorySizeMB: base.memorySizeMB,
        name,
    };
    // SAFETY: the version says that it is the second.
    unsafe { put(info, second) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceProfileInfoV(
    device: nvmlDevice_t,
    profile: c_uint,
    info: *mut sys::nvmlGpuInstanceProfileInfo_v2_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstanceProfileInfoV", device, |gpu| {
        let profile = gpu.mig_profile(profile)?;
        // SAFETY: NVML's contract: null or a versioned structure.
        unsafe { later(profile, info) }
    })
}

#[cfg(not(feature = "old-driver"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceProfileInfoByIdV(
    device: nvmlDevice_t,
    id: c_uint,
    info: *mut sys::nvmlGpuInstanceProfileInfo_v2_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstanceProfileInfoByIdV", device, |gpu| {
        let profile = gpu.mig_profile_id(id)?;
        // SAFETY: NVML's contract: null or a versioned structure.
        unsafe { later(profile, info) }
    })
}

fn placements(
    call: &str,
    device: nvmlDevice_t,
    id: c_uint,
    items: *mut sys::nvmlGpuInstancePlacement_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device(call, device, |gpu| {
        let profile = gpu.mig_profile_id(id)?;
        let place =
            |start: &u32| sys::nvmlGpuInstancePlacement_t { start: *start, size: profile.placement_size };
        let all: Vec<_> = profile.placements.iter().map(place).collect();
        // SAFETY: NVML's contract: a count, and null (which asks for the count)
        // or as many placements.
        unsafe {
            if items.is_null() {
                return put(count, c_uint::try_from(all.len()).map_err(|_| Refusal::Unknown)?);
            }
            list(count, items, &all)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstancePossiblePlacements(
    device: nvmlDevice_t,
    id: c_uint,
    items: *mut sys::nvmlGpuInstancePlacement_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    placements("nvmlDeviceGetGpuInstancePossiblePlacements", device, id, items, count)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstancePossiblePlacements_v2(
    device: nvmlDevice_t,
    id: c_uint,
    items: *mut sys::nvmlGpuInstancePlacement_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    placements("nvmlDeviceGetGpuInstancePossiblePlacements_v2", device, id, items, count)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceValidateInforom(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device("nvmlDeviceValidateInforom", device, |gpu| gpu.whole())
}
