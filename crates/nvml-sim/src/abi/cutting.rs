//! GPU instances and compute instances: cutting the GPU.
//!
//! What is cut here is kept beside the scenario ([`crate::cut`]), so that every
//! process sees it, this one at once.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlComputeInstance_t, nvmlDevice_t, nvmlGpuInstance_t, nvmlReturn_t};

use super::instances::{compute_instance, instance, slices_of};
use super::on_change;
use super::pointers::{borrow, put};
use crate::cut::{Cut, Part};
use crate::fault::Kind;
use crate::gpu::Gpu;
use crate::refusal::{Answer, Refusal};

/// The GPU instance that a call is about, in the cut it changes.
fn part<'a>(gpu: &Gpu<'_>, cut: &'a mut Cut) -> Answer<&'a mut Part> {
    cut.parts.iter_mut().find(|part| Some(part.id) == gpu.part).ok_or(Refusal::InvalidArgument)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceSetMigMode(
    device: nvmlDevice_t,
    mode: c_uint,
    activation: *mut nvmlReturn_t,
) -> nvmlReturn_t {
    on_change("nvmlDeviceSetMigMode", device, |gpu, cut| {
        gpu.whole()?;
        if gpu.card.profile.mig.is_empty() {
            return Err(Refusal::NotSupported);
        }
        let wanted = match mode {
            0 => false,
            1 => true,
            _ => return Err(Refusal::InvalidArgument),
        };
        let held = gpu.faults().any(|fault| matches!(fault, Kind::MigPending {}));
        let busy = held || !gpu.card.processes.is_empty() || (!wanted && !cut.parts.is_empty());
        cut.pending = wanted;
        let refused = cut.enabled != wanted && busy;
        if !refused {
            cut.enabled = wanted;
        }
        // SAFETY: NVML's contract: null or a status' place.
        unsafe { put(activation, if refused { Refusal::InUse.code() } else { 0 }) }
    })
}

fn create(
    call: &str,
    device: nvmlDevice_t,
    profile: c_uint,
    start: impl FnOnce() -> Answer<Option<u32>>,
    made: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t {
    on_change(call, device, |gpu, cut| {
        let id = cut.create(gpu.mig_profile_id(profile)?, start()?)?;
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(made, instance(gpu, id)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceCreateGpuInstance(
    device: nvmlDevice_t,
    profile: c_uint,
    made: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t {
    create("nvmlDeviceCreateGpuInstance", device, profile, || Ok(None), made)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceCreateGpuInstanceWithPlacement(
    device: nvmlDevice_t,
    profile: c_uint,
    placement: *const sys::nvmlGpuInstancePlacement_t,
    made: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null or a placement that nobody changes.
    let start = || Ok(Some(unsafe { borrow(placement.cast_mut()) }?.start));
    create("nvmlDeviceCreateGpuInstanceWithPlacement", device, profile, start, made)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpuInstanceDestroy(instance: nvmlGpuInstance_t) -> nvmlReturn_t {
    on_change("nvmlGpuInstanceDestroy", instance.cast(), |gpu, cut| {
        if !part(gpu, cut)?.compute.is_empty() {
            return Err(Refusal::InUse);
        }
        cut.parts.retain(|part| Some(part.id) != gpu.part);
        Ok(())
    })
}

fn create_compute(
    call: &str,
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    start: impl FnOnce() -> Answer<Option<u32>>,
    made: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t {
    on_change(call, instance.cast(), |gpu, cut| {
        let (_, kind) = gpu.own_part()?;
        let part = part(gpu, cut)?;
        let id = part.create(kind, slices_of(kind, profile)?, start()?)?;
        // SAFETY: NVML's contract: null or a handle's place.
        unsafe { put(made, compute_instance(gpu, part.id, id)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceCreateComputeInstance(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    made: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t {
    create_compute("nvmlGpuInstanceCreateComputeInstance", instance, profile, || Ok(None), made)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceCreateComputeInstanceWithPlacement(
    instance: nvmlGpuInstance_t,
    profile: c_uint,
    placement: *const sys::nvmlComputeInstancePlacement_t,
    made: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null or a placement that nobody changes.
    let start = || Ok(Some(unsafe { borrow(placement.cast_mut()) }?.start));
    create_compute("nvmlGpuInstanceCreateComputeInstanceWithPlacement", instance, profile, start, made)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlComputeInstanceDestroy(instance: nvmlComputeInstance_t) -> nvmlReturn_t {
    on_change("nvmlComputeInstanceDestroy", instance.cast(), |gpu, cut| {
        if gpu.card.processes.iter().any(|process| gpu.has(process)) {
            return Err(Refusal::InUse);
        }
        part(gpu, cut)?.compute.retain(|compute| Some(compute.id) != gpu.compute);
        Ok(())
    })
}
