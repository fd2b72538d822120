//! The rows of dcgm-exporter's default file, in its order.

use super::{Kind, Row, Source};

const fn gauge(
    id: u32,
    name: &'static str,
    alias: Option<&'static str>,
    help: &'static str,
    source: Source,
) -> Row {
    Row { id, name, alias, kind: Kind::Gauge, help, source }
}

const fn counter(
    id: u32,
    name: &'static str,
    alias: Option<&'static str>,
    help: &'static str,
    source: Source,
) -> Row {
    Row { id, name, alias, kind: Kind::Counter, help, source }
}

const fn sample(family: &'static str, labels: &'static str, factor: f64) -> Source {
    Source::Sample(family, labels, factor)
}

const MEGA: f64 = 1e-6;
const MEBI: f64 = 1.0 / 1_048_576.0;
const PERCENT: f64 = 100.0;
const NANO: f64 = 1e9;
const PROFILING: Source = Source::Nothing(
    "a profiling counter: DCGM reads it from the hardware, NVML has it only as GPM samples of Hopper and later",
);

const VIOLATION: &str = "odin_gpu_violation_seconds_total";
const ECC: &str = "odin_gpu_ecc_errors_total";

/// Data both ways over all links, in KiB.
const NVLINK_BANDWIDTH: Source = Source::Sum(
    [
        ("odin_gpu_nvlink_transmitted_bytes_total", r#"counted="data""#),
        ("odin_gpu_nvlink_received_bytes_total", r#"counted="data""#),
    ],
    1.0 / 1024.0,
);
/// Everything both ways over the first link, in bytes.
const NVLINK_LINK: Source = Source::Sum(
    [
        ("odin_gpu_nvlink_link_transmitted_bytes_total", r#"link="0""#),
        ("odin_gpu_nvlink_link_received_bytes_total", r#"link="0""#),
    ],
    1.0,
);

/// The metrics, in the order of the file.
pub(crate) const ROWS: &[Row] = &[
    gauge(
        100,
        "DCGM_FI_DEV_SM_CLOCK",
        None,
        "SM clock frequency (in MHz)",
        sample("odin_gpu_clock_hertz", r#"clock="sm""#, MEGA),
    ),
    gauge(
        101,
        "DCGM_FI_DEV_MEM_CLOCK",
        None,
        "Memory clock frequency (in MHz)",
        sample("odin_gpu_clock_hertz", r#"clock="memory""#, MEGA),
    ),
    gauge(
        140,
        "DCGM_FI_DEV_MEMORY_TEMP",
        Some("DCGM_FI_DEV_MEMORY_TEMP_CELSIUS"),
        "Memory temperature (in C)",
        sample("odin_gpu_memory_temperature_celsius", "", 1.0),
    ),
    gauge(
        150,
        "DCGM_FI_DEV_GPU_TEMP",
        Some("DCGM_FI_DEV_GPU_TEMP_CELSIUS"),
        "GPU temperature (in C)",
        sample("odin_gpu_temperature_celsius", "", 1.0),
    ),
    gauge(
        155,
        "DCGM_FI_DEV_POWER_USAGE",
        Some("DCGM_FI_DEV_BOARD_POWER_WATTS"),
        "Power draw (in W)",
        sample("odin_gpu_power_watts", "", 1.0),
    ),
    counter(
        156,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        None,
        "Total energy consumption since boot (in mJ)",
        sample("odin_gpu_energy_joules_total", "", 1e3),
    ),
    counter(
        202,
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        Some("DCGM_FI_DEV_PCIE_REPLAY_TOTAL"),
        "Total number of PCIe retries",
        sample("odin_gpu_pcie_replays_total", "", 1.0),
    ),
    gauge(
        203,
        "DCGM_FI_DEV_GPU_UTIL",
        Some("DCGM_FI_DEV_GPU_UTIL_RATIO"),
        "GPU utilization (in %)",
        sample("odin_gpu_utilization_ratio", r#"engine="gpu""#, PERCENT),
    ),
    gauge(
        204,
        "DCGM_FI_DEV_MEM_COPY_UTIL",
        None,
        "Memory utilization (in %)",
        sample("odin_gpu_utilization_ratio", r#"engine="memory""#, PERCENT),
    ),
    gauge(
        206,
        "DCGM_FI_DEV_ENC_UTIL",
        None,
        "Encoder utilization (in %)",
        sample("odin_gpu_utilization_ratio", r#"engine="encoder""#, PERCENT),
    ),
    gauge(
        207,
        "DCGM_FI_DEV_DEC_UTIL",
        None,
        "Decoder utilization (in %)",
        sample("odin_gpu_utilization_ratio", r#"engine="decoder""#, PERCENT),
    ),
    gauge(
        230,
        "DCGM_FI_DEV_XID_ERRORS",
        Some("DCGM_FI_DEV_XID_ERROR"),
        "Value of the last XID error encountered",
        Source::LastXid,
    ),
    counter(
        240,
        "DCGM_FI_DEV_POWER_VIOLATION",
        None,
        "Throttling duration due to power constraints (in ns)",
        sample(VIOLATION, r#"policy="power""#, NANO),
    ),
    counter(
        241,
        "DCGM_FI_DEV_THERMAL_VIOLATION",
        None,
        "Throttling duration due to thermal constraints (in ns)",
        sample(VIOLATION, r#"policy="thermal""#, NANO),
    ),
    counter(
        242,
        "DCGM_FI_DEV_SYNC_BOOST_VIOLATION",
        None,
        "Throttling duration due to sync-boost constraints (in ns)",
        sample(VIOLATION, r#"policy="sync_boost""#, NANO),
    ),
    counter(
        243,
        "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION",
        None,
        "Throttling duration due to board limit constraints (in ns)",
        sample(VIOLATION, r#"policy="board_limit""#, NANO),
    ),
    counter(
        244,
        "DCGM_FI_DEV_LOW_UTIL_VIOLATION",
        None,
        "Throttling duration due to low utilization (in ns)",
        sample(VIOLATION, r#"policy="low_utilization""#, NANO),
    ),
    counter(
        245,
        "DCGM_FI_DEV_RELIABILITY_VIOLATION",
        None,
        "Throttling duration due to reliability constraints (in ns)",
        sample(VIOLATION, r#"policy="reliability""#, NANO),
    ),
    counter(9002, "DCGM_EXP_CLOCK_EVENTS_COUNT", None, "reported clock events", Source::ClockEvents),
    counter(9001, "DCGM_EXP_XID_ERRORS_COUNT", None, "reported XIDs during last window", Source::XidWindow),
    counter(
        9003,
        "DCGM_EXP_GPU_HEALTH_STATUS",
        None,
        "DCGM reported health status",
        Source::Nothing("a watch of DCGM's own; odin_gpu_health is ODIN's verdict"),
    ),
    counter(
        9004,
        "DCGM_EXP_P2P_STATUS",
        None,
        "P2P NvLink status",
        Source::Nothing("a relation of two devices, no number of one"),
    ),
    gauge(
        251,
        "DCGM_FI_DEV_FB_FREE",
        None,
        "Framebuffer memory free (in MiB)",
        sample("odin_gpu_memory_free_bytes", "", MEBI),
    ),
    gauge(
        252,
        "DCGM_FI_DEV_FB_USED",
        None,
        "Framebuffer memory used (in MiB)",
        sample("odin_gpu_memory_used_bytes", "", MEBI),
    ),
    gauge(
        253,
        "DCGM_FI_DEV_FB_RESERVED",
        None,
        "Framebuffer memory reserved (in MiB)",
        sample("odin_gpu_memory_reserved_bytes", "", MEBI),
    ),
    counter(
        310,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        None,
        "Total number of single-bit volatile ECC errors",
        sample(ECC, r#"error="corrected",since="boot""#, 1.0),
    ),
    counter(
        311,
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        None,
        "Total number of double-bit volatile ECC errors",
        sample(ECC, r#"error="uncorrected",since="boot""#, 1.0),
    ),
    counter(
        312,
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        None,
        "Total number of single-bit persistent ECC errors",
        sample(ECC, r#"error="corrected",since="ever""#, 1.0),
    ),
    counter(
        313,
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        None,
        "Total number of double-bit persistent ECC errors",
        sample(ECC, r#"error="uncorrected",since="ever""#, 1.0),
    ),
    counter(
        390,
        "DCGM_FI_DEV_RETIRED_SBE",
        Some("DCGM_FI_DEV_PAGE_RETIRED_SBE_TOTAL"),
        "Total number of retired pages due to single-bit errors",
        sample("odin_gpu_retired_pages_total", r#"cause="single_bit""#, 1.0),
    ),
    counter(
        391,
        "DCGM_FI_DEV_RETIRED_DBE",
        Some("DCGM_FI_DEV_PAGE_RETIRED_DBE_TOTAL"),
        "Total number of retired pages due to double-bit errors",
        sample("odin_gpu_retired_pages_total", r#"cause="double_bit""#, 1.0),
    ),
    counter(
        392,
        "DCGM_FI_DEV_RETIRED_PENDING",
        Some("DCGM_FI_DEV_PAGE_RETIRED_PENDING"),
        "Total number of pages pending retirement",
        sample("odin_gpu_page_retirement_pending", "", 1.0),
    ),
    counter(
        409,
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
        Some("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL"),
        "Total number of NVLink flow-control CRC errors",
        sample("odin_gpu_nvlink_crc_flit_errors_total", "", 1.0),
    ),
    counter(
        419,
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        Some("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL"),
        "Total number of NVLink data CRC errors",
        sample("odin_gpu_nvlink_crc_data_errors_total", "", 1.0),
    ),
    counter(
        429,
        "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
        Some("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL"),
        "Total number of NVLink retries",
        sample("odin_gpu_nvlink_replays_total", "", 1.0),
    ),
    counter(
        439,
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        Some("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL"),
        "Total number of NVLink recovery errors",
        sample("odin_gpu_nvlink_recoveries_total", "", 1.0),
    ),
    counter(
        449,
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        Some("DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL"),
        "Total number of NVLink bandwidth counters for all lanes",
        NVLINK_BANDWIDTH,
    ),
    counter(
        440,
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_L0",
        Some("DCGM_FI_DEV_NVLINK_THROUGHPUT_L0"),
        "The number of bytes of active NVLink rx or tx data including both header and payload",
        NVLINK_LINK,
    ),
    gauge(
        526,
        "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
        None,
        "vGPU License status",
        sample("odin_gpu_vgpu_license_status", "", 1.0),
    ),
    counter(
        393,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        Some("DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL"),
        "Number of remapped rows for uncorrectable errors",
        sample("odin_gpu_remapped_rows_total", r#"cause="uncorrectable""#, 1.0),
    ),
    counter(
        394,
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        Some("DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL"),
        "Number of remapped rows for correctable errors",
        sample("odin_gpu_remapped_rows_total", r#"cause="correctable""#, 1.0),
    ),
    gauge(
        395,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        Some("DCGM_FI_DEV_ROW_REMAP_FAILED"),
        "Whether remapping of rows has failed",
        sample("odin_gpu_row_remap_failed", "", 1.0),
    ),
    gauge(
        1001,
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        Some("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"),
        "Ratio of time the graphics engine is active",
        PROFILING,
    ),
    gauge(
        1002,
        "DCGM_FI_PROF_SM_ACTIVE",
        Some("DCGM_FI_PROF_SM_UTIL_RATIO"),
        "The ratio of cycles an SM has at least 1 warp assigned",
        PROFILING,
    ),
    gauge(
        1003,
        "DCGM_FI_PROF_SM_OCCUPANCY",
        Some("DCGM_FI_PROF_SM_OCCUPANCY_RATIO"),
        "The ratio of number of warps resident on an SM",
        PROFILING,
    ),
    gauge(
        1004,
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        Some("DCGM_FI_PROF_TENSOR_UTIL_RATIO"),
        "Ratio of cycles the tensor (HMMA) pipe is active",
        PROFILING,
    ),
    gauge(
        1005,
        "DCGM_FI_PROF_DRAM_ACTIVE",
        Some("DCGM_FI_PROF_DRAM_UTIL_RATIO"),
        "Ratio of cycles the device memory interface is active sending or receiving data",
        PROFILING,
    ),
    gauge(
        1006,
        "DCGM_FI_PROF_PIPE_FP64_ACTIVE",
        Some("DCGM_FI_PROF_FP64_UTIL_RATIO"),
        "Ratio of cycles the fp64 pipes are active",
        PROFILING,
    ),
    gauge(
        1007,
        "DCGM_FI_PROF_PIPE_FP32_ACTIVE",
        Some("DCGM_FI_PROF_FP32_UTIL_RATIO"),
        "Ratio of cycles the fp32 pipes are active",
        PROFILING,
    ),
    gauge(
        1008,
        "DCGM_FI_PROF_PIPE_FP16_ACTIVE",
        Some("DCGM_FI_PROF_FP16_UTIL_RATIO"),
        "Ratio of cycles the fp16 pipes are active",
        PROFILING,
    ),
    gauge(
        1009,
        "DCGM_FI_PROF_PCIE_TX_BYTES",
        None,
        "The rate of data transmitted over the PCIe bus - including both protocol headers and data payloads - in bytes per second",
        sample("odin_gpu_pcie_transmitted_bytes_per_second", "", 1.0),
    ),
    gauge(
        1010,
        "DCGM_FI_PROF_PCIE_RX_BYTES",
        None,
        "The rate of data received over the PCIe bus - including both protocol headers and data payloads - in bytes per second",
        sample("odin_gpu_pcie_received_bytes_per_second", "", 1.0),
    ),
];
