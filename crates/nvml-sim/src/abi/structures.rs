//! Getters that fill a structure.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;

use super::pointers::fill;
use super::{number_getters, structure_getters};
use crate::fault::Location;
use crate::gpu::Gpu;
use crate::refusal::{Answer, Refusal};
use crate::round::whole;

fn pci(gpu: &Gpu<'_>, to: &mut sys::nvmlPciInfo_t) {
    let pci = gpu.pci();
    describe(pci.bus, pci.device_id, pci.subsystem_id, to);
}

fn describe(bus: u32, device_id: u32, subsystem_id: u32, to: &mut sys::nvmlPciInfo_t) {
    fill(&mut to.busIdLegacy, &format!("0000:{bus:02X}:00.0"));
    fill(&mut to.busId, &format!("00000000:{bus:02X}:00.0"));
    (to.domain, to.bus, to.device) = (0, bus, 0);
    (to.pciDeviceId, to.pciSubSystemId) = (device_id, subsystem_id);
}

/// The NVSwitch of a Hopper baseboard (PCI ID database: 22a3 of 10de).
const SWITCH: u32 = 0x22A3_10DE;

fn remote(gpu: &Gpu<'_>, link: c_uint) -> Answer<sys::nvmlPciInfo_t> {
    let bus = gpu.switch(link)?;
    let empty = sys::nvmlPciInfo_t {
        busIdLegacy: [0; 16],
        domain: 0,
        bus: 0,
        device: 0,
        pciDeviceId: 0,
        pciSubSystemId: 0,
        busId: [0; 32],
    };
    let mut to = empty;
    describe(bus, SWITCH, 0, &mut to);
    Ok(to)
}

number_getters! {
    nvmlDeviceGetNvLinkRemotePciInfo(link: c_uint; info: sys::nvmlPciInfo_t) |gpu| remote(gpu, link);
    nvmlDeviceGetNvLinkRemotePciInfo_v2(link: c_uint; info: sys::nvmlPciInfo_t) |gpu| remote(gpu, link);
    nvmlDeviceGetViolationStatus(policy: c_uint; time: sys::nvmlViolationTime_t) |gpu| {
        let violation = gpu.violation(policy);
        violation.map(|time| sys::nvmlViolationTime_t { referenceTime: whole(gpu.now() * 1e6), violationTime: time })
    };
    nvmlDeviceGetDetailedEccErrors(error: c_uint, _counter: c_uint; counts: sys::nvmlEccErrorCounts_t) |gpu| {
        let at = |place| if error > 1 { Err(Refusal::InvalidArgument) } else { gpu.ecc(error == 0, Some(place)) };
        gpu.whole().and_then(|()| Ok(sys::nvmlEccErrorCounts_t {
            l1Cache: at(Location::L1Cache)?,
            l2Cache: at(Location::L2Cache)?,
            deviceMemory: at(Location::DeviceMemory)?,
            registerFile: at(Location::RegisterFile)?,
        }))
    };
    nvmlDeviceGetThermalSettings(sensor: c_uint; settings: sys::nvmlGpuThermalSettings_t) |gpu| {
        let none = sys::nvmlGpuThermalSettings_t__bindgen_ty_1 {
            controller: 0, defaultMinTemp: 0, defaultMaxTemp: 0, currentTemp: 0, target: 0,
        };
        let mut there = none;
        there.controller = 1;
        there.target = 1;
        there.defaultMaxTemp = i32::try_from(gpu.card.profile.temperature.target).unwrap_or(0);
        there.currentTemp = i32::try_from(gpu.temperature()).unwrap_or(0);
        // 15 is NVML_THERMAL_TARGET_ALL.
        if sensor == 0 || sensor == 15 {
            gpu.whole().map(|()| sys::nvmlGpuThermalSettings_t { count: 1, sensor: [there, none, none] })
        } else {
            Err(Refusal::InvalidArgument)
        }
    };
}

