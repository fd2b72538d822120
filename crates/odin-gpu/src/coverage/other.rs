//! The getters of nvml.h that no row of the table has: those ODIN answers
//! otherwise, and those it leaves out, each with its reason.

/// Getters that become a label, or are how something else is found.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("nvmlDeviceGetCount_v2", "odin_gpu_devices"),
    ("nvmlDeviceGetHandleByIndex_v2", "how every device is found"),
    ("nvmlDeviceGetName", "label modelName, and model of odin_gpu_info"),
    ("nvmlDeviceGetSerial", "label serial of odin_gpu_info"),
    ("nvmlDeviceGetUUID", "label UUID"),
    ("nvmlDeviceGetBoardPartNumber", "label part_number of odin_gpu_info"),
    ("nvmlDeviceGetInforomVersion", "labels inforom_oem, inforom_ecc and inforom_power of odin_gpu_info"),
    ("nvmlDeviceGetInforomImageVersion", "label inforom_image of odin_gpu_info"),
    ("nvmlDeviceGetPciInfo_v3", "label pci_bus_id"),
    ("nvmlDeviceGetVbiosVersion", "label vbios of odin_gpu_info"),
    ("nvmlDeviceGetComputeRunningProcesses_v3", "odin_gpu_process_memory_used_bytes"),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", "odin_gpu_process_memory_used_bytes"),
    ("nvmlDeviceGetGspFirmwareVersion", "label gsp_firmware of odin_gpu_info"),
    ("nvmlDeviceGetProcessUtilization", "odin_gpu_process_utilization_ratio"),
    ("nvmlDeviceGetFieldValues", "how every field is read"),
    ("nvmlDeviceGetMigDeviceHandleByIndex", "how every MIG device is found"),
];

