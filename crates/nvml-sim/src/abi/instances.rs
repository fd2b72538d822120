//! GPU instances and compute instances: how the GPU is cut.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlComputeInstance_t, nvmlDevice_t, nvmlGpuInstance_t, nvmlReturn_t};

use super::pointers::{borrow, fill, list, put, version};
use super::{handle, on_device};
use crate::cut::{compute_profile, compute_slices, places};
use crate::gpu::Gpu;
use crate::profile::MigProfile;
use crate::refusal::{Answer, Refusal};
use crate::world::Target;

pub(super) fn instance(gpu: &Gpu<'_>, id: u32) -> nvmlGpuInstance_t {
    handle(&Target::GpuInstance(gpu.card.uuid.clone(), id)).cast()
}

pub(super) fn compute_instance(gpu: &Gpu<'_>, part: u32, id: u32) -> nvmlComputeInstance_t {
    handle(&Target::ComputeInstance(gpu.card.uuid.clone(), part, id)).cast()
}

fn device(gpu: &Gpu<'_>) -> nvmlDevice_t {
    handle(&Target::Gpu(gpu.card.uuid.clone()))
}

/// Refuses what needs a GPU in MIG mode.
fn in_mig_mode(gpu: &Gpu<'_>) -> Answer<()> {
    gpu.whole()?;
    if gpu.card.cut.enabled { Ok(()) } else { Err(Refusal::NotSupported) }
}

