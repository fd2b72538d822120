//! Getters that fill a structure.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::pointers::{borrow, fill, version};
use super::{number_getters, on_device, structure_getters};
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
fn fabric_state(gpu: &Gpu<'_>) -> u8 {
    if gpu.fabric() { 3 } else { 0 }
}

/// One machine is one cluster.
fn cluster(gpu: &Gpu<'_>) -> [u8; 16] {
    let mut bytes = [0; 16];
    if gpu.fabric() {
        let seed = gpu.world.loaded.scenario.seed;
        bytes[..8].copy_from_slice(&crate::card::scramble(seed, 0, 77).to_be_bytes());
        bytes[8..].copy_from_slice(&crate::card::scramble(seed, 0, 78).to_be_bytes());
    }
    bytes
}

/// A structure whose version says which of several it is.
///
/// # Safety
/// The pointer is null or begins with a version.
#[cfg(not(feature = "old-driver"))]
unsafe fn versioned<T>(structure: *mut T) -> Answer<c_uint> {
    // SAFETY: each versioned structure of NVML begins with its version.
    unsafe { borrow(structure.cast::<c_uint>()) }.copied()
}

#[cfg(not(feature = "old-driver"))]
structure_getters! {
    nvmlDeviceGetPciInfoExt(sys::nvmlPciInfoExt_t, 1) |gpu, info| {
        let pci = gpu.pci();
        (info.domain, info.bus, info.device) = (0, pci.bus, 0);
        (info.pciDeviceId, info.pciSubSystemId) = (pci.device_id, pci.subsystem_id);
        // A 3D controller of the PCI class "display".
        (info.baseClass, info.subClass) = (0x03, 0x02);
        fill(&mut info.busId, &pci.text());
        gpu.whole()
    };
    nvmlDeviceGetTemperatureV(sys::nvmlTemperature_t, 1) |gpu, reading| match reading.sensorType {
        0 => {
            reading.temperature = i32::try_from(gpu.temperature()).map_err(|_| Refusal::Unknown)?;
            gpu.whole()
        }
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetMarginTemperature(sys::nvmlMarginTemperature_t, 1) |gpu, reading| {
        reading.marginTemperature = gpu.margin();
        gpu.whole()
    };
    nvmlDeviceGetCoolerInfo(sys::nvmlCoolerInfo_t, 1) |gpu, cooler| {
        if gpu.card.fans == 0 {
            return Err(Refusal::NotSupported);
        }
        // Variable speed, for the GPU.
        (cooler.signalType, cooler.target) = (2, 2);
        if cooler.index < gpu.card.fans { Ok(()) } else { Err(Refusal::InvalidArgument) }
    };
    nvmlDeviceGetFanSpeedRPM(sys::nvmlFanSpeedInfo_t, 1) |gpu, fan| {
        if gpu.card.fans == 0 {
            return Err(Refusal::NotSupported);
        }
        fan.speed = 1200 + 20 * gpu.temperature();
        if fan.fan < gpu.card.fans { Ok(()) } else { Err(Refusal::InvalidArgument) }
    };
    nvmlDeviceGetClockOffsets(sys::nvmlClockOffset_t, 1) |gpu, offset| {
        gpu.clock_range(offset.type_, offset.pstate)?;
        (offset.clockOffsetMHz, offset.minClockOffsetMHz, offset.maxClockOffsetMHz) = (0, 0, 0);
        gpu.whole()
    };
    nvmlDeviceGetPerformanceModes(sys::nvmlDevicePerfModes_t, 1) |gpu, modes| {
        let clocks = &gpu.card.profile.clocks;
        let memory = gpu.max_clock(2)?;
        let text = format!(
            "perf=0, nvclock={idle}, nvclockmin={idle}, nvclockmax={full}, nvclockeditable=0, memclock={memory}, \
             memclockmin={memory}, memclockmax={memory}, memclockeditable=0",
            idle = clocks.idle,
            full = clocks.graphics,
        );
        fill(&mut modes.str_, &text);
        gpu.whole()
    };
    nvmlDeviceGetCurrentClockFreqs(sys::nvmlDeviceCurrentClockFreqs_t, 1) |gpu, clocks| {
        let state = gpu.performance_state();
        let text = format!("perf={state}, nvclock={}, memclock={}", gpu.clock(0)?, gpu.clock(2)?);
        fill(&mut clocks.str_, &text);
        gpu.whole()
    };
    nvmlDeviceGetAddressingMode(sys::nvmlDeviceAddressingMode_t, 1) |gpu, mode| {
        // HMM where the driver has it: Turing and later on Linux.
        mode.value = 1;
        gpu.whole()
    };
    nvmlDeviceGetRepairStatus(sys::nvmlRepairStatus_t, 1) |gpu, status| {
        (status.bChannelRepairPending, status.bTpcRepairPending) = (0, 0);
        if gpu.card.profile.remap_banks.is_some() { gpu.whole() } else { Err(Refusal::NotSupported) }
    };
    nvmlDeviceGetC2cModeInfoV(sys::nvmlC2cModeInfo_v1_t) |gpu, info| {
        info.isC2cEnabled = 0;
        gpu.whole()
    };
    nvmlDeviceGetPdi(sys::nvmlPdi_t, 1) |gpu, pdi| {
        pdi.value = gpu.number(21);
        gpu.whole()
    };
    nvmlDeviceGetCapabilities(sys::nvmlDeviceCapabilities_v1_t, 1) |gpu, capabilities| {
        capabilities.capMask = 0;
        gpu.whole()
    };
    nvmlDeviceGetSramEccErrorStatus(sys::nvmlEccSramErrorStatus_t, 1) |gpu, status| {
        let (wrong, corrected) = (gpu.ecc(false, Some(Location::Sram))?, gpu.ecc(true, Some(Location::Sram))?);
        (status.aggregateUncParity, status.aggregateUncSecDed, status.aggregateCor) = (wrong, 0, corrected);
        (status.volatileUncParity, status.volatileUncSecDed, status.volatileCor) = (wrong, 0, corrected);
        status.aggregateUncBucketL2 = gpu.ecc(false, Some(Location::L2Cache))?;
        status.aggregateUncBucketSm = wrong - status.aggregateUncBucketL2;
        (status.aggregateUncBucketPcie, status.aggregateUncBucketMcu, status.aggregateUncBucketOther) = (0, 0, 0);
        status.bThresholdExceeded = u32::from(wrong > 0);
        if gpu.card.profile.remap_banks.is_some() { gpu.whole() } else { Err(Refusal::NotSupported) }
    };
    nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(sys::nvmlEccSramUniqueUncorrectedErrorCounts_t, 1) |gpu, counts| {
        counts.entryCount = 0;
        if gpu.card.profile.remap_banks.is_some() { gpu.whole() } else { Err(Refusal::NotSupported) }
    };
    nvmlDeviceGetNvlinkSupportedBwModes(sys::nvmlNvlinkSupportedBwModes_t, 1) |gpu, modes| {
        if gpu.nvlink()?.version < 5 {
            return Err(Refusal::NotSupported);
        }
        modes.bwModes.fill(0);
        modes.totalBwModes = 1;
        Ok(())
    };
    nvmlDeviceGetNvlinkBwMode(sys::nvmlNvlinkGetBwMode_t, 1) |gpu, mode| {
        if gpu.nvlink()?.version < 5 {
            return Err(Refusal::NotSupported);
        }
        (mode.bIsBest, mode.bwMode) = (1, 0);
        Ok(())
    };
    nvmlDeviceGetVgpuHeterogeneousMode(sys::nvmlVgpuHeterogeneousMode_t, 1) |_gpu, _mode| Err(Refusal::NotSupported);
}

#[cfg(not(feature = "old-driver"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuFabricInfoV(
    device: nvmlDevice_t,
    structure: *mut sys::nvmlGpuFabricInfoV_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuFabricInfoV", device, |gpu| {
        // SAFETY: NVML's contract: null or a versioned structure, which the
        // version tells apart; the third begins as the second does.
        unsafe {
            let given = versioned(structure)?;
            let info = borrow(structure.cast::<sys::nvmlGpuFabricInfo_v2_t>())?;
            let third = version::<sys::nvmlGpuFabricInfo_v3_t>(given, 3).is_ok();
            if !third {
                version::<sys::nvmlGpuFabricInfo_v2_t>(given, 2)?;
            }
            info.clusterUuid = cluster(gpu);
            (info.status, info.cliqueId, info.state) = (0, 0, fabric_state(gpu));
            // Each two bits of the mask are one condition; 2 says "false".
            info.healthMask = if gpu.fabric() { 0b10_1010_1010 } else { 0 };
            if third {
                // NVML_GPU_FABRIC_HEALTH_SUMMARY_HEALTHY, or not supported.
                borrow(structure)?.healthSummary = u8::from(gpu.fabric());
            }
        }
        gpu.whole()
    })
}

