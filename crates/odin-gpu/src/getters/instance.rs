//! What is asked of a MIG device.

use super::Word::{U32, U64};
use super::{Each, Getter, Number, number, outs, plain, version, versioned};

const MEBI: f64 = 1_048_576.0;

pub(super) const INSTANCE: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetGpuInstanceId",
        select: &[],
        each: Each::Instance,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_mig_device_gpu_instance")],
    },
    Getter {
        symbol: "nvmlDeviceGetComputeInstanceId",
        select: &[],
        each: Each::Instance,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_mig_device_compute_instance")],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryInfo_v2",
        select: &[],
        each: Each::Instance,
        out: versioned(40, &[(0, version(40, 2))]),
        numbers: &[
            number(U64, 8, "odin_gpu_mig_device_memory_total_bytes"),
            number(U64, 16, "odin_gpu_mig_device_memory_reserved_bytes"),
            number(U64, 24, "odin_gpu_mig_device_memory_free_bytes"),
            number(U64, 32, "odin_gpu_mig_device_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryInfo",
        select: &[],
        each: Each::Instance,
        out: plain(24),
        numbers: &[
            number(U64, 0, "odin_gpu_mig_device_memory_total_bytes"),
            number(U64, 8, "odin_gpu_mig_device_memory_free_bytes"),
            number(U64, 16, "odin_gpu_mig_device_memory_used_bytes"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetAttributes_v2",
        select: &[],
        each: Each::Instance,
        out: plain(40),
        numbers: &[
            number(U32, 0, "odin_gpu_mig_device_multiprocessors"),
            engines(4, r#"engine="copy""#),
            engines(8, r#"engine="decoder""#),
            engines(12, r#"engine="encoder""#),
            engines(16, r#"engine="jpeg""#),
            engines(20, r#"engine="optical_flow""#),
            number(U32, 24, "odin_gpu_mig_device_slices").labels(r#"slice="gpu_instance""#),
            number(U32, 28, "odin_gpu_mig_device_slices").labels(r#"slice="compute_instance""#),
            number(U64, 32, "odin_gpu_mig_device_profile_memory_bytes").times(MEBI),
        ],
    },
];

const fn engines(offset: usize, labels: &'static str) -> Number {
    number(U32, offset, "odin_gpu_mig_device_engines").labels(labels)
}