/// Slices of a compute instance by the number of its profile.
pub(super) fn slices_of(profile: &MigProfile, number: c_uint) -> Answer<u32> {
    let slices = compute_slices(number).ok_or(Refusal::NotSupported)?;
    if places(profile, slices).is_empty() { Err(Refusal::NotSupported) } else { Ok(slices) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstances(
    gpu: nvmlDevice_t,
    id: c_uint,
    instances: *mut nvmlGpuInstance_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstances", gpu, |gpu| {
        in_mig_mode(gpu)?;
        let wanted = gpu.mig_profile_id(id)?;
        let parts = gpu.card.cut.parts.iter().filter(|part| part.profile == wanted.name);
        let found: Vec<nvmlGpuInstance_t> = parts.map(|part| instance(gpu, part.id)).collect();
        // SAFETY: NVML's contract: room for all instances of the profile, whose
        // number the call writes and does not read.
        unsafe {
            put(count, c_uint::MAX)?;
            list(count, instances, &found)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceById(
    gpu: nvmlDevice_t,
    id: c_uint,
    found: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstanceById", gpu, |gpu| {
        in_mig_mode(gpu)?;
        let part = gpu.card.cut.parts.iter().find(|part| part.id == id).ok_or(Refusal::NotFound)?;
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(found, instance(gpu, part.id)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetInfo(
    instance: nvmlGpuInstance_t,
    info: *mut sys::nvmlGpuInstanceInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetInfo", instance.cast(), |gpu| {
        let (part, profile) = gpu.own_part()?;
        let placement = sys::nvmlGpuInstancePlacement_t { start: part.start, size: part.size };
        let told = sys::nvmlGpuInstanceInfo_t {
            device: device(gpu),
            id: part.id,
            profileId: profile.id(),
            placement,
        };
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(info, told) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstances(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    instances: *mut nvmlComputeInstance_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstances", instance.cast(), |gpu| {
        let (part, _) = gpu.own_part()?;
        let wanted = part.compute.iter().filter(|compute| compute_profile(compute.slices) == profile);
        let found: Vec<nvmlComputeInstance_t> =
            wanted.map(|compute| compute_instance(gpu, part.id, compute.id)).collect();
        // SAFETY: NVML's contract: room for all compute instances of the
        // profile, whose number the call writes and does not read.
        unsafe {
            put(count, c_uint::MAX)?;
            list(count, instances, &found)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstanceById(
    instance: nvmlGpuInstance_t,
    id: c_uint,
    found: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstanceById", instance.cast(), |gpu| {
        let (part, _) = gpu.own_part()?;
        let known = part.compute.iter().find(|compute| compute.id == id).ok_or(Refusal::NotFound)?;
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(found, compute_instance(gpu, part.id, known.id)) }
    })
}

fn describe(
    call: &str,
    instance: nvmlComputeInstance_t,
    info: *mut sys::nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t {
    on_device(call, instance.cast(), |gpu| {
        let (part, _) = gpu.own_part()?;
        let compute = gpu.own_compute()?;
        let told = sys::nvmlComputeInstanceInfo_t {
            device: device(gpu),
            gpuInstance: self::instance(gpu, part.id),
            id: compute.id,
            profileId: compute_profile(compute.slices),
            placement: sys::nvmlComputeInstancePlacement_t { start: compute.start, size: compute.slices },
        };
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(info, told) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlComputeInstanceGetInfo(
    instance: nvmlComputeInstance_t,
    info: *mut sys::nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t {
    describe("nvmlComputeInstanceGetInfo", instance, info)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlComputeInstanceGetInfo_v2(
    instance: nvmlComputeInstance_t,
    info: *mut sys::nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t {
    describe("nvmlComputeInstanceGetInfo_v2", instance, info)
}

/// What a kind of compute instance has; engines are shared in all kinds.
fn first(
    profile: &MigProfile,
    number: c_uint,
    engines: c_uint,
) -> Answer<sys::nvmlComputeInstanceProfileInfo_t> {
    if engines != sys::NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED {
        return Err(Refusal::InvalidArgument);
    }
    let slices = slices_of(profile, number)?;
    Ok(sys::nvmlComputeInstanceProfileInfo_t {
        id: number,
        sliceCount: slices,
        instanceCount: c_uint::try_from(places(profile, slices).len()).map_err(|_| Refusal::Unknown)?,
        multiprocessorCount: profile.multiprocessors / profile.slices * slices,
        sharedCopyEngineCount: profile.copy_engines,
        sharedDecoderCount: profile.decoders,
        sharedEncoderCount: profile.encoders,
        sharedJpegCount: profile.jpegs,
        sharedOfaCount: profile.ofas,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstanceProfileInfo(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    engines: c_uint,
    info: *mut sys::nvmlComputeInstanceProfileInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstanceProfileInfo", instance.cast(), |gpu| {
        let told = first(gpu.own_part()?.1, profile, engines)?;
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(info, told) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstanceProfileInfoV(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    engines: c_uint,
    info: *mut sys::nvmlComputeInstanceProfileInfo_v2_t,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstanceProfileInfoV", instance.cast(), |gpu| {
        let (_, kind) = gpu.own_part()?;
        let base = first(kind, profile, engines)?;
        // SAFETY: NVML's contract: null, or a structure that begins with its
        // version.
        let given = *unsafe { borrow(info.cast::<c_uint>()) }?;
        let third = version::<sys::nvmlComputeInstanceProfileInfo_v3_t>(given, 3).is_ok();
        if !third {
            version::<sys::nvmlComputeInstanceProfileInfo_v2_t>(given, 2)?;
        }
        let whole = base.sliceCount == kind.slices;
        let part = if whole { String::new() } else { format!("{}c.", base.sliceCount) };
        let mut name = [0; 96];
        fill(&mut name, &format!("MIG {part}{}", kind.name));
        let second = sys::nvmlComputeInstanceProfileInfo_v2_t {
            version: given,
            id: base.id,
            sliceCount: base.sliceCount,
            instanceCount: base.instanceCount,
            multiprocessorCount: base.multiprocessorCount,
            sharedCopyEngineCount: base.sharedCopyEngineCount,
            sharedDecoderCount: base.sharedDecoderCount,
            sharedEncoderCount: base.sharedEncoderCount,
            sharedJpegCount: base.sharedJpegCount,
            sharedOfaCount: base.sharedOfaCount,
            name,
        };
        // SAFETY: the version says which structure the caller has; the third
        // begins with the members of the second.
        unsafe {
            put(info, second)?;
            if third {
                let info = info.cast::<sys::nvmlComputeInstanceProfileInfo_v3_t>();
                put(&raw mut (*info).capabilities, 0)?;
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstanceRemainingCapacity", instance.cast(), |gpu| {
        let (part, kind) = gpu.own_part()?;
        let slices = slices_of(kind, profile)?;
        let mut tried = part.clone();
        let mut remaining = 0;
        while tried.create(kind, slices, None).is_ok() {
            remaining += 1;
        }
        // SAFETY: NVML's contract: null or a number's place.
        unsafe { put(count, remaining) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstancePossiblePlacements(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    items: *mut sys::nvmlComputeInstancePlacement_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstancePossiblePlacements", instance.cast(), |gpu| {
        let (_, kind) = gpu.own_part()?;
        let size = slices_of(kind, profile)?;
        let place = |start: u32| sys::nvmlComputeInstancePlacement_t { start, size };
        let all: Vec<_> = places(kind, size).into_iter().map(place).collect();
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
