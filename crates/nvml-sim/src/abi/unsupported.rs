//! Functions that are there and answer "not supported".
//!
//! Callers may pass any arguments: the C calling conventions of the platforms
//! this is built for leave them to the caller, so a function that looks at the
//! first alone, or at none, is callable with all.
#![allow(unsafe_code, reason = "functions of a C ABI")]

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::{on_device, on_system};
use crate::refusal::Refusal;

/// Functions whose first argument is a device.
macro_rules! of_devices {
    ($($name:ident)+) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name(device: nvmlDevice_t) -> nvmlReturn_t {
            on_device(stringify!($name), device, |_| Err(Refusal::NotSupported))
        }
    )+};
}

/// Functions about something else.
macro_rules! of_others {
    ($($name:ident)+) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> nvmlReturn_t {
            on_system(stringify!($name), |_| Err(Refusal::NotSupported))
        }
    )+};
}

// Units are S-class systems, none of which is in service.
of_others! {
    nvmlUnitGetDevices
    nvmlUnitGetFanSpeedInfo
    nvmlUnitGetHandleByIndex
    nvmlUnitGetLedState
    nvmlUnitGetPsuInfo
    nvmlUnitGetTemperature
    nvmlUnitGetUnitInfo
    nvmlUnitSetLedState
}

// VGPU hosts: the models are bare metal.
of_devices! {
    nvmlDeviceGetActiveVgpus
    nvmlDeviceGetCreatableVgpus
    nvmlDeviceGetPgpuMetadataString
    nvmlDeviceGetSupportedVgpus
    nvmlDeviceGetVgpuCapabilities
    nvmlDeviceGetVgpuMetadata
    nvmlDeviceGetVgpuProcessUtilization
    nvmlDeviceGetVgpuSchedulerCapabilities
    nvmlDeviceGetVgpuSchedulerLog
    nvmlDeviceGetVgpuSchedulerState
    nvmlDeviceGetVgpuUtilization
    nvmlDeviceSetVgpuSchedulerState
    nvmlVgpuTypeGetMaxInstances
}

// VGPU hosts: the models are bare metal.
#[cfg(not(feature = "old-driver"))]
of_devices! {
    nvmlDeviceGetVgpuInstancesUtilizationInfo
    nvmlDeviceGetVgpuProcessesUtilizationInfo
    nvmlDeviceGetVgpuSchedulerLog_v2
    nvmlDeviceGetVgpuSchedulerState_v2
    nvmlDeviceGetVgpuTypeCreatablePlacements
    nvmlDeviceGetVgpuTypeSupportedPlacements
    nvmlDeviceSetVgpuCapabilities
    nvmlDeviceSetVgpuHeterogeneousMode
    nvmlDeviceSetVgpuSchedulerState_v2
    nvmlDeviceVgpuForceGspUnload
}

// VGPU hosts: the models are bare metal.
of_others! {
    nvmlGetVgpuCompatibility
    nvmlGetVgpuDriverCapabilities
    nvmlGetVgpuVersion
    nvmlSetVgpuVersion
    nvmlVgpuInstanceClearAccountingPids
    nvmlVgpuInstanceGetAccountingMode
    nvmlVgpuInstanceGetAccountingPids
    nvmlVgpuInstanceGetAccountingStats
    nvmlVgpuInstanceGetEccMode
    nvmlVgpuInstanceGetEncoderCapacity
    nvmlVgpuInstanceGetEncoderSessions
    nvmlVgpuInstanceGetEncoderStats
    nvmlVgpuInstanceGetFBCSessions
    nvmlVgpuInstanceGetFBCStats
    nvmlVgpuInstanceGetFbUsage
    nvmlVgpuInstanceGetFrameRateLimit
    nvmlVgpuInstanceGetGpuInstanceId
    nvmlVgpuInstanceGetGpuPciId
    nvmlVgpuInstanceGetLicenseInfo
    nvmlVgpuInstanceGetLicenseInfo_v2
    nvmlVgpuInstanceGetLicenseStatus
    nvmlVgpuInstanceGetMdevUUID
    nvmlVgpuInstanceGetMetadata
    nvmlVgpuInstanceGetType
    nvmlVgpuInstanceGetUUID
    nvmlVgpuInstanceGetVmDriverVersion
    nvmlVgpuInstanceGetVmID
    nvmlVgpuInstanceSetEncoderCapacity
    nvmlVgpuTypeGetCapabilities
    nvmlVgpuTypeGetClass
    nvmlVgpuTypeGetDeviceID
    nvmlVgpuTypeGetFrameRateLimit
    nvmlVgpuTypeGetFramebufferSize
    nvmlVgpuTypeGetGpuInstanceProfileId
    nvmlVgpuTypeGetLicense
    nvmlVgpuTypeGetMaxInstancesPerVm
    nvmlVgpuTypeGetName
    nvmlVgpuTypeGetNumDisplayHeads
    nvmlVgpuTypeGetResolution
}

// VGPU hosts: the models are bare metal.
#[cfg(not(feature = "old-driver"))]
of_others! {
    nvmlGpuInstanceGetActiveVgpus
    nvmlGpuInstanceGetCreatableVgpus
    nvmlGpuInstanceGetVgpuHeterogeneousMode
    nvmlGpuInstanceGetVgpuSchedulerLog
    nvmlGpuInstanceGetVgpuSchedulerLog_v2
    nvmlGpuInstanceGetVgpuSchedulerState
    nvmlGpuInstanceGetVgpuSchedulerState_v2
    nvmlGpuInstanceGetVgpuTypeCreatablePlacements
    nvmlGpuInstanceSetVgpuHeterogeneousMode
    nvmlGpuInstanceSetVgpuSchedulerState
    nvmlGpuInstanceSetVgpuSchedulerState_v2
    nvmlVgpuInstanceGetPlacementId
    nvmlVgpuInstanceGetRuntimeStateSize
    nvmlVgpuTypeGetBAR1Info
    nvmlVgpuTypeGetFbReservation
    nvmlVgpuTypeGetGspHeapSize
    nvmlVgpuTypeGetMaxInstancesPerGpuInstance
}

