//! GPM: samples and what lies between two of them.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::collections::BTreeMap;
use std::ffi::c_uint;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlGpmSample_t, nvmlReturn_t};

use super::arrays::profiled;
use super::pointers::{borrow, put};
use super::{on_device, on_system};
use crate::gpu::Sample;
use crate::refusal::{Answer, Refusal};
use crate::world::Target;

#[derive(Default)]
struct Samples {
    last: usize,
    samples: BTreeMap<usize, Option<Sample>>,
}

static SAMPLES: LazyLock<Mutex<Samples>> = LazyLock::new(Mutex::default);

fn samples() -> MutexGuard<'static, Samples> {
    SAMPLES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(sample: *mut nvmlGpmSample_t) -> nvmlReturn_t {
    on_system("nvmlGpmSampleAlloc", |_| {
        let mut samples = samples();
        samples.last += 16;
        let number = samples.last;
        samples.samples.insert(number, None);
        // SAFETY: NVML's contract: null or a sample's place.
        unsafe { put(sample, std::ptr::without_provenance_mut(number)) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleFree(sample: nvmlGpmSample_t) -> nvmlReturn_t {
    on_system("nvmlGpmSampleFree", |_| {
        samples().samples.remove(&(sample as usize)).map(|_| ()).ok_or(Refusal::InvalidArgument)
    })
}

fn take(call: &str, device: nvmlDevice_t, sample: nvmlGpmSample_t) -> nvmlReturn_t {
    on_device(call, device, |gpu| {
        if !profiled(gpu) {
            return Err(Refusal::NotSupported);
        }
        let mut samples = samples();
        let place = samples.samples.get_mut(&(sample as usize)).ok_or(Refusal::InvalidArgument)?;
        *place = Some(gpu.sample());
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleGet(device: nvmlDevice_t, sample: nvmlGpmSample_t) -> nvmlReturn_t {
    take("nvmlGpmSampleGet", device, sample)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmMigSampleGet(
    device: nvmlDevice_t,
    _instance: c_uint,
    sample: nvmlGpmSample_t,
) -> nvmlReturn_t {
    take("nvmlGpmMigSampleGet", device, sample)
}

fn taken(sample: nvmlGpmSample_t) -> Answer<Sample> {
    samples().samples.get(&(sample as usize)).cloned().flatten().ok_or(Refusal::InvalidArgument)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(metrics: *mut sys::nvmlGpmMetricsGet_t) -> nvmlReturn_t {
    on_system("nvmlGpmMetricsGet", |snapshot| {
        // The array's declared length differs between headers (210 in 12.x, 333
        // in 13.3), so only its start is taken from the type and `numMetrics`
        // says how far it is used.
        if metrics.is_null() {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: NVML's contract: a structure that begins with these fields.
        let (version, count, first, second) = unsafe {
            let from = &*metrics.cast::<Head>();
            (from.version, from.count, from.first, from.second)
        };
        if version != sys::NVML_GPM_METRICS_GET_VERSION {
            return Err(Refusal::ArgumentVersionMismatch);
        }
        let (first, second) = (taken(first)?, taken(second)?);
        if first.uuid != second.uuid {
            return Err(Refusal::InvalidArgument);
        }
        let gpu = snapshot.gpu(&Target::Gpu(first.uuid.clone()))?;
        snapshot.refused("nvmlGpmMetricsGet", Some(gpu.index))?;
        // SAFETY: the array follows the head; only its address is taken.
        let items = unsafe { (&raw mut (*metrics).metrics).cast::<sys::nvmlGpmMetric_t>() };
        for place in 0..count as usize {
            // SAFETY: NVML's contract: the caller filled in so many.
            let item = unsafe { borrow(items.wrapping_add(place)) }?;
            match gpu.metric(item.metricId, &first, &second) {
                Ok(value) => (item.value, item.nvmlReturn) = (value, 0),
                Err(refusal) => item.nvmlReturn = refusal.code(),
            }
            item.metricInfo = sys::nvmlGpmMetric_t__bindgen_ty_1 {
                shortName: std::ptr::null_mut(),
                longName: std::ptr::null_mut(),
                unit: std::ptr::null_mut(),
            };
        }
        Ok(())
    })
}

/// How `nvmlGpmMetricsGet_t` begins.
#[repr(C)]
struct Head {
    version: c_uint,
    count: c_uint,
    first: nvmlGpmSample_t,
    second: nvmlGpmSample_t,
}
