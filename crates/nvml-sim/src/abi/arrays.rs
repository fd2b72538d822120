//! Getters that fill the caller's arrays: processes, clocks, samples, fields.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::{c_int, c_uint, c_ulong, c_ulonglong};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::on_device;
use super::pointers::{borrow, list, put, version};
use crate::gpu::clocks::Engine;
use crate::gpu::{Gpu, Value};
use crate::profile::Architecture;
use crate::refusal::{Answer, Refusal};
use crate::round::whole;
use crate::scenario::ProcessKind;
use crate::world;

/// Functions `name(device, unsigned *count, item *items)` whose body gives a
/// `Vec` of items.
macro_rules! lists {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $type:ty),*; $item:ty) |$gpu:ident| $body:expr;)+) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvmlDevice_t,
            $($argument: $type,)*
            count: *mut c_uint,
            items: *mut $item,
        ) -> nvmlReturn_t {
            on_device(stringify!($name), device, |$gpu| {
                let values: Vec<$item> = $body?;
                // SAFETY: NVML's contract: a count and as many items.
                unsafe { list(count, items, &values) }
            })
        }
    )+};
}

fn processes(gpu: &Gpu<'_>, kind: ProcessKind) -> Vec<sys::nvmlProcessInfo_v2_t> {
    let running = gpu.processes(kind).into_iter();
    let info = running.map(|running| sys::nvmlProcessInfo_v2_t {
        pid: running.process.pid,
        usedGpuMemory: running.memory,
        gpuInstanceId: running.instance,
        computeInstanceId: if running.instance == u32::MAX { u32::MAX } else { 0 },
    });
    info.collect()
}

fn first_processes(gpu: &Gpu<'_>, kind: ProcessKind) -> Vec<sys::nvmlProcessInfo_v1_t> {
    let all = processes(gpu, kind).into_iter();
    all.map(|info| sys::nvmlProcessInfo_v1_t { pid: info.pid, usedGpuMemory: info.usedGpuMemory }).collect()
}

lists! {
    nvmlDeviceGetComputeRunningProcesses(; sys::nvmlProcessInfo_v1_t) |gpu| {
        Answer::Ok(first_processes(gpu, ProcessKind::Compute))
    };
    nvmlDeviceGetComputeRunningProcesses_v2(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Compute))
    };
    nvmlDeviceGetComputeRunningProcesses_v3(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Compute))
    };
    nvmlDeviceGetGraphicsRunningProcesses(; sys::nvmlProcessInfo_v1_t) |gpu| {
        Answer::Ok(first_processes(gpu, ProcessKind::Graphics))
    };
    nvmlDeviceGetGraphicsRunningProcesses_v2(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Graphics))
    };
    nvmlDeviceGetGraphicsRunningProcesses_v3(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Graphics))
    };
    nvmlDeviceGetMPSComputeRunningProcesses(; sys::nvmlProcessInfo_v1_t) |gpu| {
        Answer::Ok(first_processes(gpu, ProcessKind::Mps))
    };
    nvmlDeviceGetMPSComputeRunningProcesses_v2(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Mps))
    };
    nvmlDeviceGetMPSComputeRunningProcesses_v3(; sys::nvmlProcessInfo_v2_t) |gpu| {
        Answer::Ok(processes(gpu, ProcessKind::Mps))
    };
    nvmlDeviceGetSupportedMemoryClocks(; c_uint) |gpu| gpu.whole().map(|()| gpu.memory_clocks().to_vec());
    nvmlDeviceGetSupportedGraphicsClocks(memory: c_uint; c_uint) |gpu| gpu.graphics_clocks(memory);
    nvmlDeviceGetAccountingPids(; c_uint) |gpu| gpu.whole().map(|()| Vec::new());
    nvmlDeviceGetEncoderSessions(; sys::nvmlEncoderSessionInfo_t) |gpu| gpu.whole().map(|()| Vec::new());
    nvmlDeviceGetFBCSessions(; sys::nvmlFBCSessionInfo_t) |gpu| gpu.whole().map(|()| Vec::new());
}

/// Whether the board has GPM metrics: Hopper and later (nvml.h).
pub(super) fn profiled(gpu: &Gpu<'_>) -> bool {
    gpu.card.profile.architecture >= Architecture::Hopper
}

fn microseconds() -> u64 {
    whole(world::calendar() * 1e6)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedPerformanceStates(
    device: nvmlDevice_t,
    states: *mut c_uint,
    size: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetSupportedPerformanceStates", device, |gpu| {
        let there = gpu.performance_states();
        let room = size as usize / size_of::<c_uint>();
        if room < there.len() {
            return Err(Refusal::InsufficientSize);
        }
        // 32 is NVML_PSTATE_UNKNOWN, which fills the rest.
        for place in 0..room {
            // SAFETY: NVML's contract: `states` is null or has `size` bytes.
            unsafe { put(states.wrapping_add(place), there.get(place).copied().unwrap_or(32)) }?;
        }
        gpu.whole()
    })
}