#[cfg(not(feature = "old-driver"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPlatformInfo(
    device: nvmlDevice_t,
    structure: *mut sys::nvmlPlatformInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetPlatformInfo", device, |gpu| {
        // SAFETY: NVML's contract: null or a versioned structure; both versions
        // have the same layout under different names.
        let info = unsafe { borrow(structure) }?;
        if version::<sys::nvmlPlatformInfo_v1_t>(info.version, 1).is_err() {
            version::<sys::nvmlPlatformInfo_v2_t>(info.version, 2)?;
        }
        if !gpu.fabric() {
            return Err(Refusal::NotSupported);
        }
        info.ibGuid[..8].copy_from_slice(&gpu.number(31).to_be_bytes());
        info.ibGuid[8..].fill(0);
        info.chassisSerialNumber.fill(0);
        (info.slotNumber, info.trayIndex, info.hostId) = (1, 0, 1);
        // 1: connected to a switch.
        (info.peerType, info.moduleId) = (1, u8::try_from(gpu.minor() + 1).unwrap_or(u8::MAX));
        gpu.whole()
    })
}

#[cfg(not(feature = "old-driver"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkInfo(
    device: nvmlDevice_t,
    structure: *mut sys::nvmlNvLinkInfo_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetNvLinkInfo", device, |gpu| {
        gpu.nvlink()?;
        // SAFETY: NVML's contract: null or a versioned structure, which the
        // version tells apart; the second begins as the first does.
        unsafe {
            let given = versioned(structure)?;
            let second = version::<sys::nvmlNvLinkInfo_v2_t>(given, 2).is_ok();
            if !second {
                version::<sys::nvmlNvLinkInfo_v1_t>(given, 1)?;
            }
            borrow(structure.cast::<sys::nvmlNvLinkInfo_v1_t>())?.isNvleEnabled = 0;
            if second {
                borrow(structure)?.firmwareInfo.numValidEntries = 0;
            }
        }
        Ok(())
    })
}