structure_getters! {
    nvmlDeviceGetPciInfo(sys::nvmlPciInfo_t) |gpu, info| gpu.whole().map(|()| pci(gpu, info));
    nvmlDeviceGetPciInfo_v2(sys::nvmlPciInfo_t) |gpu, info| gpu.whole().map(|()| pci(gpu, info));
    nvmlDeviceGetPciInfo_v3(sys::nvmlPciInfo_t) |gpu, info| gpu.whole().map(|()| pci(gpu, info));
    nvmlDeviceGetMemoryInfo(sys::nvmlMemory_t) |gpu, info| {
        // The first version counts what the driver keeps as used.
        let memory = gpu.memory();
        *info = sys::nvmlMemory_t { total: memory.total, free: memory.free(), used: memory.used + memory.reserved };
        Ok(())
    };
    nvmlDeviceGetMemoryInfo_v2(sys::nvmlMemory_v2_t, 2) |gpu, info| {
        let memory = gpu.memory();
        (info.total, info.reserved) = (memory.total, memory.reserved);
        (info.used, info.free) = (memory.used, memory.free());
        Ok(())
    };
    nvmlDeviceGetBAR1MemoryInfo(sys::nvmlBAR1Memory_t) |gpu, info| {
        let (total, used) = gpu.bar1();
        *info = sys::nvmlBAR1Memory_t { bar1Total: total, bar1Free: total - used, bar1Used: used };
        Ok(())
    };
    nvmlDeviceGetConfComputeProtectedMemoryUsage(sys::nvmlMemory_t) |_gpu, info| {
        *info = sys::nvmlMemory_t { total: 0, free: 0, used: 0 };
        Ok(())
    };
    nvmlDeviceGetConfComputeMemSizeInfo(sys::nvmlConfComputeMemSizeInfo_t) |gpu, info| {
        info.protectedMemSizeKib = 0;
        info.unprotectedMemSizeKib = gpu.memory().total / 1024;
        Ok(())
    };
    nvmlDeviceGetUtilizationRates(sys::nvmlUtilization_t) |gpu, info| {
        let (compute, memory) = gpu.utilization()?;
        *info = sys::nvmlUtilization_t { gpu: compute, memory };
        Ok(())
    };
    nvmlDeviceGetFBCStats(sys::nvmlFBCStats_t) |gpu, stats| {
        *stats = sys::nvmlFBCStats_t { sessionsCount: 0, averageFPS: 0, averageLatency: 0 };
        gpu.whole()
    };
    nvmlDeviceGetDynamicPstatesInfo(sys::nvmlGpuDynamicPstatesInfo_t) |gpu, info| {
        let (compute, memory) = gpu.utilization()?;
        info.flags = 1;
        // Graphics engine, frame buffer, video engine, bus; the rest is unused.
        let percents = [compute, memory, compute / 10, compute / 4];
        for (index, entry) in info.utilization.iter_mut().enumerate() {
            let percent = percents.get(index);
            entry.bIsPresent = u32::from(percent.is_some());
            entry.percentage = percent.copied().unwrap_or(0);
            (entry.incThreshold, entry.decThreshold) = (0, 0);
        }
        Ok(())
    };
    nvmlDeviceGetRowRemapperHistogram(sys::nvmlRowRemapperHistogramValues_t) |gpu, banks| {
        let [max, high, partial, low, none] = gpu.banks()?;
        *banks = sys::nvmlRowRemapperHistogramValues_t { max, high, partial, low, none };
        Ok(())
    };
    nvmlDeviceGetClkMonStatus(sys::nvmlClkMonStatus_t) |gpu, status| {
        (status.bGlobalStatus, status.clkMonListSize) = (0, 0);
        if gpu.module() { Ok(()) } else { Err(Refusal::NotSupported) }
    };
    nvmlDeviceGetBridgeChipInfo(sys::nvmlBridgeChipHierarchy_t) |_gpu, _chips| Err(Refusal::NotSupported);
    nvmlDeviceGetAttributes(sys::nvmlDeviceAttributes_t) |gpu, attributes| attributes_of(gpu, attributes);
    nvmlDeviceGetAttributes_v2(sys::nvmlDeviceAttributes_t) |gpu, attributes| attributes_of(gpu, attributes);
    nvmlDeviceGetGpuFabricInfo(sys::nvmlGpuFabricInfo_t) |gpu, info| {
        info.clusterUuid = cluster(gpu);
        (info.status, info.cliqueId, info.state) = (0, 0, fabric_state(gpu));
        gpu.whole()
    };
    nvmlGpmQueryDeviceSupport(sys::nvmlGpmSupport_t) |gpu, support| {
        support.isSupportedDevice = u32::from(super::arrays::profiled(gpu));
        Ok(())
    };
    nvmlDeviceGetGridLicensableFeatures(sys::nvmlGridLicensableFeatures_t) |gpu, features| unlicensed(gpu, features);
    nvmlDeviceGetGridLicensableFeatures_v2(sys::nvmlGridLicensableFeatures_t) |gpu, features| unlicensed(gpu, features);
    nvmlDeviceGetGridLicensableFeatures_v3(sys::nvmlGridLicensableFeatures_t) |gpu, features| unlicensed(gpu, features);
    nvmlDeviceGetGridLicensableFeatures_v4(sys::nvmlGridLicensableFeatures_t) |gpu, features| unlicensed(gpu, features);
}

fn unlicensed(gpu: &Gpu<'_>, features: &mut sys::nvmlGridLicensableFeatures_t) -> Answer<()> {
    (features.isGridLicenseSupported, features.licensableFeaturesCount) = (0, 0);
    gpu.whole()
}

fn attributes_of(gpu: &Gpu<'_>, to: &mut sys::nvmlDeviceAttributes_t) -> Answer<()> {
    let profile = gpu.own_slice()?.profile;
    *to = sys::nvmlDeviceAttributes_t {
        multiprocessorCount: profile.multiprocessors,
        sharedCopyEngineCount: profile.copy_engines,
        sharedDecoderCount: profile.decoders,
        sharedEncoderCount: profile.encoders,
        sharedJpegCount: profile.jpegs,
        sharedOfaCount: profile.ofas,
        gpuInstanceSliceCount: profile.slices,
        computeInstanceSliceCount: profile.slices,
        memorySizeMB: u64::from(profile.memory_mib),
    };
    Ok(())
}

/// `NVML_GPU_FABRIC_STATE_*`: completed, or not supported.
pub(super) fn fabric_state(gpu: &Gpu<'_>) -> u8 {
    if gpu.fabric() { 3 } else { 0 }
}

/// One machine is one cluster.
pub(super) fn cluster(gpu: &Gpu<'_>) -> [u8; 16] {
    let mut bytes = [0; 16];
    if gpu.fabric() {
        let seed = gpu.world.loaded.scenario.seed;
        bytes[..8].copy_from_slice(&crate::card::scramble(seed, 0, 77).to_be_bytes());
        bytes[8..].copy_from_slice(&crate::card::scramble(seed, 0, 78).to_be_bytes());
    }
    bytes
}
