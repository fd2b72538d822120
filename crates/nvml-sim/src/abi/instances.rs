//! GPU instances and compute instances: reading what the scenario cut.
//!
//! A GPU instance has one compute instance that fills it, numbered 0. A handle
//! of either is that of the MIG device it makes.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlComputeInstance_t, nvmlDevice_t, nvmlGpuInstance_t, nvmlReturn_t};

use super::pointers::{list, put};
use super::{handle, on_device};
use crate::gpu::{Gpu, Slice};
use crate::refusal::{Answer, Refusal};
use crate::world::Target;

fn instance(gpu: &Gpu<'_>, index: usize) -> nvmlGpuInstance_t {
    handle(&Target::Mig(gpu.card.uuid.clone(), index)).cast()
}

fn device(gpu: &Gpu<'_>) -> nvmlDevice_t {
    handle(&Target::Gpu(gpu.card.uuid.clone()))
}

fn cut(gpu: &Gpu<'_>) -> Answer<Vec<Slice>> {
    gpu.whole()?;
    if gpu.card.mig.is_some() { Ok(gpu.slices()) } else { Err(Refusal::NotSupported) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstances(
    gpu: nvmlDevice_t,
    id: c_uint,
    instances: *mut nvmlGpuInstance_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstances", gpu, |gpu| {
        let slices = cut(gpu)?;
        let wanted = slices.iter().enumerate().filter(|(_, slice)| slice.profile.id() == id);
        let found: Vec<nvmlGpuInstance_t> = wanted.map(|(index, _)| instance(gpu, index)).collect();
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
        let index = cut(gpu)?.iter().position(|slice| slice.id == id).ok_or(Refusal::NotFound)?;
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(found, instance(gpu, index)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetInfo(
    instance: nvmlGpuInstance_t,
    info: *mut sys::nvmlGpuInstanceInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetInfo", instance.cast(), |gpu| {
        let slice = gpu.own_slice()?;
        let placement =
            sys::nvmlGpuInstancePlacement_t { start: slice.start, size: slice.profile.placement_size };
        let told = sys::nvmlGpuInstanceInfo_t {
            device: device(gpu),
            id: slice.id,
            profileId: slice.profile.id(),
            placement,
        };
        // SAFETY: NVML's contract: null or a structure's place.
        unsafe { put(info, told) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetComputeInstances(
    instance: nvmlGpuInstance_t,
    _profile: c_uint,
    instances: *mut nvmlComputeInstance_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlGpuInstanceGetComputeInstances", instance.cast(), |gpu| {
        gpu.own_slice()?;
        // SAFETY: NVML's contract: room for all compute instances, whose number
        // the call writes and does not read.
        unsafe {
            put(count, c_uint::MAX)?;
            list(count, instances, &[instance.cast()])
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
        gpu.own_slice()?;
        if id != 0 {
            return Err(Refusal::NotFound);
        }
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(found, instance.cast()) }
    })
}

fn describe(
    call: &str,
    instance: nvmlComputeInstance_t,
    info: *mut sys::nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t {
    on_device(call, instance.cast(), |gpu| {
        let slice = gpu.own_slice()?;
        let told = sys::nvmlComputeInstanceInfo_t {
            device: device(gpu),
            gpuInstance: instance.cast(),
            id: 0,
            profileId: slice.profile.slices - 1,
            placement: sys::nvmlComputeInstancePlacement_t { start: 0, size: slice.profile.slices },
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