/// The CPUs or nodes near a GPU, as bits of words.
unsafe fn mask(words: *mut c_ulong, size: c_uint, set: impl Fn(u32) -> bool) -> Answer<()> {
    if size == 0 {
        return Err(Refusal::InvalidArgument);
    }
    for word in 0..size {
        let bits = (0..c_ulong::BITS).filter(|bit| set(word * c_ulong::BITS + bit));
        let value = bits.fold(0, |value, bit| value | 1 << bit);
        // SAFETY: the caller's promise: null or `size` words.
        unsafe { put(words.wrapping_add(word as usize), value) }?;
    }
    Ok(())
}

/// CPUs of one socket of the machine this stands for: two sockets of 64.
const SOCKET: u32 = 64;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCpuAffinity(
    device: nvmlDevice_t,
    size: c_uint,
    set: *mut c_ulong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetCpuAffinity", device, |gpu| {
        // SAFETY: NVML's contract: null or `size` words.
        unsafe { mask(set, size, |cpu| cpu / SOCKET == gpu.node()) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCpuAffinityWithinScope(
    device: nvmlDevice_t,
    size: c_uint,
    set: *mut c_ulong,
    _scope: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetCpuAffinityWithinScope", device, |gpu| {
        // SAFETY: NVML's contract: null or `size` words.
        unsafe { mask(set, size, |cpu| cpu / SOCKET == gpu.node()) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryAffinity(
    device: nvmlDevice_t,
    size: c_uint,
    set: *mut c_ulong,
    _scope: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMemoryAffinity", device, |gpu| {
        // SAFETY: NVML's contract: null or `size` words.
        unsafe { mask(set, size, |node| node == gpu.node()) }
    })
}

fn convert(value: Value) -> (sys::nvmlValueType_t, sys::nvmlValue_t) {
    match value {
        Value::Small(number) => (1, sys::nvmlValue_t { ullVal: u64::from(number) }),
        Value::Large(number) => (3, sys::nvmlValue_t { ullVal: number }),
        Value::Signed(number) => (5, sys::nvmlValue_t { siVal: number }),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: *mut sys::nvmlFieldValue_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetFieldValues", device, |gpu| {
        let count = usize::try_from(count).map_err(|_| Refusal::InvalidArgument)?;
        if count == 0 {
            return Err(Refusal::InvalidArgument);
        }
        let end =
            if cfg!(feature = "old-driver") { crate::gpu::fields::END_OLD } else { crate::gpu::fields::END };
        let timestamp = i64::try_from(microseconds()).map_err(|_| Refusal::Unknown)?;
        for place in 0..count {
            // SAFETY: NVML's contract: null or `count` values.
            let value = unsafe { borrow(values.wrapping_add(place)) }?;
            // Zero is the scope of clients that do not set one: the first link,
            // but the board's own where a field is not about links.
            let answer = if value.fieldId < end {
                gpu.field(value.fieldId, value.scopeId)
            } else {
                Err(Refusal::InvalidArgument)
            };
            (value.timestamp, value.latencyUsec) = (timestamp, 0);
            match answer {
                Ok(answer) => {
                    (value.valueType, value.value) = convert(answer);
                    value.nvmlReturn = 0;
                }
                Err(refusal) => value.nvmlReturn = refusal.code(),
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceClearFieldValues(
    device: nvmlDevice_t,
    _count: c_int,
    _values: *mut sys::nvmlFieldValue_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceClearFieldValues", device, |_| Err(Refusal::NoPermission))
}

/// Samples of the last two seconds, six a second, oldest first.
fn samples(gpu: &Gpu<'_>, kind: c_uint, after: u64) -> Answer<Vec<sys::nvmlSample_t>> {
    let now = microseconds();
    let value = match kind {
        0 => gpu.power()?,
        1 => gpu.utilization()?.0,
        2 => gpu.utilization()?.1,
        3 => gpu.engine(Engine::Encoder)?,
        4 => gpu.engine(Engine::Decoder)?,
        5 => gpu.clock(1)?,
        6 => gpu.clock(2)?,
        7 => return Err(Refusal::NotSupported),
        8 => gpu.engine(Engine::Jpeg)?,
        9 => gpu.engine(Engine::Ofa)?,
        _ => return Err(Refusal::InvalidArgument),
    };
    let times = (0..12).rev().map(|back| now - back * 166_667).filter(|time| *time > after);
    let sample = |time| sys::nvmlSample_t {
        timeStamp: time,
        sampleValue: sys::nvmlValue_t { ullVal: u64::from(value) },
    };
    let samples: Vec<_> = times.map(sample).collect();
    if samples.is_empty() { Err(Refusal::NotFound) } else { Ok(samples) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: nvmlDevice_t,
    kind: c_uint,
    after: c_ulonglong,
    value_type: *mut sys::nvmlValueType_t,
    count: *mut c_uint,
    items: *mut sys::nvmlSample_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetSamples", device, |gpu| {
        gpu.whole()?;
        let samples = samples(gpu, kind, after)?;
        // SAFETY: NVML's contract: a type's place, a count, and null (which asks
        // for the count) or as many samples.
        unsafe {
            put(value_type, 1)?;
            if items.is_null() {
                return put(count, c_uint::try_from(samples.len()).map_err(|_| Refusal::Unknown)?);
            }
            list(count, items, &samples)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvmlDevice_t,
    items: *mut sys::nvmlProcessUtilizationSample_t,
    count: *mut c_uint,
    after: c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetProcessUtilization", device, |gpu| {
        gpu.utilization()?;
        let now = microseconds();
        let sample = |(process, compute, memory): (&crate::scenario::Process, u32, u32)| {
            sys::nvmlProcessUtilizationSample_t {
                pid: process.pid,
                timeStamp: now,
                smUtil: compute,
                memUtil: memory,
                encUtil: 0,
                decUtil: 0,
            }
        };
        let samples: Vec<_> = gpu.shares().filter(|_| now > after).map(sample).collect();
        if samples.is_empty() {
            return Err(Refusal::NotFound);
        }
        // SAFETY: NVML's contract: a count, and null or as many samples.
        unsafe { list(count, items, &samples) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    device: nvmlDevice_t,
    cause: c_uint,
    count: *mut c_uint,
    addresses: *mut c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRetiredPages", device, |gpu| {
        let pages = retired(gpu, cause)?;
        // SAFETY: NVML's contract: a count, and null or as many addresses.
        unsafe { list(count, addresses, &pages) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages_v2(
    device: nvmlDevice_t,
    cause: c_uint,
    count: *mut c_uint,
    addresses: *mut c_ulonglong,
    timestamps: *mut c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRetiredPages_v2", device, |gpu| {
        let pages = retired(gpu, cause)?;
        let times = vec![1_760_000_000; pages.len()];
        // SAFETY: NVML's contract: a count, and null or as many of each; the
        // count is the same for both.
        unsafe {
            let mut room = *borrow(count)?;
            list(count, addresses, &pages)?;
            list(&raw mut room, timestamps, &times)
        }
    })
}

fn retired(gpu: &Gpu<'_>, cause: c_uint) -> Answer<Vec<c_ulonglong>> {
    let pages = gpu.pages()?;
    let count = match cause {
        0 => pages.correctable,
        1 => pages.uncorrectable,
        _ => return Err(Refusal::InvalidArgument),
    };
    Ok((0..u64::from(count)).map(|page| 0x1000 * (1 + page + 512 * u64::from(cause))).collect())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats(
    device: nvmlDevice_t,
    _pid: c_uint,
    _stats: *mut sys::nvmlAccountingStats_t,
) -> nvmlReturn_t {
    // Accounting mode is off, so nothing was recorded.
    on_device("nvmlDeviceGetAccountingStats", device, |gpu| {
        gpu.whole()?;
        Err(Refusal::NotFound)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRunningProcessDetailList(
    device: nvmlDevice_t,
    list_of: *mut sys::nvmlProcessDetailList_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRunningProcessDetailList", device, |gpu| {
        // SAFETY: NVML's contract: null or a versioned structure.
        let wanted = unsafe { borrow(list_of) }?;
        version::<sys::nvmlProcessDetailList_t>(wanted.version, 1)?;
        let kind = match wanted.mode {
            0 => ProcessKind::Compute,
            1 => ProcessKind::Graphics,
            2 => ProcessKind::Mps,
            _ => return Err(Refusal::InvalidArgument),
        };
        let details = processes(gpu, kind).into_iter().map(|info| sys::nvmlProcessDetail_v1_t {
            pid: info.pid,
            usedGpuMemory: info.usedGpuMemory,
            gpuInstanceId: info.gpuInstanceId,
            computeInstanceId: info.computeInstanceId,
            usedGpuCcProtectedMemory: 0,
        });
        let details: Vec<_> = details.collect();
        // SAFETY: NVML's contract: an array of so many.
        unsafe { list(&raw mut wanted.numProcArrayEntries, wanted.procArray, &details) }
    })
}
