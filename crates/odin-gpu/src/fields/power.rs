//! Power, energy and power smoothing.

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

/// Admin override, and what is applied now.
const OVERRIDE: &str = r#"profile="override""#;

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
    field(251, "NVML_FI_PWR_SMOOTHING_ENABLED", "odin_gpu_power_smoothing_enabled"),
    field(252, "NVML_FI_PWR_SMOOTHING_PRIV_LVL", "odin_gpu_power_smoothing_privilege_level"),
    field(
        253,
        "NVML_FI_PWR_SMOOTHING_IMM_RAMP_DOWN_ENABLED",
        "odin_gpu_power_smoothing_immediate_ramp_down_enabled",
    ),
    field(254, "NVML_FI_PWR_SMOOTHING_APPLIED_TMP_CEIL", "odin_gpu_power_smoothing_applied_watts")
        .labels(r#"level="ceiling""#),
    field(255, "NVML_FI_PWR_SMOOTHING_APPLIED_TMP_FLOOR", "odin_gpu_power_smoothing_applied_watts")
        .labels(r#"level="floor""#),
    field(275, "NVML_FI_PWR_SMOOTHING_PRIMARY_POWER_FLOOR", "odin_gpu_power_smoothing_applied_watts")
        .labels(r#"level="primary_floor""#),
    field(276, "NVML_FI_PWR_SMOOTHING_SECONDARY_POWER_FLOOR", "odin_gpu_power_smoothing_applied_watts")
        .labels(r#"level="secondary_floor""#),
    field(
        277,
        "NVML_FI_PWR_SMOOTHING_MIN_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_applied_watts",
    )
    .labels(r#"level="minimum_activation_offset""#),
    field(278, "NVML_FI_PWR_SMOOTHING_MIN_PRIMARY_FLOOR_ACT_POINT", "odin_gpu_power_smoothing_applied_watts")
        .labels(r#"level="minimum_activation_point""#),
    field(
        256,
        "NVML_FI_PWR_SMOOTHING_MAX_PERCENT_TMP_FLOOR_SETTING",
        "odin_gpu_power_smoothing_floor_setting_ratio",
    )
    .labels(r#"setting="maximum""#)
    .times(PERCENT),
    field(
        257,
        "NVML_FI_PWR_SMOOTHING_MIN_PERCENT_TMP_FLOOR_SETTING",
        "odin_gpu_power_smoothing_floor_setting_ratio",
    )
    .labels(r#"setting="minimum""#)
    .times(PERCENT),
    field(
        258,
        "NVML_FI_PWR_SMOOTHING_HW_CIRCUITRY_PERCENT_LIFETIME_REMAINING",
        "odin_gpu_power_smoothing_lifetime_remaining_ratio",
    )
    .times(PERCENT),
    field(259, "NVML_FI_PWR_SMOOTHING_MAX_NUM_PRESET_PROFILES", "odin_gpu_power_smoothing_profiles"),
    field(264, "NVML_FI_PWR_SMOOTHING_ACTIVE_PRESET_PROFILE", "odin_gpu_power_smoothing_active_profile"),
    field(279, "NVML_FI_PWR_SMOOTHING_WINDOW_MULTIPLIER", "odin_gpu_power_smoothing_window_seconds")
        .times(MILLI),
    field(
        280,
        "NVML_FI_PWR_SMOOTHING_DELAYED_PWR_SMOOTHING_SUPPORTED",
        "odin_gpu_power_smoothing_delayed_supported",
    ),
    field(
        300,
        "NVML_FI_PWR_SMOOTHING_SOC_POWER_SMOOTHING_ENABLED",
        "odin_gpu_power_smoothing_state_of_charge_enabled",
    ),
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
    field(
        260,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(r#"profile="0""#)
    .times(PERCENT)
    .over(Over::Scope(0)),
    field(
        260,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(r#"profile="1""#)
    .times(PERCENT)
    .over(Over::Scope(1)),
    field(
        260,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(r#"profile="2""#)
    .times(PERCENT)
    .over(Over::Scope(2)),
    field(
        260,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(r#"profile="3""#)
    .times(PERCENT)
    .over(Over::Scope(3)),
    field(
        260,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(r#"profile="4""#)
    .times(PERCENT)
    .over(Over::Scope(4)),
    field(
        265,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_PERCENT_TMP_FLOOR",
        "odin_gpu_power_smoothing_profile_floor_ratio",
    )
    .labels(OVERRIDE)
    .times(PERCENT),
    field(
        261,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(r#"profile="0""#)
    .times(MILLI)
    .over(Over::Scope(0)),
    field(
        261,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(r#"profile="1""#)
    .times(MILLI)
    .over(Over::Scope(1)),
    field(
        261,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(r#"profile="2""#)
    .times(MILLI)
    .over(Over::Scope(2)),
    field(
        261,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(r#"profile="3""#)
    .times(MILLI)
    .over(Over::Scope(3)),
    field(
        261,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(r#"profile="4""#)
    .times(MILLI)
    .over(Over::Scope(4)),
    field(
        266,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_UP_RATE",
        "odin_gpu_power_smoothing_profile_ramp_up_watts_per_second",
    )
    .labels(OVERRIDE)
    .times(MILLI),
    field(
        262,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(r#"profile="0""#)
    .times(MILLI)
    .over(Over::Scope(0)),
    field(
        262,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(r#"profile="1""#)
    .times(MILLI)
    .over(Over::Scope(1)),
    field(
        262,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(r#"profile="2""#)
    .times(MILLI)
    .over(Over::Scope(2)),
    field(
        262,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(r#"profile="3""#)
    .times(MILLI)
    .over(Over::Scope(3)),
    field(
        262,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(r#"profile="4""#)
    .times(MILLI)
    .over(Over::Scope(4)),
    field(
        267,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_DOWN_RATE",
        "odin_gpu_power_smoothing_profile_ramp_down_watts_per_second",
    )
    .labels(OVERRIDE)
    .times(MILLI),
    field(
        263,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(r#"profile="0""#)
    .times(MILLI)
    .over(Over::Scope(0)),
    field(
        263,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(r#"profile="1""#)
    .times(MILLI)
    .over(Over::Scope(1)),
    field(
        263,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(r#"profile="2""#)
    .times(MILLI)
    .over(Over::Scope(2)),
    field(
        263,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(r#"profile="3""#)
    .times(MILLI)
    .over(Over::Scope(3)),
    field(
        263,
        "NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(r#"profile="4""#)
    .times(MILLI)
    .over(Over::Scope(4)),
    field(
        268,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_DOWN_HYST_VAL",
        "odin_gpu_power_smoothing_profile_ramp_down_hysteresis_seconds",
    )
    .labels(OVERRIDE)
    .times(MILLI),
    field(
        281,
        "NVML_FI_PWR_SMOOTHING_PROFILE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(r#"profile="0""#)
    .over(Over::Scope(0)),
    field(
        281,
        "NVML_FI_PWR_SMOOTHING_PROFILE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(r#"profile="1""#)
    .over(Over::Scope(1)),
    field(
        281,
        "NVML_FI_PWR_SMOOTHING_PROFILE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(r#"profile="2""#)
    .over(Over::Scope(2)),
    field(
        281,
        "NVML_FI_PWR_SMOOTHING_PROFILE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(r#"profile="3""#)
    .over(Over::Scope(3)),
    field(
        281,
        "NVML_FI_PWR_SMOOTHING_PROFILE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(r#"profile="4""#)
    .over(Over::Scope(4)),
    field(
        285,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_SECONDARY_POWER_FLOOR",
        "odin_gpu_power_smoothing_profile_secondary_floor_watts",
    )
    .labels(OVERRIDE),
    field(
        282,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(r#"profile="0""#)
    .over(Over::Scope(0)),
    field(
        282,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(r#"profile="1""#)
    .over(Over::Scope(1)),
    field(
        282,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(r#"profile="2""#)
    .over(Over::Scope(2)),
    field(
        282,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(r#"profile="3""#)
    .over(Over::Scope(3)),
    field(
        282,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(r#"profile="4""#)
    .over(Over::Scope(4)),
    field(
        286,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_PRIMARY_FLOOR_ACT_WIN_MULT",
        "odin_gpu_power_smoothing_profile_activation_window_multiplier",
    )
    .labels(OVERRIDE),
    field(
        283,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(r#"profile="0""#)
    .over(Over::Scope(0)),
    field(
        283,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(r#"profile="1""#)
    .over(Over::Scope(1)),
    field(
        283,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(r#"profile="2""#)
    .over(Over::Scope(2)),
    field(
        283,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(r#"profile="3""#)
    .over(Over::Scope(3)),
    field(
        283,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(r#"profile="4""#)
    .over(Over::Scope(4)),
    field(
        287,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_PRIMARY_FLOOR_TAR_WIN_MULT",
        "odin_gpu_power_smoothing_profile_target_window_multiplier",
    )
    .labels(OVERRIDE),
    field(
        284,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(r#"profile="0""#)
    .over(Over::Scope(0)),
    field(
        284,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(r#"profile="1""#)
    .over(Over::Scope(1)),
    field(
        284,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(r#"profile="2""#)
    .over(Over::Scope(2)),
    field(
        284,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(r#"profile="3""#)
    .over(Over::Scope(3)),
    field(
        284,
        "NVML_FI_PWR_SMOOTHING_PROFILE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(r#"profile="4""#)
    .over(Over::Scope(4)),
    field(
        288,
        "NVML_FI_PWR_SMOOTHING_ADMIN_OVERRIDE_PRIMARY_FLOOR_ACT_OFFSET",
        "odin_gpu_power_smoothing_profile_activation_offset_watts",
    )
    .labels(OVERRIDE),
];
