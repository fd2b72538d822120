//! Getters of one or a few plain values, and of texts.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use std::ffi::{c_int, c_uint, c_ulonglong};

use super::{number_getters, text_getters};
use crate::fault::Location;
use crate::gpu::Gpu;
use crate::gpu::clocks::Engine;
use crate::refusal::{Answer, Refusal};

/// Microseconds over which the video engines' utilization is measured.
const SAMPLING: c_uint = 167_000;

/// The clock event reasons there can be.
const REASONS: c_ulonglong = 0x1FF;

fn supported<T>(there: bool, value: T) -> Answer<T> {
    if there { Ok(value) } else { Err(Refusal::NotSupported) }
}

/// Fans are none of a server's card; a scenario may give it some.
fn fan(gpu: &Gpu<'_>, fan: c_uint) -> Answer<c_uint> {
    match gpu.card.fans {
        0 => Err(Refusal::NotSupported),
        fans if fan >= fans => Err(Refusal::InvalidArgument),
        _ => Ok(30 + gpu.temperature().saturating_sub(30).min(70)),
    }
}

fn corrected(error: c_uint) -> Answer<bool> {
    match error {
        0 => Ok(true),
        1 => Ok(false),
        _ => Err(Refusal::InvalidArgument),
    }
}

fn location(number: c_uint) -> Answer<Location> {
    match number {
        0 => Ok(Location::L1Cache),
        1 => Ok(Location::L2Cache),
        2 => Ok(Location::DeviceMemory),
        3 => Ok(Location::RegisterFile),
        4 => Ok(Location::TextureMemory),
        6 => Ok(Location::Cbu),
        7 => Ok(Location::Sram),
        5 => Err(Refusal::NotSupported),
        _ => Err(Refusal::InvalidArgument),
    }
}

text_getters! {
    nvmlDeviceGetName() |gpu| Ok(gpu.name());
    nvmlDeviceGetUUID() |gpu| Ok(gpu.uuid());
    nvmlDeviceGetSerial() |gpu| gpu.whole().map(|()| gpu.card.serial.clone());
    nvmlDeviceGetBoardPartNumber() |gpu| gpu.whole().map(|()| gpu.card.profile.board_part_number.clone());
    nvmlDeviceGetVbiosVersion() |gpu| Ok(gpu.card.profile.vbios.clone());
    nvmlDeviceGetInforomImageVersion() |gpu| gpu.whole().map(|()| gpu.card.profile.inforom_image.clone());
    nvmlDeviceGetInforomVersion(object: c_uint) |gpu| match object {
        0 => Ok("2.1".to_owned()),
        1 => supported(gpu.card.ecc, "7.16".to_owned()),
        2 | 3 => Err(Refusal::NotSupported),
        _ => Err(Refusal::InvalidArgument),
    };
}