// Confidential computing is off.
of_devices! {
    nvmlDeviceGetConfComputeGpuAttestationReport
    nvmlDeviceGetConfComputeGpuCertificate
    nvmlDeviceSetConfComputeUnprotectedMemSize
}

// Confidential computing is off.
of_others! {
    nvmlSystemSetConfComputeGpusReadyState
}

// Confidential computing is off.
#[cfg(not(feature = "old-driver"))]
of_others! {
    nvmlSystemGetConfComputeKeyRotationThresholdInfo
    nvmlSystemSetConfComputeKeyRotationThresholdInfo
}

// The scenario file alone cuts GPUs.
of_devices! {
    nvmlDeviceCreateGpuInstance
    nvmlDeviceCreateGpuInstanceWithPlacement
    nvmlDeviceSetMigMode
}

// The scenario file alone cuts GPUs.
of_others! {
    nvmlComputeInstanceDestroy
    nvmlGpuInstanceCreateComputeInstance
    nvmlGpuInstanceCreateComputeInstanceWithPlacement
    nvmlGpuInstanceDestroy
    nvmlGpuInstanceGetComputeInstancePossiblePlacements
    nvmlGpuInstanceGetComputeInstanceProfileInfo
    nvmlGpuInstanceGetComputeInstanceProfileInfoV
    nvmlGpuInstanceGetComputeInstanceRemainingCapacity
}

// Driver models are those of Windows.
of_devices! {
    nvmlDeviceGetDriverModel
    nvmlDeviceSetDriverModel
}

// Driver models are those of Windows.
#[cfg(not(feature = "old-driver"))]
of_devices! {
    nvmlDeviceGetDriverModel_v2
}

// System events are bind and unbind of drivers, which the scenario does not have.
#[cfg(not(feature = "old-driver"))]
of_others! {
    nvmlSystemEventSetCreate
    nvmlSystemEventSetFree
    nvmlSystemEventSetWait
    nvmlSystemRegisterEvents
}

// Raw registers and raw error records have no simulated content.
#[cfg(not(feature = "old-driver"))]
of_devices! {
    nvmlDeviceReadPRMCounters_v1
    nvmlDeviceReadWritePRM_v1
}

// Raw registers and raw error records have no simulated content.
#[cfg(not(feature = "old-driver"))]
of_others! {
    nvmlSystemGetCPER_v1
}

// Freely chosen NVLink counters ended with Volta.
of_devices! {
    nvmlDeviceFreezeNvLinkUtilizationCounter
    nvmlDeviceGetNvLinkUtilizationControl
    nvmlDeviceResetNvLinkUtilizationCounter
    nvmlDeviceSetNvLinkUtilizationControl
}

// The scenario file alone says in what state GPUs are.
of_devices! {
    nvmlDeviceClearAccountingPids
    nvmlDeviceClearCpuAffinity
    nvmlDeviceClearEccErrorCounts
    nvmlDeviceResetApplicationsClocks
    nvmlDeviceResetGpuLockedClocks
    nvmlDeviceResetMemoryLockedClocks
    nvmlDeviceResetNvLinkErrorCounters
    nvmlDeviceSetAPIRestriction
    nvmlDeviceSetAccountingMode
    nvmlDeviceSetApplicationsClocks
    nvmlDeviceSetAutoBoostedClocksEnabled
    nvmlDeviceSetComputeMode
    nvmlDeviceSetCpuAffinity
    nvmlDeviceSetDefaultAutoBoostedClocksEnabled
    nvmlDeviceSetDefaultFanSpeed_v2
    nvmlDeviceSetEccMode
    nvmlDeviceSetFanControlPolicy
    nvmlDeviceSetFanSpeed_v2
    nvmlDeviceSetGpcClkVfOffset
    nvmlDeviceSetGpuLockedClocks
    nvmlDeviceSetGpuOperationMode
    nvmlDeviceSetMemClkVfOffset
    nvmlDeviceSetMemoryLockedClocks
    nvmlDeviceSetNvLinkDeviceLowPowerThreshold
    nvmlDeviceSetPersistenceMode
    nvmlDeviceSetPowerManagementLimit
    nvmlDeviceSetPowerManagementLimit_v2
    nvmlDeviceSetTemperatureThreshold
    nvmlDeviceSetVirtualizationMode
    nvmlGpmSetStreamingEnabled
}

// The scenario file alone says in what state GPUs are.
#[cfg(not(feature = "old-driver"))]
of_devices! {
    nvmlDevicePowerSmoothingActivatePresetProfile
    nvmlDevicePowerSmoothingSetState
    nvmlDevicePowerSmoothingUpdatePresetProfileParam
    nvmlDeviceSetClockOffsets
    nvmlDeviceSetDramEncryptionMode
    nvmlDeviceSetHostname_v1
    nvmlDeviceSetNvlinkBwMode
    nvmlDeviceSetPowerMizerMode_v1
    nvmlDeviceSetRusdSettings_v1
    nvmlDeviceWorkloadPowerProfileClearRequestedProfiles
    nvmlDeviceWorkloadPowerProfileSetRequestedProfiles
    nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1
}

// The scenario file alone says in what state GPUs are.
of_others! {
    nvmlDeviceDiscoverGpus
    nvmlDeviceModifyDrainState
    nvmlDeviceRemoveGpu
    nvmlDeviceRemoveGpu_v2
    nvmlSystemSetNvlinkBwMode
}
