//! Temperatures, fans and power.

use super::Word::{I32, U32, U64};
use super::{Each, Getter, number, outs, plain, version, versioned};

const MILLI: f64 = 1e-3;
const PERCENT: f64 = 0.01;

pub(super) const THERMAL: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetTemperature",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_celsius")],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureV",
        select: &[],
        each: Each::Device,
        out: versioned(12, &[(0, version(12, 1)), (4, 0)]),
        numbers: &[number(I32, 8, "odin_gpu_temperature_celsius")],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_threshold_celsius").labels(r#"threshold="shutdown""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_threshold_celsius").labels(r#"threshold="slowdown""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_temperature_threshold_celsius").labels(r#"threshold="memory_maximum""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_temperature_threshold_celsius").labels(r#"threshold="gpu_maximum""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[4],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_threshold_celsius")
            .labels(r#"threshold="acoustic_minimum""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[5],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_threshold_celsius")
            .labels(r#"threshold="acoustic_current""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[6],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_temperature_threshold_celsius")
            .labels(r#"threshold="acoustic_maximum""#)],
    },
    Getter {
        symbol: "nvmlDeviceGetTemperatureThreshold",
        select: &[7],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U32, 0, "odin_gpu_temperature_threshold_celsius").labels(r#"threshold="gps_current""#)
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMarginTemperature",
        select: &[],
        each: Each::Device,
        out: versioned(8, &[(0, version(8, 1))]),
        numbers: &[number(I32, 4, "odin_gpu_temperature_margin_celsius")],
    },
    Getter {
        symbol: "nvmlDeviceGetThermalSettings",
        select: &[0],
        each: Each::Device,
        out: plain(64),
        numbers: &[
            number(I32, 16, "odin_gpu_thermal_sensor_celsius").labels(r#"value="current""#).unless_zero(0),
            number(I32, 8, "odin_gpu_thermal_sensor_celsius")
                .labels(r#"value="default_minimum""#)
                .unless_zero(0),
            number(I32, 12, "odin_gpu_thermal_sensor_celsius")
                .labels(r#"value="default_maximum""#)
                .unless_zero(0),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetNumFans",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_fans")],
    },
    Getter {
        symbol: "nvmlDeviceGetFanSpeed_v2",
        select: &[Getter::EACH],
        each: Each::Fan,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_fan_speed_ratio").times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetFanSpeed",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_fans_speed_ratio").times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetFanSpeedRPM",
        select: &[],
        each: Each::Fan,
        out: versioned(12, &[(0, version(12, 1)), (4, Getter::EACH)]),
        numbers: &[number(U32, 8, "odin_gpu_fan_rotation_hertz").times(1.0 / 60.0)],
    },
    Getter {
        symbol: "nvmlDeviceGetTargetFanSpeed",
        select: &[Getter::EACH],
        each: Each::Fan,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_fan_target_ratio").times(PERCENT)],
    },
    Getter {
        symbol: "nvmlDeviceGetFanControlPolicy_v2",
        select: &[Getter::EACH],
        each: Each::Fan,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_fan_control_policy")],
    },
    Getter {
        symbol: "nvmlDeviceGetCoolerInfo",
        select: &[],
        each: Each::Fan,
        out: versioned(16, &[(0, version(16, 1)), (4, Getter::EACH)]),
        numbers: &[number(U32, 8, "odin_gpu_cooler_control"), number(U32, 12, "odin_gpu_cooler_target")],
    },
    Getter {
        symbol: "nvmlDeviceGetMinMaxFanSpeed",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_fan_limit_ratio").labels(r#"limit="minimum""#).times(PERCENT),
            number(U32, 8, "odin_gpu_fan_limit_ratio").labels(r#"limit="maximum""#).times(PERCENT),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerUsage",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_watts").times(MILLI)],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerManagementMode",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_management_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerManagementLimit",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_limit_watts").labels(r#"limit="set""#).times(MILLI)],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerManagementLimitConstraints",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_power_limit_watts").labels(r#"limit="minimum""#).times(MILLI),
            number(U32, 8, "odin_gpu_power_limit_watts").labels(r#"limit="maximum""#).times(MILLI),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerManagementDefaultLimit",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_limit_watts").labels(r#"limit="default""#).times(MILLI)],
    },
    Getter {
        symbol: "nvmlDeviceGetEnforcedPowerLimit",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_limit_watts").labels(r#"limit="enforced""#).times(MILLI)],
    },
    Getter {
        symbol: "nvmlDeviceGetTotalEnergyConsumption",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_energy_joules_total").times(MILLI)],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerSource",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_power_source")],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerMizerMode_v1",
        select: &[],
        each: Each::Device,
        out: plain(12),
        numbers: &[
            number(U32, 0, "odin_gpu_powermizer_mode").labels(r#"value="current""#),
            number(U32, 4, "odin_gpu_powermizer_mode").labels(r#"value="set""#),
            number(U32, 8, "odin_gpu_powermizer_mode").labels(r#"value="supported_mask""#),
        ],
    },
];
