//! Functions newer than NVML 12.2 that have a shape of their own, and the
//! structures that nvml-wrapper-sys 0.10.0 lacks (`nvml.h` of 13.3).
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::{c_char, c_uint, c_ulong, c_ulonglong};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::pointers::{borrow, fill, list, put, string, text, version};
use super::{handle, number_getters, on_device, on_system, structure_getters};
use crate::gpu::Gpu;
use crate::profile::Architecture;
use crate::refusal::{Answer, Refusal};
use crate::round::whole;
use crate::world::{self, Target};

/// `nvmlBBXTimeData_v1_t`.
#[repr(C)]
struct LoadedFor {
    seconds: c_uint,
}

/// `nvmlUnrepairableMemoryStatus_v1_t`.
#[repr(C)]
struct Unrepairable {
    there: c_uint,
}

/// `nvmlHostname_v1_t`.
#[repr(C)]
struct Hostname {
    value: [c_char; 64],
}

/// `nvmlRemappedRowsInfo_v2_t`.
#[repr(C)]
struct RemappedRows {
    correctable: c_uint,
    correctable_inactive: c_uint,
    uncorrectable: c_uint,
    uncorrectable_inactive: c_uint,
    pending: c_uint,
    failed: c_uint,
}

fn blackwell(gpu: &Gpu<'_>) -> Answer<()> {
    if gpu.card.profile.architecture >= Architecture::Blackwell {
        gpu.whole()
    } else {
        Err(Refusal::NotSupported)
    }
}

/// Workload power profiles a B200 offers, as bits: maximum of training,
/// inference, memory and compute.
const PROFILES: c_uint = 0b1111;

number_getters! {
    nvmlDeviceGetNumaNodeId(; node: c_uint) |_gpu| {
        // Memory of the GPU as a NUMA node of its own: Grace's.
        Err::<c_uint, _>(Refusal::NotSupported)
    };
    nvmlDeviceGetLastBBXFlushTime(; timestamp: c_ulonglong, duration: c_ulong) |gpu| {
        // In microseconds: some time in 2025, and how long it took.
        let flushed = (1_760_000_000_000_000, 1500);
        if gpu.module() { gpu.whole().map(|()| flushed) } else { Err(Refusal::NotSupported) }
    };
}