/// Getters that are left out, with the reason.
pub(super) const EXCLUDED: &[(&str, &str)] = &[
    ("nvmlDeviceGetHandleBySerial", "gives a handle, not a number; devices are found by index"),
    ("nvmlDeviceGetHandleByUUID", "gives a handle, not a number; devices are found by index"),
    ("nvmlDeviceGetHandleByUUIDV", "gives a handle, not a number; devices are found by index"),
    ("nvmlDeviceGetHandleByPciBusId_v2", "gives a handle, not a number; devices are found by index"),
    ("nvmlDeviceGetMemoryAffinity", "a set of nodes; the nearest is odin_gpu_numa_node"),
    ("nvmlDeviceGetCpuAffinityWithinScope", "a set of CPUs; the nearest node is odin_gpu_numa_node"),
    ("nvmlDeviceGetCpuAffinity", "a set of CPUs; the nearest node is odin_gpu_numa_node"),
    ("nvmlDeviceGetTopologyCommonAncestor", "a relation of two devices, no number of one"),
    ("nvmlDeviceGetTopologyNearestGpus", "a relation of devices, no number of one"),
    ("nvmlDeviceGetP2PStatus", "a relation of two devices, no number of one"),
    ("nvmlDeviceGetPciInfoExt", "the identity that PciInfo_v3 gives, in other words"),
    (
        "nvmlDeviceGetSupportedMemoryClocks",
        "a list of settings that are possible; its ends have metrics of their own",
    ),
    (
        "nvmlDeviceGetSupportedGraphicsClocks",
        "a list of settings that are possible; its ends have metrics of their own",
    ),
    (
        "nvmlDeviceGetSupportedPerformanceStates",
        "a list of settings that are possible; its ends have metrics of their own",
    ),
    (
        "nvmlDeviceGetPerformanceModes",
        "text of the clocks of each P-state; the ranges are odin_gpu_clock_p0_hertz",
    ),
    ("nvmlDeviceGetCurrentClockFreqs", "text of the clocks; they are odin_gpu_clock_hertz"),
    ("nvmlDeviceGetEncoderSessions", "a list of sessions; their number is odin_gpu_encoder_sessions"),
    ("nvmlDeviceGetFBCSessions", "a list of sessions; their number is odin_gpu_frame_capture_sessions"),
    ("nvmlDeviceGetDriverModel_v2", "about Windows only"),
    ("nvmlDeviceGetMPSComputeRunningProcesses_v3", "ComputeRunningProcesses_v3 lists the same processes"),
    ("nvmlDeviceGetRunningProcessDetailList", "ComputeRunningProcesses_v3 lists the same processes"),
    ("nvmlDeviceGetSamples", "the history of quantities that are read as they are now"),
    ("nvmlDeviceGetConfComputeGpuCertificate", "a certificate, no number"),
    ("nvmlDeviceGetConfComputeGpuAttestationReport", "a signed report, no number"),
    ("nvmlDeviceGetAccountingStats", "about processes that ended, by their number, which is used again"),
    ("nvmlDeviceGetAccountingPids", "a list of processes that ended"),
    ("nvmlDeviceGetAccountingStats_v2", "about processes that ended, by their number, which is used again"),
    ("nvmlDeviceGetRetiredPages", "addresses; their number is odin_gpu_retired_pages_total"),
    ("nvmlDeviceGetRetiredPages_v2", "addresses; their number is odin_gpu_retired_pages_total"),
    ("nvmlDeviceGetProcessesUtilizationInfo", "ProcessUtilization gives the same, on older drivers as well"),
    ("nvmlDeviceGetPdi", "a 64-bit identifier, which a floating-point sample cannot hold"),
    ("nvmlDeviceGetHostname_v1", "a name set by an administrator, no number"),
    ("nvmlDeviceGetNvLinkRemotePciInfo_v2", "the address of the other end, no number"),
    ("nvmlDeviceGetNvLinkUtilizationControl", "how a counter of older GPUs is set up, no quantity"),
    (
        "nvmlDeviceGetVgpuTypeSupportedPlacements",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuTypeCreatablePlacements",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetSupportedVgpus",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetCreatableVgpus",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetActiveVgpus",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuSchedulerState_v2",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuSchedulerLog_v2",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuMetadata",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetPgpuMetadataString",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuSchedulerLog",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuUtilization",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuInstancesUtilizationInfo",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuProcessUtilization",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetVgpuProcessesUtilizationInfo",
        "about vGPU guests; an ODIN appliance runs containers on the whole GPU or on MIG",
    ),
    (
        "nvmlDeviceGetGpuInstanceProfileInfo",
        "about MIG layouts that could be made, not about the device as it is",
    ),
    (
        "nvmlDeviceGetGpuInstanceProfileInfoV",
        "about MIG layouts that could be made, not about the device as it is",
    ),
    (
        "nvmlDeviceGetGpuInstanceProfileInfoByIdV",
        "about MIG layouts that could be made, not about the device as it is",
    ),
    (
        "nvmlDeviceGetGpuInstancePossiblePlacements_v2",
        "about MIG layouts that could be made, not about the device as it is",
    ),
    (
        "nvmlDeviceGetGpuInstanceRemainingCapacity",
        "about MIG layouts that could be made, not about the device as it is",
    ),
    ("nvmlDeviceGetGpuInstances", "gives a handle, not a number; devices are found by index"),
    ("nvmlDeviceGetGpuInstanceById", "gives a handle, not a number; devices are found by index"),
    (
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
        "gives a handle, not a number; devices are found by index",
    ),
    ("nvmlDeviceGetCount", "an earlier version of Count_v2"),
    ("nvmlDeviceGetHandleByIndex", "an earlier version of HandleByIndex_v2"),
    ("nvmlDeviceGetHandleByPciBusId", "an earlier version of HandleByPciBusId_v2"),
    ("nvmlDeviceGetPciInfo", "an earlier version of PciInfo_v3"),
    ("nvmlDeviceGetPciInfo_v2", "an earlier version of PciInfo_v3"),
    ("nvmlDeviceGetNvLinkRemotePciInfo", "an earlier version of NvLinkRemotePciInfo_v2"),
    ("nvmlDeviceGetGridLicensableFeatures", "an earlier version of GridLicensableFeatures_v4"),
    ("nvmlDeviceGetGridLicensableFeatures_v2", "an earlier version of GridLicensableFeatures_v4"),
    ("nvmlDeviceGetGridLicensableFeatures_v3", "an earlier version of GridLicensableFeatures_v4"),
    ("nvmlDeviceGetAttributes", "an earlier version of Attributes_v2"),
    ("nvmlDeviceGetComputeRunningProcesses", "an earlier version of ComputeRunningProcesses_v3"),
    ("nvmlDeviceGetComputeRunningProcesses_v2", "an earlier version of ComputeRunningProcesses_v3"),
    ("nvmlDeviceGetGraphicsRunningProcesses", "an earlier version of GraphicsRunningProcesses_v3"),
    ("nvmlDeviceGetGraphicsRunningProcesses_v2", "an earlier version of GraphicsRunningProcesses_v3"),
    ("nvmlDeviceGetMPSComputeRunningProcesses", "an earlier version of MPSComputeRunningProcesses_v3"),
    ("nvmlDeviceGetMPSComputeRunningProcesses_v2", "an earlier version of MPSComputeRunningProcesses_v3"),
    ("nvmlDeviceGetGpuInstancePossiblePlacements", "an earlier version of GpuInstancePossiblePlacements_v2"),
    ("nvmlDeviceGetDriverModel", "an earlier version of DriverModel_v2"),
];
