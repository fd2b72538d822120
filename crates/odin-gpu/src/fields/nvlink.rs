//! NVLink: the lane counters of older drivers, and the fields whose scope is a
//! link.

use super::{Field, Over, field};

const MEGA: f64 = 1e6;
const KIBI: f64 = 1024.0;
/// Scope that means all links together, for the throughput fields.
const ALL_LINKS: u32 = u32::MAX;

const ERRORS: &str = "odin_gpu_nvlink_errors_total";
const FEC: &str = "odin_gpu_nvlink_fec_blocks_total";
const ERROR_RATE: &str = "odin_gpu_nvlink_bit_error_ratio";

/// A field that exists once for each of the first links, `..._L0` and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// NVML's name without the number of the link.
    pub(crate) nvml: &'static str,
    pub(crate) family: &'static str,
    pub(crate) labels: &'static str,
    pub(crate) scale: f64,
    /// Ranges of ids: links 0 to 5, then 6 to 11.
    pub(crate) first: [u32; 2],
}

impl Lane {
    /// The id of each link.
    pub(crate) fn links(self) -> impl Iterator<Item = (u32, u32)> {
        let [low, high] = self.first;
        (0..12).map(move |link| (link, if link < 6 { low + link } else { high + link - 6 }))
    }
}

const fn lane(nvml: &'static str, family: &'static str, labels: &'static str, first: [u32; 2]) -> Lane {
    Lane { nvml, family, labels, scale: 1.0, first }
}

pub(crate) const LANES: &[Lane] = &[
    lane(
        "NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L",
        "odin_gpu_nvlink_link_crc_flit_errors_total",
        "",
        [32, 96],
    ),
    lane(
        "NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_L",
        "odin_gpu_nvlink_link_crc_data_errors_total",
        "",
        [39, 102],
    ),
    lane("NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L", "odin_gpu_nvlink_link_replays_total", "", [46, 108]),
    lane("NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L", "odin_gpu_nvlink_link_recoveries_total", "", [53, 114]),
    lane(
        "NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_L",
        "odin_gpu_nvlink_link_ecc_data_errors_total",
        "",
        [148, 154],
    ),
    lane(
        "NVML_FI_DEV_NVLINK_BANDWIDTH_C0_L",
        "odin_gpu_nvlink_link_utilization_units_total",
        r#"set="0""#,
        [60, 120],
    ),
    lane(
        "NVML_FI_DEV_NVLINK_BANDWIDTH_C1_L",
        "odin_gpu_nvlink_link_utilization_units_total",
        r#"set="1""#,
        [67, 126],
    ),
    Lane {
        scale: MEGA,
        ..lane(
            "NVML_FI_DEV_NVLINK_SPEED_MBPS_L",
            "odin_gpu_nvlink_link_speed_bytes_per_second",
            "",
            [84, 132],
        )
    },
];

