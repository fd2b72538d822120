//! Memory, and how busy the engines are.

use super::Word::{U32, U64};
use super::{Each, Getter, number, outs, plain, version, versioned};

const MICRO: f64 = 1e-6;
const PERCENT: f64 = 0.01;
const KIBI: f64 = 1024.0;

pub(super) const MEMORY: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetMemoryInfo_v2",
        select: &[],
        each: Each::Device,
        out: versioned(40, &[(0, version(40, 2))]),
        numbers: &[
            number(U64, 8, "odin_gpu_memory_total_bytes"),
            number(U64, 16, "odin_gpu_memory_reserved_bytes"),
            number(U64, 24, "odin_gpu_memory_free_bytes"),
            number(U64, 32, "odin_gpu_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryInfo",
        select: &[],
        each: Each::Device,
        out: plain(24),
        numbers: &[
            number(U64, 0, "odin_gpu_memory_total_bytes"),
            number(U64, 8, "odin_gpu_memory_free_bytes"),
            number(U64, 16, "odin_gpu_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetBAR1MemoryInfo",
        select: &[],
        each: Each::Device,
        out: plain(24),
        numbers: &[
            number(U64, 0, "odin_gpu_bar1_memory_total_bytes"),
            number(U64, 8, "odin_gpu_bar1_memory_free_bytes"),
            number(U64, 16, "odin_gpu_bar1_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetConfComputeMemSizeInfo",
        select: &[],
        each: Each::Device,
        out: plain(16),
        numbers: &[
            number(U64, 0, "odin_gpu_confidential_memory_bytes").labels(r#"memory="protected""#).times(KIBI),
            number(U64, 8, "odin_gpu_confidential_memory_bytes")
                .labels(r#"memory="unprotected""#)
                .times(KIBI),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetConfComputeProtectedMemoryUsage",
        select: &[],
        each: Each::Device,
        out: plain(24),
        numbers: &[
            number(U64, 0, "odin_gpu_protected_memory_total_bytes"),
            number(U64, 8, "odin_gpu_protected_memory_free_bytes"),
            number(U64, 16, "odin_gpu_protected_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryBusWidth",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_memory_bus_width_bytes").times(0.125)],
    },
    Getter {
        symbol: "nvmlDeviceGetUtilizationRates",
        select: &[],
        each: Each::Device,
        out: plain(8),
        numbers: &[
            number(U32, 0, "odin_gpu_utilization_ratio").labels(r#"engine="gpu""#).times(PERCENT),
            number(U32, 4, "odin_gpu_utilization_ratio").labels(r#"engine="memory""#).times(PERCENT),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetEncoderUtilization",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_utilization_ratio").labels(r#"engine="encoder""#).times(PERCENT),
            number(U32, 8, "odin_gpu_utilization_period_seconds").labels(r#"engine="encoder""#).times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetDecoderUtilization",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_utilization_ratio").labels(r#"engine="decoder""#).times(PERCENT),
            number(U32, 8, "odin_gpu_utilization_period_seconds").labels(r#"engine="decoder""#).times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetJpgUtilization",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_utilization_ratio").labels(r#"engine="jpeg""#).times(PERCENT),
            number(U32, 8, "odin_gpu_utilization_period_seconds").labels(r#"engine="jpeg""#).times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetOfaUtilization",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_utilization_ratio").labels(r#"engine="optical_flow""#).times(PERCENT),
            number(U32, 8, "odin_gpu_utilization_period_seconds")
                .labels(r#"engine="optical_flow""#)
                .times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetEncoderCapacity",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_encoder_capacity_ratio")
            .labels(r#"codec="h264""#)
            .times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetEncoderCapacity",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_encoder_capacity_ratio")
            .labels(r#"codec="hevc""#)
            .times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetEncoderCapacity",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_encoder_capacity_ratio").labels(r#"codec="av1""#).times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetEncoderStats",
        select: &[],
        each: Each::Device,
        out: outs(3),
        numbers: &[
            number(U32, 0, "odin_gpu_encoder_sessions"),
            number(U32, 8, "odin_gpu_encoder_frames_per_second"),
            number(U32, 16, "odin_gpu_encoder_latency_seconds").times(MICRO),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetFBCStats",
        select: &[],
        each: Each::Device,
        out: plain(12),
        numbers: &[
            number(U32, 0, "odin_gpu_frame_capture_sessions"),
            number(U32, 4, "odin_gpu_frame_capture_frames_per_second"),
            number(U32, 8, "odin_gpu_frame_capture_latency_seconds").times(MICRO),
        ],
    },
];