structure_getters! {
    nvmlDeviceGetBBXTimeData_v1(LoadedFor) |gpu, data| {
        data.seconds = u32::try_from(whole(gpu.now())).unwrap_or(u32::MAX);
        if gpu.module() { gpu.whole() } else { Err(Refusal::NotSupported) }
    };
    nvmlDeviceGetUnrepairableMemoryFlag_v1(Unrepairable) |gpu, status| {
        // "For Hopper or newer" (nvml.h).
        if gpu.card.profile.architecture < Architecture::Hopper {
            return Err(Refusal::NotSupported);
        }
        status.there = u32::from(gpu.rows()?.failed);
        gpu.whole()
    };
    nvmlDeviceGetHostname_v1(Hostname) |gpu, name| {
        blackwell(gpu)?;
        fill(&mut name.value, "");
        Ok(())
    };
    nvmlDeviceGetRemappedRows_v2(RemappedRows) |gpu, info| {
        let rows = gpu.rows()?;
        *info = RemappedRows {
            correctable: rows.correctable,
            correctable_inactive: 0,
            uncorrectable: rows.uncorrectable,
            uncorrectable_inactive: 0,
            pending: u32::from(rows.pending),
            failed: u32::from(rows.failed),
        };
        gpu.whole()
    };
    nvmlDeviceGetPowerMizerMode_v1(sys::nvmlDevicePowerMizerModes_v1_t) |gpu, modes| {
        blackwell(gpu)?;
        // Adaptive, which is all there is.
        (modes.currentMode, modes.mode, modes.supportedPowerMizerModes) = (0, 0, 1);
        Ok(())
    };
    nvmlDeviceWorkloadPowerProfileGetProfilesInfo(sys::nvmlWorkloadPowerProfileProfilesInfo_v1_t, 1) |gpu, info| {
        blackwell(gpu)?;
        info.perfProfilesMask.mask.fill(0);
        info.perfProfilesMask.mask[0] = PROFILES;
        for (profile, id) in info.perfProfile.iter_mut().zip(0..PROFILES.count_ones()) {
            (profile.profileId, profile.priority) = (id, id);
            profile.conflictingMask.mask.fill(0);
        }
        Ok(())
    };
    nvmlDeviceWorkloadPowerProfileGetCurrentProfiles(sys::nvmlWorkloadPowerProfileCurrentProfiles_v1_t, 1) |gpu, info| {
        blackwell(gpu)?;
        info.perfProfilesMask.mask.fill(0);
        info.perfProfilesMask.mask[0] = PROFILES;
        info.requestedProfilesMask.mask.fill(0);
        info.enforcedProfilesMask.mask.fill(0);
        Ok(())
    };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetDramEncryptionMode(
    device: nvmlDevice_t,
    current: *mut sys::nvmlDramEncryptionInfo_t,
    pending: *mut sys::nvmlDramEncryptionInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetDramEncryptionMode", device, |gpu| {
        blackwell(gpu)?;
        for place in [current, pending] {
            // SAFETY: NVML's contract: null or a versioned structure.
            let info = unsafe { borrow(place) }?;
            version::<sys::nvmlDramEncryptionInfo_t>(info.version, 1)?;
            info.encryptionState = 0;
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUIDV(
    wanted: *const sys::nvmlUUID_t,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_system("nvmlDeviceGetHandleByUUIDV", |snapshot| {
        // SAFETY: NVML's contract: null or a versioned structure.
        let wanted = unsafe { borrow(wanted.cast_mut()) }?;
        version::<sys::nvmlUUID_t>(wanted.version, 1)?;
        // SAFETY: the type says which of the union is set; texts end with zero.
        let (characters, bytes) = unsafe { (wanted.value.str_, wanted.value.bytes) };
        let same = |gpu: &Gpu<'_>| match wanted.type_ {
            // SAFETY: as above; the array outlives the call.
            1 => unsafe { string(characters.as_ptr()) }.map(|text| text == gpu.card.uuid),
            2 => Ok(binary(&gpu.card.uuid) == Some(bytes)),
            _ => Err(Refusal::InvalidArgument),
        };
        for gpu in snapshot.gpus() {
            if same(&gpu)? {
                if gpu.faults().any(|kind| matches!(kind, crate::fault::Kind::OffBus {})) {
                    return Err(Refusal::GpuIsLost);
                }
                // SAFETY: NVML's contract: null or a handle's place.
                return unsafe { put(device, handle(&Target::Gpu(gpu.card.uuid.clone()))) };
            }
        }
        Err(Refusal::NotFound)
    })
}

/// The sixteen bytes of a UUID's text.
fn binary(uuid: &str) -> Option<[u8; 16]> {
    let digits: String =
        uuid.trim_start_matches("GPU-").chars().filter(|character| *character != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    Some(number.to_be_bytes())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessesUtilizationInfo(
    device: nvmlDevice_t,
    info: *mut sys::nvmlProcessesUtilizationInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetProcessesUtilizationInfo", device, |gpu| {
        gpu.utilization()?;
        // SAFETY: NVML's contract: null or a versioned structure.
        let info = unsafe { borrow(info) }?;
        version::<sys::nvmlProcessesUtilizationInfo_t>(info.version, 1)?;
        let now = whole(world::calendar() * 1e6);
        let after = info.lastSeenTimeStamp;
        let shares = gpu.shares().filter(|_| now > after);
        let samples: Vec<_> = shares
            .map(|(process, compute, memory)| sys::nvmlProcessUtilizationInfo_v1_t {
                timeStamp: now,
                pid: process.pid,
                smUtil: compute,
                memUtil: memory,
                encUtil: 0,
                decUtil: 0,
                jpgUtil: 0,
                ofaUtil: 0,
            })
            .collect();
        if samples.is_empty() {
            return Err(Refusal::NotFound);
        }
        // SAFETY: NVML's contract: an array of so many.
        unsafe { list(&raw mut info.processSamplesCount, info.procUtilArray, &samples) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverBranch(
    info: *mut sys::nvmlSystemDriverBranchInfo_t,
    length: c_uint,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetDriverBranch", |snapshot| {
        // SAFETY: NVML's contract: null or a versioned structure.
        let info = unsafe { borrow(info) }?;
        version::<sys::nvmlSystemDriverBranchInfo_t>(info.version, 1)?;
        let driver = &snapshot.loaded.scenario.driver;
        let branch = driver.split('.').take(2).collect::<Vec<_>>().join("_");
        let room = length.min(80);
        // SAFETY: the field has 80 bytes.
        unsafe { text(info.branch.as_mut_ptr(), room, &format!("r{branch}")) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeSettings(
    settings: *mut sys::nvmlSystemConfComputeSettings_t,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetConfComputeSettings", |_| {
        // SAFETY: NVML's contract: null or a versioned structure.
        let settings = unsafe { borrow(settings) }?;
        version::<sys::nvmlSystemConfComputeSettings_t>(settings.version, 1)?;
        (settings.environment, settings.ccFeature, settings.devToolsMode, settings.multiGpuMode) =
            (0, 0, 0, 0);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats_v2(device: nvmlDevice_t) -> nvmlReturn_t {
    // Accounting mode is off, so nothing was recorded.
    on_device("nvmlDeviceGetAccountingStats_v2", device, |gpu| {
        gpu.whole()?;
        Err(Refusal::NotFound)
    })
}
