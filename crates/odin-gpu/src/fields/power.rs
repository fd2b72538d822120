//! Power and energy.

use super::{Field, Over, field};

const MILLI: f64 = 1e-3;
const PERCENT: f64 = 0.01;

/// Scopes of the power fields: the GPU alone, the module with its CPU, the
/// base of the GPU.
const GPU: Over = Over::Scope(0);
const MODULE: Over = Over::Scope(1);
const BASE: Over = Over::Scope(2);

const DRAW: &str = "odin_gpu_scope_power_watts";
const LIMIT: &str = "odin_gpu_scope_power_limit_watts";

pub(crate) const POWER: &[Field] = &[
    field(83, "NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "odin_gpu_energy_joules_total").times(MILLI),
    field(191, "NVML_FI_DEV_ENERGY", "odin_gpu_scope_energy_joules_total")
        .labels(r#"scope="gpu""#)
        .times(MILLI)
        .over(GPU),
    field(191, "NVML_FI_DEV_ENERGY", "odin_gpu_scope_energy_joules_total")
        .labels(r#"scope="module""#)
        .times(MILLI)
        .over(MODULE),
    field(185, "NVML_FI_DEV_POWER_AVERAGE", DRAW).labels(r#"scope="gpu",over="1s""#).times(MILLI).over(GPU),
    field(185, "NVML_FI_DEV_POWER_AVERAGE", DRAW)
        .labels(r#"scope="module",over="1s""#)
        .times(MILLI)
        .over(MODULE),
    field(186, "NVML_FI_DEV_POWER_INSTANT", DRAW)
        .labels(r#"scope="gpu",over="instant""#)
        .times(MILLI)
        .over(GPU),
    field(186, "NVML_FI_DEV_POWER_INSTANT", DRAW)
        .labels(r#"scope="module",over="instant""#)
        .times(MILLI)
        .over(MODULE),
    field(192, "NVML_FI_DEV_POWER_REQUESTED_LIMIT", LIMIT)
        .labels(r#"scope="gpu",limit="requested""#)
        .times(MILLI)
        .over(GPU),
    field(272, "NVML_FI_DEV_POWER_SYNC_BALANCING_FREQ", "odin_gpu_power_balancing_frequency_total"),
    field(273, "NVML_FI_DEV_POWER_SYNC_BALANCING_AF", "odin_gpu_power_balancing_activity_total"),
    field(274, "NVML_FI_DEV_EDPP_MULTIPLIER", "odin_gpu_edpp_multiplier_ratio").times(PERCENT),
    field(187, "NVML_FI_DEV_POWER_MIN_LIMIT", LIMIT)
        .labels(r#"scope="gpu",limit="minimum""#)
        .times(MILLI)
        .over(GPU),
    field(187, "NVML_FI_DEV_POWER_MIN_LIMIT", LIMIT)
        .labels(r#"scope="module",limit="minimum""#)
        .times(MILLI)
        .over(MODULE),
    field(187, "NVML_FI_DEV_POWER_MIN_LIMIT", LIMIT)
        .labels(r#"scope="base",limit="minimum""#)
        .times(MILLI)
        .over(BASE),
    field(188, "NVML_FI_DEV_POWER_MAX_LIMIT", LIMIT)
        .labels(r#"scope="gpu",limit="maximum""#)
        .times(MILLI)
        .over(GPU),
    field(188, "NVML_FI_DEV_POWER_MAX_LIMIT", LIMIT)
        .labels(r#"scope="module",limit="maximum""#)
        .times(MILLI)
        .over(MODULE),
    field(188, "NVML_FI_DEV_POWER_MAX_LIMIT", LIMIT)
        .labels(r#"scope="base",limit="maximum""#)
        .times(MILLI)
        .over(BASE),
    field(189, "NVML_FI_DEV_POWER_DEFAULT_LIMIT", LIMIT)
        .labels(r#"scope="gpu",limit="default""#)
        .times(MILLI)
        .over(GPU),
    field(189, "NVML_FI_DEV_POWER_DEFAULT_LIMIT", LIMIT)
        .labels(r#"scope="module",limit="default""#)
        .times(MILLI)
        .over(MODULE),
    field(189, "NVML_FI_DEV_POWER_DEFAULT_LIMIT", LIMIT)
        .labels(r#"scope="base",limit="default""#)
        .times(MILLI)
        .over(BASE),
    field(190, "NVML_FI_DEV_POWER_CURRENT_LIMIT", LIMIT)
        .labels(r#"scope="gpu",limit="current""#)
        .times(MILLI)
        .over(GPU),
    field(190, "NVML_FI_DEV_POWER_CURRENT_LIMIT", LIMIT)
        .labels(r#"scope="module",limit="current""#)
        .times(MILLI)
        .over(MODULE),
    field(190, "NVML_FI_DEV_POWER_CURRENT_LIMIT", LIMIT)
        .labels(r#"scope="base",limit="current""#)
        .times(MILLI)
        .over(BASE),
];
