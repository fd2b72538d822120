//! Memory errors, clocks, PCIe, C2C: everything but NVLink and power.

use super::{Field, Over, field};

const NANO: f64 = 1e-9;
const MILLI: f64 = 1e-3;
const MEGA: f64 = 1e6;

const ECC: &str = "odin_gpu_ecc_errors_total";
const ECC_AT: &str = "odin_gpu_ecc_location_errors_total";
const VIOLATION: &str = "odin_gpu_violation_seconds_total";
const PCIE_ERRORS: &str = "odin_gpu_pcie_errors_total";

pub(crate) const DEVICE: &[Field] = &[
    field(1, "NVML_FI_DEV_ECC_CURRENT", "odin_gpu_ecc_enabled").labels(r#"when="now""#),
    field(2, "NVML_FI_DEV_ECC_PENDING", "odin_gpu_ecc_enabled").labels(r#"when="after_reboot""#),
    field(3, "NVML_FI_DEV_ECC_SBE_VOL_TOTAL", ECC).labels(r#"error="corrected",since="boot""#),
    field(4, "NVML_FI_DEV_ECC_DBE_VOL_TOTAL", ECC).labels(r#"error="uncorrected",since="boot""#),
    field(5, "NVML_FI_DEV_ECC_SBE_AGG_TOTAL", ECC).labels(r#"error="corrected",since="ever""#),
    field(6, "NVML_FI_DEV_ECC_DBE_AGG_TOTAL", ECC).labels(r#"error="uncorrected",since="ever""#),
    field(7, "NVML_FI_DEV_ECC_SBE_VOL_L1", ECC_AT).labels(r#"error="corrected",since="boot",location="l1""#),
    field(8, "NVML_FI_DEV_ECC_DBE_VOL_L1", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="l1""#),
    field(9, "NVML_FI_DEV_ECC_SBE_VOL_L2", ECC_AT).labels(r#"error="corrected",since="boot",location="l2""#),
    field(10, "NVML_FI_DEV_ECC_DBE_VOL_L2", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="l2""#),
    field(11, "NVML_FI_DEV_ECC_SBE_VOL_DEV", ECC_AT)
        .labels(r#"error="corrected",since="boot",location="device_memory""#),
    field(12, "NVML_FI_DEV_ECC_DBE_VOL_DEV", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="device_memory""#),
    field(13, "NVML_FI_DEV_ECC_SBE_VOL_REG", ECC_AT)
        .labels(r#"error="corrected",since="boot",location="register_file""#),
    field(14, "NVML_FI_DEV_ECC_DBE_VOL_REG", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="register_file""#),
    field(15, "NVML_FI_DEV_ECC_SBE_VOL_TEX", ECC_AT)
        .labels(r#"error="corrected",since="boot",location="texture""#),
    field(16, "NVML_FI_DEV_ECC_DBE_VOL_TEX", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="texture""#),
    field(17, "NVML_FI_DEV_ECC_DBE_VOL_CBU", ECC_AT)
        .labels(r#"error="uncorrected",since="boot",location="cbu""#),
    field(18, "NVML_FI_DEV_ECC_SBE_AGG_L1", ECC_AT).labels(r#"error="corrected",since="ever",location="l1""#),
    field(19, "NVML_FI_DEV_ECC_DBE_AGG_L1", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="l1""#),
    field(20, "NVML_FI_DEV_ECC_SBE_AGG_L2", ECC_AT).labels(r#"error="corrected",since="ever",location="l2""#),
    field(21, "NVML_FI_DEV_ECC_DBE_AGG_L2", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="l2""#),
    field(22, "NVML_FI_DEV_ECC_SBE_AGG_DEV", ECC_AT)
        .labels(r#"error="corrected",since="ever",location="device_memory""#),
    field(23, "NVML_FI_DEV_ECC_DBE_AGG_DEV", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="device_memory""#),
    field(24, "NVML_FI_DEV_ECC_SBE_AGG_REG", ECC_AT)
        .labels(r#"error="corrected",since="ever",location="register_file""#),
    field(25, "NVML_FI_DEV_ECC_DBE_AGG_REG", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="register_file""#),
    field(26, "NVML_FI_DEV_ECC_SBE_AGG_TEX", ECC_AT)
        .labels(r#"error="corrected",since="ever",location="texture""#),
    field(27, "NVML_FI_DEV_ECC_DBE_AGG_TEX", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="texture""#),
    field(28, "NVML_FI_DEV_ECC_DBE_AGG_CBU", ECC_AT)
        .labels(r#"error="uncorrected",since="ever",location="cbu""#),
    field(29, "NVML_FI_DEV_RETIRED_SBE", "odin_gpu_retired_pages_total").labels(r#"cause="single_bit""#),
    field(30, "NVML_FI_DEV_RETIRED_DBE", "odin_gpu_retired_pages_total").labels(r#"cause="double_bit""#),
    field(31, "NVML_FI_DEV_RETIRED_PENDING", "odin_gpu_page_retirement_pending"),
    field(92, "NVML_FI_DEV_RETIRED_PENDING_SBE", "odin_gpu_page_retirement_pending_cause")
        .labels(r#"cause="single_bit""#),
    field(93, "NVML_FI_DEV_RETIRED_PENDING_DBE", "odin_gpu_page_retirement_pending_cause")
        .labels(r#"cause="double_bit""#),
    field(142, "NVML_FI_DEV_REMAPPED_COR", "odin_gpu_remapped_rows_total").labels(r#"cause="correctable""#),
    field(143, "NVML_FI_DEV_REMAPPED_UNC", "odin_gpu_remapped_rows_total").labels(r#"cause="uncorrectable""#),
    field(144, "NVML_FI_DEV_REMAPPED_PENDING", "odin_gpu_row_remap_pending"),
    field(145, "NVML_FI_DEV_REMAPPED_FAILURE", "odin_gpu_row_remap_failed"),
    field(301, "NVML_FI_DEV_REMAPPED_ROWS_COR_INACTIVE", "odin_gpu_remapped_rows_inactive")
        .labels(r#"cause="correctable""#),
    field(302, "NVML_FI_DEV_REMAPPED_ROWS_UNC_INACTIVE", "odin_gpu_remapped_rows_inactive")
        .labels(r#"cause="uncorrectable""#),
    field(74, "NVML_FI_DEV_PERF_POLICY_POWER", VIOLATION).labels(r#"policy="power""#).times(NANO),
    field(75, "NVML_FI_DEV_PERF_POLICY_THERMAL", VIOLATION).labels(r#"policy="thermal""#).times(NANO),
    field(76, "NVML_FI_DEV_PERF_POLICY_SYNC_BOOST", VIOLATION).labels(r#"policy="sync_boost""#).times(NANO),
    field(77, "NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT", VIOLATION).labels(r#"policy="board_limit""#).times(NANO),
    field(78, "NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION", VIOLATION)
        .labels(r#"policy="low_utilization""#)
        .times(NANO),
    field(79, "NVML_FI_DEV_PERF_POLICY_RELIABILITY", VIOLATION).labels(r#"policy="reliability""#).times(NANO),
    field(80, "NVML_FI_DEV_PERF_POLICY_TOTAL_APP_CLOCKS", VIOLATION)
        .labels(r#"policy="below_application_clocks""#)
        .times(NANO),
    field(81, "NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS", VIOLATION)
        .labels(r#"policy="below_base_clocks""#)
        .times(NANO),
    field(269, "NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN", VIOLATION)
        .labels(r#"policy="software_thermal""#)
        .times(NANO),
    field(270, "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN", VIOLATION)
        .labels(r#"policy="hardware_thermal""#)
        .times(NANO),
    field(271, "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN", VIOLATION)
        .labels(r#"policy="hardware_power_brake""#)
        .times(NANO),
    field(82, "NVML_FI_DEV_MEMORY_TEMP", "odin_gpu_memory_temperature_celsius"),
    field(193, "NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT", "odin_gpu_temperature_margin_limit_celsius")
        .labels(r#"limit="shutdown""#),
    field(194, "NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT", "odin_gpu_temperature_margin_limit_celsius")
        .labels(r#"limit="slowdown""#),
    field(195, "NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT", "odin_gpu_temperature_margin_limit_celsius")
        .labels(r#"limit="memory_maximum""#),
    field(196, "NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT", "odin_gpu_temperature_margin_limit_celsius")
        .labels(r#"limit="gpu_maximum""#),
    field(94, "NVML_FI_DEV_PCIE_REPLAY_COUNTER", "odin_gpu_pcie_replays_total"),
    field(95, "NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER", "odin_gpu_pcie_replay_rollovers_total"),
    field(169, "NVML_FI_DEV_PCIE_L0_TO_RECOVERY_COUNTER", "odin_gpu_pcie_recoveries_total"),
    field(173, "NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS", PCIE_ERRORS).labels(r#"error="correctable""#),
    field(174, "NVML_FI_DEV_PCIE_COUNT_NAKS_RECEIVED", PCIE_ERRORS).labels(r#"error="nak_received""#),
    field(175, "NVML_FI_DEV_PCIE_COUNT_RECEIVER_ERROR", PCIE_ERRORS).labels(r#"error="receiver""#),
    field(176, "NVML_FI_DEV_PCIE_COUNT_BAD_TLP", PCIE_ERRORS).labels(r#"error="bad_tlp""#),
    field(177, "NVML_FI_DEV_PCIE_COUNT_NAKS_SENT", PCIE_ERRORS).labels(r#"error="nak_sent""#),
    field(178, "NVML_FI_DEV_PCIE_COUNT_BAD_DLLP", PCIE_ERRORS).labels(r#"error="bad_dllp""#),
    field(179, "NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR", PCIE_ERRORS).labels(r#"error="non_fatal""#),
    field(180, "NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR", PCIE_ERRORS).labels(r#"error="fatal""#),
    field(181, "NVML_FI_DEV_PCIE_COUNT_UNSUPPORTED_REQ", PCIE_ERRORS)
        .labels(r#"error="unsupported_request""#),
    field(182, "NVML_FI_DEV_PCIE_COUNT_LCRC_ERROR", PCIE_ERRORS).labels(r#"error="lcrc""#),
    field(183, "NVML_FI_DEV_PCIE_COUNT_LANE_ERROR", PCIE_ERRORS).labels(r#"error="lane""#),
    field(197, "NVML_FI_DEV_PCIE_COUNT_TX_BYTES", "odin_gpu_pcie_transmitted_bytes_total"),
    field(198, "NVML_FI_DEV_PCIE_COUNT_RX_BYTES", "odin_gpu_pcie_received_bytes_total"),
    field(228, "NVML_FI_DEV_PCIE_OUTBOUND_ATOMICS_MASK", "odin_gpu_pcie_atomics_mask")
        .labels(r#"direction="outbound""#),
    field(229, "NVML_FI_DEV_PCIE_INBOUND_ATOMICS_MASK", "odin_gpu_pcie_atomics_mask")
        .labels(r#"direction="inbound""#),
    field(170, "NVML_FI_DEV_C2C_LINK_COUNT", "odin_gpu_c2c_links"),
    field(171, "NVML_FI_DEV_C2C_LINK_GET_STATUS", "odin_gpu_c2c_active_links").over(Over::SumOfC2c),
    field(172, "NVML_FI_DEV_C2C_LINK_GET_MAX_BW", "odin_gpu_c2c_link_speed_bytes_per_second")
        .over(Over::MaximumOfC2c)
        .times(MEGA),
    field(231, "NVML_FI_DEV_C2C_LINK_ERROR_INTR", "odin_gpu_c2c_errors_total")
        .labels(r#"error="crc""#)
        .over(Over::SumOfC2c),
    field(232, "NVML_FI_DEV_C2C_LINK_ERROR_REPLAY", "odin_gpu_c2c_errors_total")
        .labels(r#"error="replay""#)
        .over(Over::SumOfC2c),
    field(233, "NVML_FI_DEV_C2C_LINK_ERROR_REPLAY_B2B", "odin_gpu_c2c_errors_total")
        .labels(r#"error="replay_back_to_back""#)
        .over(Over::SumOfC2c),
    field(234, "NVML_FI_DEV_C2C_LINK_POWER_STATE", "odin_gpu_c2c_power_state").over(Over::MaximumOfC2c),
    field(184, "NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED", "odin_gpu_mig_without_reset"),
    field(199, "NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE", "odin_gpu_mig_query_without_mode"),
    field(226, "NVML_FI_DEV_RESET_STATUS", "odin_gpu_reset_status"),
    field(227, "NVML_FI_DEV_DRAIN_AND_RESET_STATUS", "odin_gpu_drain_and_reset_status"),
    field(230, "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", "odin_gpu_recovery_action"),
    field(297, "NVML_FI_DEV_MMA_STALL_PERCENT", "odin_gpu_mma_stall_ratio").times(0.01),
    field(298, "NVML_FI_DEV_MCLK_SWITCH_TYPE", "odin_gpu_memory_clock_switch_type"),
    field(
        299,
        "NVML_FI_DEV_MCLK_MIN_SWITCH_INTERVAL_MILLISECONDS",
        "odin_gpu_memory_clock_switch_interval_seconds",
    )
    .times(MILLI),
];
