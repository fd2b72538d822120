//! ECC, retired pages, remapped rows, repairs.

use super::Word::{U32, U64};
use super::{Each, Getter, number, outs, plain, version, versioned};

pub(super) const ERRORS: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetEccMode",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_ecc_enabled").labels(r#"when="now""#),
            number(U32, 8, "odin_gpu_ecc_enabled").labels(r#"when="after_reboot""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetDefaultEccMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_ecc_enabled").labels(r#"when="default""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTotalEccErrors",
        select: &[0, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_errors_total").labels(r#"error="corrected",since="boot""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetDetailedEccErrors",
        select: &[0, 0],
        each: Each::Device,
        out: plain(32),
        numbers: &[
            number(U64, 0, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="boot",location="l1""#),
            number(U64, 8, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="boot",location="l2""#),
            number(U64, 16, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="boot",location="device_memory""#),
            number(U64, 24, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="boot",location="register_file""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="l1""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="l2""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="device_memory""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="register_file""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="texture""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="texture_shared""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="cbu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 0, 7],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="boot",location="sram""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTotalEccErrors",
        select: &[0, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_errors_total").labels(r#"error="corrected",since="ever""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetDetailedEccErrors",
        select: &[0, 1],
        each: Each::Device,
        out: plain(32),
        numbers: &[
            number(U64, 0, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="ever",location="l1""#),
            number(U64, 8, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="ever",location="l2""#),
            number(U64, 16, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="ever",location="device_memory""#),
            number(U64, 24, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="corrected",since="ever",location="register_file""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="l1""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="l2""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="device_memory""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="register_file""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="texture""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="texture_shared""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="cbu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[0, 1, 7],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="corrected",since="ever",location="sram""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTotalEccErrors",
        select: &[1, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_errors_total").labels(r#"error="uncorrected",since="boot""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetDetailedEccErrors",
        select: &[1, 0],
        each: Each::Device,
        out: plain(32),
        numbers: &[
            number(U64, 0, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="boot",location="l1""#),
            number(U64, 8, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="boot",location="l2""#),
            number(U64, 16, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="boot",location="device_memory""#),
            number(U64, 24, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="boot",location="register_file""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="l1""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="l2""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="device_memory""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="register_file""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="texture""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="texture_shared""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="cbu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 0, 7],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="boot",location="sram""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTotalEccErrors",
        select: &[1, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_errors_total").labels(r#"error="uncorrected",since="ever""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetDetailedEccErrors",
        select: &[1, 1],
        each: Each::Device,
        out: plain(32),
        numbers: &[
            number(U64, 0, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="ever",location="l1""#),
            number(U64, 8, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="ever",location="l2""#),
            number(U64, 16, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="ever",location="device_memory""#),
            number(U64, 24, "odin_gpu_ecc_location_errors_total")
                .labels(r#"error="uncorrected",since="ever",location="register_file""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="l1""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="l2""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="device_memory""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="register_file""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="texture""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="texture_shared""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="cbu""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemoryErrorCounter",
        select: &[1, 1, 7],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_ecc_location_errors_total")
            .labels(r#"error="uncorrected",since="ever",location="sram""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetSramEccErrorStatus",
        select: &[],
        each: Each::Device,
        out: versioned(104, &[(0, version(104, 1))]),
        numbers: &[
            number(U64, 8, "odin_gpu_sram_ecc_errors_total")
                .labels(r#"error="uncorrected_parity",since="ever""#),
            number(U64, 16, "odin_gpu_sram_ecc_errors_total")
                .labels(r#"error="uncorrected_secded",since="ever""#),
            number(U64, 24, "odin_gpu_sram_ecc_errors_total").labels(r#"error="corrected",since="ever""#),
            number(U64, 32, "odin_gpu_sram_ecc_errors_total")
                .labels(r#"error="uncorrected_parity",since="boot""#),
            number(U64, 40, "odin_gpu_sram_ecc_errors_total")
                .labels(r#"error="uncorrected_secded",since="boot""#),
            number(U64, 48, "odin_gpu_sram_ecc_errors_total").labels(r#"error="corrected",since="boot""#),
            number(U64, 56, "odin_gpu_sram_ecc_uncorrected_errors_total").labels(r#"unit="l2""#),
            number(U64, 64, "odin_gpu_sram_ecc_uncorrected_errors_total").labels(r#"unit="sm""#),
            number(U64, 72, "odin_gpu_sram_ecc_uncorrected_errors_total").labels(r#"unit="pcie""#),
            number(U64, 80, "odin_gpu_sram_ecc_uncorrected_errors_total").labels(r#"unit="microcontroller""#),
            number(U64, 88, "odin_gpu_sram_ecc_uncorrected_errors_total").labels(r#"unit="other""#),
            number(U32, 96, "odin_gpu_sram_ecc_threshold_exceeded"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts",
        select: &[],
        each: Each::Device,
        out: versioned(16, &[(0, version(16, 1))]),
        numbers: &[number(U32, 4, "odin_gpu_sram_ecc_uncorrected_addresses")],
    },
    Getter {
        symbol: "nvmlDeviceGetRetiredPagesPendingStatus",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_page_retirement_pending")],
    },
    Getter {
        symbol: "nvmlDeviceGetRemappedRows",
        select: &[],
        each: Each::Device,
        out: outs(4),
        numbers: &[
            number(U32, 0, "odin_gpu_remapped_rows_total").labels(r#"cause="correctable""#),
            number(U32, 8, "odin_gpu_remapped_rows_total").labels(r#"cause="uncorrectable""#),
            number(U32, 16, "odin_gpu_row_remap_pending"),
            number(U32, 24, "odin_gpu_row_remap_failed"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetRemappedRows_v2",
        select: &[],
        each: Each::Device,
        out: plain(24),
        numbers: &[
            number(U32, 0, "odin_gpu_remapped_rows_total").labels(r#"cause="correctable""#),
            number(U32, 4, "odin_gpu_remapped_rows_inactive").labels(r#"cause="correctable""#),
            number(U32, 8, "odin_gpu_remapped_rows_total").labels(r#"cause="uncorrectable""#),
            number(U32, 12, "odin_gpu_remapped_rows_inactive").labels(r#"cause="uncorrectable""#),
            number(U32, 16, "odin_gpu_row_remap_pending"),
            number(U32, 20, "odin_gpu_row_remap_failed"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetRowRemapperHistogram",
        select: &[],
        each: Each::Device,
        out: plain(20),
        numbers: &[
            number(U32, 0, "odin_gpu_row_remap_banks").labels(r#"available="maximum""#),
            number(U32, 4, "odin_gpu_row_remap_banks").labels(r#"available="high""#),
            number(U32, 8, "odin_gpu_row_remap_banks").labels(r#"available="partial""#),
            number(U32, 12, "odin_gpu_row_remap_banks").labels(r#"available="low""#),
            number(U32, 16, "odin_gpu_row_remap_banks").labels(r#"available="none""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetRepairStatus",
        select: &[],
        each: Each::Device,
        out: versioned(12, &[(0, version(12, 1))]),
        numbers: &[
            number(U32, 4, "odin_gpu_repair_pending").labels(r#"part="channel""#),
            number(U32, 8, "odin_gpu_repair_pending").labels(r#"part="tpc""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetUnrepairableMemoryFlag_v1",
        select: &[],
        each: Each::Device,
        out: plain(4),
        numbers: &[number(U32, 0, "odin_gpu_memory_unrepairable")],
    },
];
