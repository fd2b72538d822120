//! Modes, capabilities and identity numbers.

use super::Word::{I32, U8, U32, U64};
use super::{Each, Getter, Out, number, outs, plain, version, versioned};

const MICRO: f64 = 1e-6;
const NANO: f64 = 1e-9;

pub(super) const STATE: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetIndex",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_index")],
    },
    Getter {
        symbol: "nvmlDeviceGetMinorNumber",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_minor_number")],
    },
    Getter {
        symbol: "nvmlDeviceGetModuleId",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_module_id")],
    },
    Getter {
        symbol: "nvmlDeviceGetBoardId",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_board_id")],
    },
    Getter {
        symbol: "nvmlDeviceGetMultiGpuBoard",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_board_has_several_gpus")],
    },
    Getter {
        symbol: "nvmlDeviceGetNumGpuCores",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_cores")],
    },
    Getter {
        symbol: "nvmlDeviceGetDisplayMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_display_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetDisplayActive",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_display_active")],
    },
    Getter {
        symbol: "nvmlDeviceGetPersistenceMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_persistence_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetComputeMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_compute_mode")],
    },
    Getter {
        symbol: "nvmlDeviceGetArchitecture",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_architecture")],
    },
    Getter {
        symbol: "nvmlDeviceGetBrand",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_brand")],
    },
    Getter {
        symbol: "nvmlDeviceGetNumaNodeId",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_numa_node")],
    },
    Getter {
        symbol: "nvmlDeviceGetIrqNum",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_interrupt_number")],
    },
    Getter {
        symbol: "nvmlDeviceGetBusType",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_bus_type")],
    },
    Getter {
        symbol: "nvmlDeviceGetInforomConfigurationChecksum",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_inforom_checksum")],
    },
    Getter {
        symbol: "nvmlDeviceGetCudaComputeCapability",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(I32, 0, "odin_gpu_compute_capability").labels(r#"part="major""#),
            number(I32, 8, "odin_gpu_compute_capability").labels(r#"part="minor""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetGpuOperationMode",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_operation_mode").labels(r#"when="now""#),
            number(U32, 8, "odin_gpu_operation_mode").labels(r#"when="after_reboot""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetAddressingMode",
        select: &[],
        each: Each::Device,
        out: versioned(8, &[(0, version(8, 1))]),
        numbers: &[number(U32, 4, "odin_gpu_addressing_mode")],
    },
    Getter {
        symbol: "nvmlDeviceGetDramEncryptionMode",
        select: &[],
        each: Each::Device,
        out: Out { count: 2, size: 16, words: &[(0, version(8, 1)), (8, version(8, 1))] },
        numbers: &[
            number(U32, 4, "odin_gpu_memory_encryption_enabled").labels(r#"when="now""#),
            number(U32, 12, "odin_gpu_memory_encryption_enabled").labels(r#"when="after_reboot""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetLastBBXFlushTime",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U64, 0, "odin_gpu_black_box_flush_timestamp_seconds").times(MICRO),
            number(U64, 8, "odin_gpu_black_box_flush_duration_seconds").times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetBBXTimeData_v1",
        select: &[],
        each: Each::Device,
        out: plain(4),
        numbers: &[number(U32, 0, "odin_gpu_black_box_run_seconds_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetGspFirmwareMode",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_gsp_firmware_enabled").labels(r#"value="set""#),
            number(U32, 8, "odin_gpu_gsp_firmware_enabled").labels(r#"value="default""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetAPIRestriction",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_api_restricted").labels(r#"api="application_clocks""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetAPIRestriction",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_api_restricted").labels(r#"api="auto_boost""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetAccountingMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_accounting_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetAccountingBufferSize",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_accounting_buffer_processes")],
    },
    Getter {
        symbol: "nvmlDeviceGetMigMode",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_mig_enabled").labels(r#"when="now""#),
            number(U32, 8, "odin_gpu_mig_enabled").labels(r#"when="after_reset""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxMigDeviceCount",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_mig_devices_maximum")],
    },
    Getter {
        symbol: "nvmlDeviceGetSupportedEventTypes",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_event_types_supported")],
    },
    Getter {
        symbol: "nvmlDeviceGetCapabilities",
        select: &[],
        each: Each::Device,
        out: versioned(8, &[(0, version(8, 1))]),
        numbers: &[number(U32, 4, "odin_gpu_capabilities_mask")],
    },
    Getter {
        symbol: "nvmlDeviceGetPlatformInfo",
        select: &[],
        each: Each::Device,
        out: versioned(44, &[(0, version(44, 2))]),
        numbers: &[
            number(U8, 36, "odin_gpu_platform_position").labels(r#"part="slot""#),
            number(U8, 37, "odin_gpu_platform_position").labels(r#"part="tray""#),
            number(U8, 38, "odin_gpu_platform_position").labels(r#"part="host""#),
            number(U8, 39, "odin_gpu_platform_position").labels(r#"part="peer_type""#),
            number(U8, 40, "odin_gpu_platform_position").labels(r#"part="module""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetBridgeChipInfo",
        select: &[],
        each: Each::Device,
        out: plain(1028),
        numbers: &[number(U8, 0, "odin_gpu_bridge_chips")],
    },
    Getter {
        symbol: "nvmlDeviceGetVirtualizationMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_virtualization_mode")],
    },
    Getter {
        symbol: "nvmlDeviceGetHostVgpuMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_host_mode")],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuHeterogeneousMode",
        select: &[],
        each: Each::Device,
        out: versioned(8, &[(0, version(8, 1))]),
        numbers: &[number(U32, 4, "odin_gpu_vgpu_heterogeneous")],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="fractional_multi_vgpu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability")
            .labels(r#"capability="heterogeneous_timeslice_profiles""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability")
            .labels(r#"capability="heterogeneous_timeslice_sizes""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="read_device_buffer_bandwidth""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability")
            .labels(r#"capability="write_device_buffer_bandwidth""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="device_streaming""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="mini_quarter_gpu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[7],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="compute_media_engine""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[8],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="warm_update""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[9],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="homogeneous_placements""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[10],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="mig_timeslicing_supported""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuCapabilities",
        select: &[11],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_capability").labels(r#"capability="mig_timeslicing_enabled""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuSchedulerCapabilities",
        select: &[],
        each: Each::Device,
        out: plain(40),
        numbers: &[
            number(U32, 12, "odin_gpu_vgpu_timeslice_limit_seconds").labels(r#"limit="maximum""#).times(NANO),
            number(U32, 16, "odin_gpu_vgpu_timeslice_limit_seconds").labels(r#"limit="minimum""#).times(NANO),
            number(U32, 20, "odin_gpu_vgpu_adaptive_round_robin_supported"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetVgpuSchedulerState",
        select: &[],
        each: Each::Device,
        out: plain(16),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_scheduler_policy"),
            number(U32, 4, "odin_gpu_vgpu_adaptive_round_robin"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetGridLicensableFeatures_v4",
        select: &[],
        each: Each::Device,
        out: plain(860),
        numbers: &[
            number(U32, 0, "odin_gpu_vgpu_license_supported"),
            number(U32, 4, "odin_gpu_vgpu_license_features"),
            number(U32, 12, "odin_gpu_vgpu_license_status").unless_zero(4),
        ],
    },
];
