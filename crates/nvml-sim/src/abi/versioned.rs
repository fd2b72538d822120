//! Getters newer than NVML 12.2 that fill a structure with a version.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use super::pointers::{borrow, fill, version};
use super::structures::{cluster, fabric_state};
use super::{on_device, structure_getters};
use crate::fault::Location;
use crate::refusal::{Answer, Refusal};

/// A structure whose version says which of several it is.
///
/// # Safety
/// The pointer is null or begins with a version.
unsafe fn versioned<T>(structure: *mut T) -> Answer<c_uint> {
    // SAFETY: each versioned structure of NVML begins with its version.
    unsafe { borrow(structure.cast::<c_uint>()) }.copied()
}

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
