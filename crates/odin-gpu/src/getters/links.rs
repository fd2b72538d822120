//! PCIe, NVLink, the fabric and C2C.

use super::Word::{U8, U32, U64};
use super::{Each, Getter, number, outs, plain, version, versioned};

const MEGA: f64 = 1e6;
const KILO: f64 = 1e3;

pub(super) const LINKS: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetCurrPcieLinkGeneration",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_generation").labels(r#"value="current""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxPcieLinkGeneration",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_generation").labels(r#"value="maximum""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetGpuMaxPcieLinkGeneration",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_generation").labels(r#"value="gpu_maximum""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetCurrPcieLinkWidth",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_width").labels(r#"value="current""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxPcieLinkWidth",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_width").labels(r#"value="maximum""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetPcieThroughput",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_transmitted_bytes_per_second").times(KILO)],
    },
    Getter {
        symbol: "nvmlDeviceGetPcieThroughput",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_received_bytes_per_second").times(KILO)],
    },
    Getter {
        symbol: "nvmlDeviceGetPcieReplayCounter",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_replays_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetPcieLinkMaxSpeed",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_link_maximum_speed_bytes_per_second").times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetPcieSpeed",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_pcie_lane_speed_bytes_per_second").times(MEGA / 8.0)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkState",
        select: &[Getter::EACH],
        each: Each::Link,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_link_active")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkVersion",
        select: &[Getter::EACH],
        each: Each::MaximumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_version")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkErrorCounter",
        select: &[Getter::EACH, 0],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_nvlink_replays_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkErrorCounter",
        select: &[Getter::EACH, 1],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_nvlink_recoveries_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkErrorCounter",
        select: &[Getter::EACH, 2],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_nvlink_crc_flit_errors_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkErrorCounter",
        select: &[Getter::EACH, 3],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_nvlink_crc_data_errors_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkErrorCounter",
        select: &[Getter::EACH, 4],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_nvlink_ecc_data_errors_total")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 0],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="p2p""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 1],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="system_memory""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 2],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="p2p_atomics""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 3],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="system_memory_atomics""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 4],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="sli_bridge""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkCapability",
        select: &[Getter::EACH, 5],
        each: Each::SumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_capable_links").labels(r#"capability="valid""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkRemoteDeviceType",
        select: &[Getter::EACH],
        each: Each::MaximumOfLinks,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_nvlink_remote_device_type")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkUtilizationCounter",
        select: &[Getter::EACH, 0],
        each: Each::SumOfLinks,
        out: outs(2),
        numbers: &[
            number(U64, 0, "odin_gpu_nvlink_direction_utilization_units_total")
                .labels(r#"set="0",direction="received""#),
            number(U64, 8, "odin_gpu_nvlink_direction_utilization_units_total")
                .labels(r#"set="0",direction="transmitted""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkUtilizationCounter",
        select: &[Getter::EACH, 1],
        each: Each::SumOfLinks,
        out: outs(2),
        numbers: &[
            number(U64, 0, "odin_gpu_nvlink_direction_utilization_units_total")
                .labels(r#"set="1",direction="received""#),
            number(U64, 8, "odin_gpu_nvlink_direction_utilization_units_total")
                .labels(r#"set="1",direction="transmitted""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetNvlinkSupportedBwModes",
        select: &[],
        each: Each::Device,
        out: versioned(28, &[(0, version(28, 1))]),
        numbers: &[number(U8, 27, "odin_gpu_nvlink_bandwidth_modes")],
    },
    Getter {
        symbol: "nvmlDeviceGetNvlinkBwMode",
        select: &[],
        each: Each::Device,
        out: versioned(12, &[(0, version(12, 1))]),
        numbers: &[
            number(U32, 4, "odin_gpu_nvlink_bandwidth_mode_best"),
            number(U8, 8, "odin_gpu_nvlink_bandwidth_mode"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetNvLinkInfo",
        select: &[],
        each: Each::Device,
        out: versioned(8, &[(0, version(8, 1))]),
        numbers: &[number(U32, 4, "odin_gpu_nvlink_encryption_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetGpuFabricInfoV",
        select: &[],
        each: Each::Device,
        out: versioned(40, &[(0, version(40, 3))]),
        numbers: &[
            number(U32, 20, "odin_gpu_fabric_status"),
            number(U32, 24, "odin_gpu_fabric_clique"),
            number(U8, 28, "odin_gpu_fabric_state"),
            number(U32, 32, "odin_gpu_fabric_health_mask"),
            number(U8, 36, "odin_gpu_fabric_health"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetGpuFabricInfoV",
        select: &[],
        each: Each::Device,
        out: versioned(36, &[(0, version(36, 2))]),
        numbers: &[
            number(U32, 20, "odin_gpu_fabric_status"),
            number(U32, 24, "odin_gpu_fabric_clique"),
            number(U8, 28, "odin_gpu_fabric_state"),
            number(U32, 32, "odin_gpu_fabric_health_mask"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetGpuFabricInfo",
        select: &[],
        each: Each::Device,
        out: plain(28),
        numbers: &[
            number(U32, 16, "odin_gpu_fabric_status"),
            number(U32, 20, "odin_gpu_fabric_clique"),
            number(U8, 24, "odin_gpu_fabric_state"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetC2cModeInfoV",
        select: &[],
        each: Each::Device,
        out: plain(4),
        numbers: &[number(U32, 0, "odin_gpu_c2c_enabled")],
    },
];