number_getters! {
    nvmlDeviceGetBrand(; brand: c_uint) |gpu| {
        // NVML_BRAND_NVIDIA: data centre boards lost the brand Tesla.
        gpu.whole().map(|()| 14)
    };
    nvmlDeviceGetIndex(; index: c_uint) |gpu| gpu.whole().map(|()| gpu.position());
    nvmlDeviceGetMinorNumber(; minor: c_uint) |gpu| gpu.whole().map(|()| gpu.minor());
    nvmlDeviceGetModuleId(; id: c_uint) |gpu| {
        // 0 on cards (`nvidia-smi -q` of a T4, NVIDIA/nvidia-container-toolkit#188).
        gpu.whole().map(|()| if gpu.module() { gpu.minor() + 1 } else { 0 })
    };
    nvmlDeviceGetBoardId(; id: c_uint) |gpu| Ok(gpu.card.bus << 8);
    nvmlDeviceGetMultiGpuBoard(; multiple: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetArchitecture(; architecture: c_uint) |gpu| Ok(gpu.card.profile.architecture as c_uint);
    nvmlDeviceGetCudaComputeCapability(; major: c_int, minor: c_int) |gpu| {
        Answer::Ok(gpu.card.profile.compute_capability)
    };
    nvmlDeviceGetNumGpuCores(; cores: c_uint) |gpu| Ok(gpu.card.profile.cores);
    nvmlDeviceGetMemoryBusWidth(; bits: c_uint) |gpu| Ok(gpu.card.profile.bus_width);
    nvmlDeviceGetIrqNum(; number: c_uint) |gpu| gpu.whole().map(|()| 140 + gpu.minor());
    nvmlDeviceGetBusType(; bus: c_uint) |gpu| gpu.whole().map(|()| 2);
    nvmlDeviceGetPowerSource(; source: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetInforomConfigurationChecksum(; checksum: c_uint) |gpu| {
        u32::try_from(gpu.number(11) >> 32).map_err(|_| Refusal::Unknown)
    };
    nvmlDeviceGetDisplayMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetDisplayActive(; active: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetPersistenceMode(; mode: c_uint) |gpu| gpu.whole().map(|()| u32::from(gpu.card.persistence));
    nvmlDeviceGetComputeMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetAccountingMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetAccountingBufferSize(; size: c_uint) |gpu| gpu.whole().map(|()| 4000);
    nvmlDeviceGetGpuOperationMode(; current: c_uint, pending: c_uint) |gpu| {
        Err::<(c_uint, c_uint), _>(gpu.whole().err().unwrap_or(Refusal::NotSupported))
    };
    nvmlDeviceGetGspFirmwareMode(; enabled: c_uint, default: c_uint) |gpu| gpu.whole().map(|()| (1, 1));
    nvmlDeviceGetVirtualizationMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetAPIRestriction(kind: c_uint; restricted: c_uint) |gpu| match kind {
        0 => gpu.whole().map(|()| 1),
        1 => Err(Refusal::NotSupported),
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetHostVgpuMode(; mode: c_uint) |_gpu| Err::<c_uint, _>(Refusal::NotSupported);

    nvmlDeviceGetTemperature(sensor: c_uint; degrees: c_uint) |gpu| match sensor {
        0 => gpu.whole().map(|()| gpu.temperature()),
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetTemperatureThreshold(kind: c_uint; degrees: c_uint) |gpu| gpu.whole().and_then(|()| gpu.threshold(kind));
    nvmlDeviceGetPowerUsage(; milliwatts: c_uint) |gpu| gpu.power();
    nvmlDeviceGetPowerManagementMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 1);
    nvmlDeviceGetPowerManagementLimit(; milliwatts: c_uint) |gpu| gpu.whole().map(|()| gpu.power_limit());
    nvmlDeviceGetEnforcedPowerLimit(; milliwatts: c_uint) |gpu| gpu.whole().map(|()| gpu.power_limit());
    nvmlDeviceGetPowerManagementDefaultLimit(; milliwatts: c_uint) |gpu| gpu.whole().map(|()| gpu.power_limits().0);
    nvmlDeviceGetPowerManagementLimitConstraints(; lowest: c_uint, highest: c_uint) |gpu| {
        gpu.whole().map(|()| (gpu.power_limits().1, gpu.power_limits().2))
    };
    nvmlDeviceGetTotalEnergyConsumption(; millijoules: c_ulonglong) |gpu| gpu.energy();

    nvmlDeviceGetPerformanceState(; state: c_uint) |gpu| Ok(gpu.performance_state());
    nvmlDeviceGetPowerState(; state: c_uint) |gpu| Ok(gpu.performance_state());
    nvmlDeviceGetClockInfo(domain: c_uint; megahertz: c_uint) |gpu| gpu.whole().and_then(|()| gpu.clock(domain));
    nvmlDeviceGetMaxClockInfo(domain: c_uint; megahertz: c_uint) |gpu| gpu.whole().and_then(|()| gpu.max_clock(domain));
    nvmlDeviceGetApplicationsClock(domain: c_uint; megahertz: c_uint) |gpu| gpu.whole().and_then(|()| gpu.max_clock(domain));
    nvmlDeviceGetDefaultApplicationsClock(domain: c_uint; megahertz: c_uint) |gpu| {
        gpu.whole().and_then(|()| gpu.max_clock(domain))
    };
    nvmlDeviceGetMaxCustomerBoostClock(domain: c_uint; megahertz: c_uint) |gpu| {
        gpu.whole().and_then(|()| gpu.max_clock(domain))
    };
    nvmlDeviceGetClock(domain: c_uint, id: c_uint; megahertz: c_uint) |gpu| {
        gpu.whole().and_then(|()| gpu.clock_of(domain, id))
    };
    nvmlDeviceGetMinMaxClockOfPState(domain: c_uint, state: c_uint; lowest: c_uint, highest: c_uint) |gpu| {
        gpu.whole().and_then(|()| gpu.clock_range(domain, state))
    };
    nvmlDeviceGetGpcClkVfOffset(; offset: c_int) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetMemClkVfOffset(; offset: c_int) |gpu| gpu.whole().map(|()| 0);
    nvmlDeviceGetGpcClkMinMaxVfOffset(; lowest: c_int, highest: c_int) |gpu| gpu.whole().map(|()| (0, 0));
    nvmlDeviceGetMemClkMinMaxVfOffset(; lowest: c_int, highest: c_int) |gpu| gpu.whole().map(|()| (0, 0));
    nvmlDeviceGetCurrentClocksEventReasons(; reasons: c_ulonglong) |gpu| Ok(gpu.clock_reasons());
    nvmlDeviceGetCurrentClocksThrottleReasons(; reasons: c_ulonglong) |gpu| Ok(gpu.clock_reasons());
    nvmlDeviceGetSupportedClocksEventReasons(; reasons: c_ulonglong) |gpu| gpu.whole().map(|()| REASONS);
    nvmlDeviceGetSupportedClocksThrottleReasons(; reasons: c_ulonglong) |gpu| gpu.whole().map(|()| REASONS);
    nvmlDeviceGetAdaptiveClockInfoStatus(; status: c_uint) |gpu| gpu.whole().map(|()| 1);
    nvmlDeviceGetAutoBoostedClocksEnabled(; enabled: c_uint, default: c_uint) |_gpu| {
        // Kepler's; boosting cannot be turned off on what came later.
        Err::<(c_uint, c_uint), _>(Refusal::NotSupported)
    };

    nvmlDeviceGetEncoderUtilization(; percent: c_uint, microseconds: c_uint) |gpu| {
        gpu.engine(Engine::Encoder).map(|percent| (percent, SAMPLING))
    };
    nvmlDeviceGetDecoderUtilization(; percent: c_uint, microseconds: c_uint) |gpu| {
        gpu.engine(Engine::Decoder).map(|percent| (percent, SAMPLING))
    };
    nvmlDeviceGetJpgUtilization(; percent: c_uint, microseconds: c_uint) |gpu| {
        gpu.engine(Engine::Jpeg).map(|percent| (percent, SAMPLING))
    };
    nvmlDeviceGetOfaUtilization(; percent: c_uint, microseconds: c_uint) |gpu| {
        gpu.engine(Engine::Ofa).map(|percent| (percent, SAMPLING))
    };
    nvmlDeviceGetEncoderCapacity(kind: c_uint; percent: c_uint) |gpu| match kind {
        0 | 1 => supported(gpu.card.profile.engines.encoders > 0, 100),
        // AV1 encoders came with Ada.
        2 => supported(gpu.card.profile.engines.encoders > 1, 100),
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetEncoderStats(; sessions: c_uint, frames: c_uint, latency: c_uint) |gpu| {
        gpu.whole().map(|()| (0, 0, 0))
    };

    nvmlDeviceGetFanSpeed(; percent: c_uint) |gpu| fan(gpu, 0);
    nvmlDeviceGetFanSpeed_v2(number: c_uint; percent: c_uint) |gpu| fan(gpu, number);
    nvmlDeviceGetTargetFanSpeed(number: c_uint; percent: c_uint) |gpu| fan(gpu, number);
    nvmlDeviceGetMinMaxFanSpeed(; lowest: c_uint, highest: c_uint) |gpu| fan(gpu, 0).map(|_| (30, 100));
    nvmlDeviceGetFanControlPolicy_v2(number: c_uint; policy: c_uint) |gpu| fan(gpu, number).map(|_| 0);
    nvmlDeviceGetNumFans(; fans: c_uint) |gpu| supported(gpu.card.fans > 0, gpu.card.fans);

    nvmlDeviceGetMaxPcieLinkGeneration(; generation: c_uint) |gpu| gpu.whole().map(|()| gpu.card.profile.pcie.generation);
    nvmlDeviceGetGpuMaxPcieLinkGeneration(; generation: c_uint) |gpu| {
        gpu.whole().map(|()| gpu.card.profile.pcie.generation)
    };
    nvmlDeviceGetMaxPcieLinkWidth(; width: c_uint) |gpu| gpu.whole().map(|()| gpu.card.profile.pcie.width);
    nvmlDeviceGetCurrPcieLinkGeneration(; generation: c_uint) |gpu| gpu.whole().map(|()| gpu.pcie().0);
    nvmlDeviceGetCurrPcieLinkWidth(; width: c_uint) |gpu| gpu.whole().map(|()| gpu.pcie().1);
    nvmlDeviceGetPcieLinkMaxSpeed(; speed: c_uint) |gpu| {
        // NVML_PCIE_LINK_MAX_SPEED_*: 1 for 2500 MBPS, one more a generation.
        gpu.whole().map(|()| gpu.card.profile.pcie.generation)
    };
    nvmlDeviceGetPcieSpeed(; megabits: c_uint) |gpu| gpu.whole().map(|()| Gpu::lane_speed(gpu.pcie().0));
    nvmlDeviceGetPcieThroughput(counter: c_uint; kilobytes: c_uint) |gpu| gpu.pcie_kilobytes(counter);
    nvmlDeviceGetPcieReplayCounter(; replays: c_uint) |gpu| {
        gpu.whole().map(|()| u32::try_from(gpu.pcie_replays()).unwrap_or(u32::MAX))
    };

    nvmlDeviceGetEccMode(; current: c_uint, pending: c_uint) |gpu| {
        gpu.whole().map(|()| (u32::from(gpu.card.ecc), u32::from(gpu.card.ecc)))
    };
    nvmlDeviceGetDefaultEccMode(; mode: c_uint) |gpu| gpu.whole().map(|()| 1);
    nvmlDeviceGetTotalEccErrors(error: c_uint, _counter: c_uint; errors: c_ulonglong) |gpu| {
        gpu.whole().and_then(|()| gpu.ecc(corrected(error)?, None))
    };
    nvmlDeviceGetMemoryErrorCounter(error: c_uint, _counter: c_uint, place: c_uint; errors: c_ulonglong) |gpu| {
        gpu.ecc(corrected(error)?, Some(location(place)?))
    };
    nvmlDeviceGetRetiredPagesPendingStatus(; pending: c_uint) |gpu| gpu.pages().map(|pages| u32::from(pages.pending));
    nvmlDeviceGetRemappedRows(; correctable: c_uint, uncorrectable: c_uint, pending: c_uint, failed: c_uint) |gpu| {
        gpu.rows().map(|rows| {
            (rows.correctable, rows.uncorrectable, u32::from(rows.pending), u32::from(rows.failed))
        })
    };

    nvmlDeviceGetNvLinkState(link: c_uint; active: c_uint) |gpu| gpu.link_up(link).map(u32::from);
    nvmlDeviceGetNvLinkVersion(link: c_uint; version: c_uint) |gpu| {
        gpu.link(link).map(crate::profile::Nvlink::number)
    };
    nvmlDeviceGetNvLinkCapability(link: c_uint, capability: c_uint; there: c_uint) |gpu| match capability {
        0..=3 | 5 => gpu.link(link).map(|_| 1),
        4 => gpu.link(link).map(|_| 0),
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetNvLinkErrorCounter(link: c_uint, counter: c_uint; errors: c_ulonglong) |gpu| match counter {
        0 | 2..=4 => gpu.link_errors(link),
        1 => gpu.link_errors(link).map(|errors| errors / 10),
        _ => Err(Refusal::InvalidArgument),
    };
    nvmlDeviceGetNvLinkUtilizationCounter(link: c_uint, counter: c_uint; received: c_ulonglong, sent: c_ulonglong) |gpu| {
        match counter {
            0 | 1 => gpu.link_bytes(link).map(|bytes| (bytes, bytes)),
            _ => Err(Refusal::InvalidArgument),
        }
    };
    nvmlDeviceGetNvLinkRemoteDeviceType(link: c_uint; kind: c_uint) |gpu| gpu.switch(link).map(|_| 2);

    nvmlDeviceGetMigMode(; current: c_uint, pending: c_uint) |gpu| {
        let mode = u32::from(gpu.card.mig.is_some());
        gpu.whole().and_then(|()| supported(!gpu.card.profile.mig.is_empty(), (mode, mode)))
    };
    nvmlDeviceIsMigDeviceHandle(; mig: c_uint) |gpu| Ok(u32::from(gpu.slice.is_some()));
    nvmlDeviceGetMaxMigDeviceCount(; count: c_uint) |gpu| {
        // Zero where MIG is not supported or off (nvml.h).
        gpu.whole().map(|()| if gpu.card.mig.is_some() { 7 } else { 0 })
    };
    nvmlDeviceGetGpuInstanceId(; id: c_uint) |gpu| gpu.own_slice().map(|slice| slice.id);
    nvmlDeviceGetComputeInstanceId(; id: c_uint) |gpu| gpu.own_slice().map(|_| 0);
    nvmlDeviceGetGpuInstanceRemainingCapacity(profile: c_uint; count: c_uint) |gpu| {
        gpu.mig_profile_id(profile).map(|profile| gpu.remaining(profile))
    };
    nvmlDeviceGetSupportedEventTypes(; types: c_ulonglong) |gpu| {
        let old = cfg!(feature = "old-driver");
        gpu.whole().map(|()| if old { crate::gpu::events::SUPPORTED_OLD } else { crate::gpu::events::SUPPORTED })
    };
    nvmlGpmQueryIfStreamingEnabled(; enabled: c_uint) |gpu| gpu.whole().map(|()| 0);
}