pub(crate) const NVLINK: &[Field] = &[
    field(38, "NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "odin_gpu_nvlink_crc_flit_errors_total"),
    field(45, "NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "odin_gpu_nvlink_crc_data_errors_total"),
    field(52, "NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", "odin_gpu_nvlink_replays_total"),
    field(59, "NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "odin_gpu_nvlink_recoveries_total"),
    field(160, "NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_TOTAL", "odin_gpu_nvlink_ecc_data_errors_total"),
    field(66, "NVML_FI_DEV_NVLINK_BANDWIDTH_C0_TOTAL", "odin_gpu_nvlink_utilization_units_total")
        .labels(r#"set="0""#),
    field(73, "NVML_FI_DEV_NVLINK_BANDWIDTH_C1_TOTAL", "odin_gpu_nvlink_utilization_units_total")
        .labels(r#"set="1""#),
    field(90, "NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON", "odin_gpu_nvlink_common_speed_bytes_per_second")
        .times(MEGA),
    field(91, "NVML_FI_DEV_NVLINK_LINK_COUNT", "odin_gpu_nvlink_links"),
    field(138, "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX", "odin_gpu_nvlink_transmitted_bytes_total")
        .labels(r#"counted="data""#)
        .times(KIBI)
        .over(Over::Scope(ALL_LINKS)),
    field(139, "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", "odin_gpu_nvlink_received_bytes_total")
        .labels(r#"counted="data""#)
        .times(KIBI)
        .over(Over::Scope(ALL_LINKS)),
    field(140, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_TX", "odin_gpu_nvlink_transmitted_bytes_total")
        .labels(r#"counted="data_and_protocol""#)
        .times(KIBI)
        .over(Over::Scope(ALL_LINKS)),
    field(141, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX", "odin_gpu_nvlink_received_bytes_total")
        .labels(r#"counted="data_and_protocol""#)
        .times(KIBI)
        .over(Over::Scope(ALL_LINKS)),
    field(140, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_TX", "odin_gpu_nvlink_link_transmitted_bytes_total")
        .times(KIBI)
        .over(Over::EachLink),
    field(141, "NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX", "odin_gpu_nvlink_link_received_bytes_total")
        .times(KIBI)
        .over(Over::EachLink),
    field(146, "NVML_FI_DEV_NVLINK_REMOTE_NVLINK_ID", "odin_gpu_nvlink_link_remote_id").over(Over::EachLink),
    field(147, "NVML_FI_DEV_NVSWITCH_CONNECTED_LINK_COUNT", "odin_gpu_nvswitch_connected_links"),
    field(161, "NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY", ERRORS)
        .labels(r#"error="data_link_replay""#)
        .over(Over::SumOfLinks),
    field(162, "NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY", ERRORS)
        .labels(r#"error="data_link_recovery""#)
        .over(Over::SumOfLinks),
    field(163, "NVML_FI_DEV_NVLINK_ERROR_DL_CRC", ERRORS)
        .labels(r#"error="data_link_crc""#)
        .over(Over::SumOfLinks),
    field(164, "NVML_FI_DEV_NVLINK_GET_SPEED", "odin_gpu_nvlink_link_speed_bytes_per_second")
        .over(Over::EachLink)
        .times(MEGA),
    field(165, "NVML_FI_DEV_NVLINK_GET_STATE", "odin_gpu_nvlink_link_active").over(Over::EachLink),
    field(166, "NVML_FI_DEV_NVLINK_GET_VERSION", "odin_gpu_nvlink_version").over(Over::MaximumOfLinks),
    field(167, "NVML_FI_DEV_NVLINK_GET_POWER_STATE", "odin_gpu_nvlink_low_speed_links")
        .over(Over::SumOfLinks),
    field(168, "NVML_FI_DEV_NVLINK_GET_POWER_THRESHOLD", "odin_gpu_nvlink_power_threshold")
        .labels(r#"value="current""#),
    field(200, "NVML_FI_DEV_NVLINK_GET_POWER_THRESHOLD_MAX", "odin_gpu_nvlink_power_threshold")
        .labels(r#"value="maximum""#),
    field(223, "NVML_FI_DEV_NVLINK_GET_POWER_THRESHOLD_MIN", "odin_gpu_nvlink_power_threshold")
        .labels(r#"value="minimum""#),
    field(224, "NVML_FI_DEV_NVLINK_GET_POWER_THRESHOLD_UNITS", "odin_gpu_nvlink_power_threshold_unit"),
    field(
        225,
        "NVML_FI_DEV_NVLINK_GET_POWER_THRESHOLD_SUPPORTED",
        "odin_gpu_nvlink_power_threshold_supported",
    ),
    field(201, "NVML_FI_DEV_NVLINK_COUNT_XMIT_PACKETS", "odin_gpu_nvlink_transmitted_packets_total")
        .over(Over::SumOfLinks),
    field(202, "NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES", "odin_gpu_nvlink_transmitted_bytes_total")
        .labels(r#"counted="links""#)
        .over(Over::SumOfLinks),
    field(203, "NVML_FI_DEV_NVLINK_COUNT_RCV_PACKETS", "odin_gpu_nvlink_received_packets_total")
        .over(Over::SumOfLinks),
    field(204, "NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES", "odin_gpu_nvlink_received_bytes_total")
        .labels(r#"counted="links""#)
        .over(Over::SumOfLinks),
    field(205, "NVML_FI_DEV_NVLINK_COUNT_VL15_DROPPED", ERRORS)
        .labels(r#"error="vl15_dropped""#)
        .over(Over::SumOfLinks),
    field(206, "NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS", ERRORS)
        .labels(r#"error="malformed_packet""#)
        .over(Over::SumOfLinks),
    field(207, "NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS", ERRORS)
        .labels(r#"error="buffer_overrun""#)
        .over(Over::SumOfLinks),
    field(208, "NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS", ERRORS)
        .labels(r#"error="received""#)
        .over(Over::SumOfLinks),
    field(209, "NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS", ERRORS)
        .labels(r#"error="received_remote""#)
        .over(Over::SumOfLinks),
    field(210, "NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS", ERRORS)
        .labels(r#"error="received_general""#)
        .over(Over::SumOfLinks),
    field(211, "NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS", ERRORS)
        .labels(r#"error="local_link_integrity""#)
        .over(Over::SumOfLinks),
    field(212, "NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS", ERRORS)
        .labels(r#"error="transmit_discarded""#)
        .over(Over::SumOfLinks),
    field(213, "NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS", ERRORS)
        .labels(r#"error="link_recovery_succeeded""#)
        .over(Over::SumOfLinks),
    field(214, "NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS", ERRORS)
        .labels(r#"error="link_recovery_failed""#)
        .over(Over::SumOfLinks),
    field(215, "NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS", "odin_gpu_nvlink_link_recovery_events_total")
        .over(Over::SumOfLinks),
    field(216, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER_LANE0", ERROR_RATE)
        .labels(r#"of="raw_lane0""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(217, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER_LANE1", ERROR_RATE)
        .labels(r#"of="raw_lane1""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(218, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER", ERROR_RATE)
        .labels(r#"of="raw""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(219, "NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS", ERRORS)
        .labels(r#"error="effective""#)
        .over(Over::SumOfLinks),
    field(220, "NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER", ERROR_RATE)
        .labels(r#"of="effective""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(221, "NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS", ERRORS)
        .labels(r#"error="symbol""#)
        .over(Over::SumOfLinks),
    field(222, "NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER", ERROR_RATE)
        .labels(r#"of="symbol""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(289, "NVML_FI_DEV_NVLINK_COUNT_RAW_ERRORS_LANE0", ERRORS)
        .labels(r#"error="raw_lane0""#)
        .over(Over::SumOfLinks),
    field(290, "NVML_FI_DEV_NVLINK_COUNT_RAW_ERRORS_LANE1", ERRORS)
        .labels(r#"error="raw_lane1""#)
        .over(Over::SumOfLinks),
    field(291, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER_LANE0_V2", ERROR_RATE)
        .labels(r#"of="raw_lane0_v2""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(292, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER_LANE1_V2", ERROR_RATE)
        .labels(r#"of="raw_lane1_v2""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(293, "NVML_FI_DEV_NVLINK_COUNT_RAW_BER_V2", ERROR_RATE)
        .labels(r#"of="raw_v2""#)
        .over(Over::MaximumOfLinks)
        .error_rate(),
    field(294, "NVML_FI_DEV_NVLINK_PLR_XMIT_BLOCKS", "odin_gpu_nvlink_plr_blocks_total")
        .labels(r#"sent="first""#)
        .over(Over::SumOfLinks),
    field(295, "NVML_FI_DEV_NVLINK_PLR_XMIT_RETRY_BLOCKS", "odin_gpu_nvlink_plr_blocks_total")
        .labels(r#"sent="again""#)
        .over(Over::SumOfLinks),
    field(296, "NVML_FI_DEV_NVLINK_GET_DATA_RATE", "odin_gpu_nvlink_data_rate").over(Over::MaximumOfLinks),
    field(235, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_0", FEC).labels(r#"symbols="0""#).over(Over::SumOfLinks),
    field(236, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_1", FEC).labels(r#"symbols="1""#).over(Over::SumOfLinks),
    field(237, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_2", FEC).labels(r#"symbols="2""#).over(Over::SumOfLinks),
    field(238, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_3", FEC).labels(r#"symbols="3""#).over(Over::SumOfLinks),
    field(239, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_4", FEC).labels(r#"symbols="4""#).over(Over::SumOfLinks),
    field(240, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_5", FEC).labels(r#"symbols="5""#).over(Over::SumOfLinks),
    field(241, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_6", FEC).labels(r#"symbols="6""#).over(Over::SumOfLinks),
    field(242, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_7", FEC).labels(r#"symbols="7""#).over(Over::SumOfLinks),
    field(243, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_8", FEC).labels(r#"symbols="8""#).over(Over::SumOfLinks),
    field(244, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_9", FEC).labels(r#"symbols="9""#).over(Over::SumOfLinks),
    field(245, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_10", FEC)
        .labels(r#"symbols="10""#)
        .over(Over::SumOfLinks),
    field(246, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_11", FEC)
        .labels(r#"symbols="11""#)
        .over(Over::SumOfLinks),
    field(247, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_12", FEC)
        .labels(r#"symbols="12""#)
        .over(Over::SumOfLinks),
    field(248, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_13", FEC)
        .labels(r#"symbols="13""#)
        .over(Over::SumOfLinks),
    field(249, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_14", FEC)
        .labels(r#"symbols="14""#)
        .over(Over::SumOfLinks),
    field(250, "NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_15", FEC)
        .labels(r#"symbols="15""#)
        .over(Over::SumOfLinks),
];
