//! Clocks, what holds them down, and for how long.

use super::Word::{Bit, I32, U32, U64};
use super::{Each, Getter, number, outs, plain, version, versioned};

const MEGA: f64 = 1e6;
const NANO: f64 = 1e-9;
const PERCENT: f64 = 0.01;

pub(super) const CLOCKS: &[Getter] = &[
    Getter {
        symbol: "nvmlDeviceGetClockInfo",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="graphics""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClockInfo",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="sm""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClockInfo",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="memory""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClockInfo",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="video""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClock",
        select: &[0, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="graphics""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClock",
        select: &[1, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="sm""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClock",
        select: &[2, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="memory""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetClock",
        select: &[3, 0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_hertz").labels(r#"clock="video""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxClockInfo",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_maximum_hertz").labels(r#"clock="graphics""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxClockInfo",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_maximum_hertz").labels(r#"clock="sm""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxClockInfo",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_maximum_hertz").labels(r#"clock="memory""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxClockInfo",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_maximum_hertz").labels(r#"clock="video""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetApplicationsClock",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="graphics",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetApplicationsClock",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="sm",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetApplicationsClock",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="memory",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetApplicationsClock",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="video",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetDefaultApplicationsClock",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="graphics",value="default""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetDefaultApplicationsClock",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="sm",value="default""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetDefaultApplicationsClock",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="memory",value="default""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetDefaultApplicationsClock",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_application_clock_hertz")
            .labels(r#"clock="video",value="default""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxCustomerBoostClock",
        select: &[0],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_customer_boost_hertz")
            .labels(r#"clock="graphics""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxCustomerBoostClock",
        select: &[1],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_customer_boost_hertz").labels(r#"clock="sm""#).times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxCustomerBoostClock",
        select: &[2],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_customer_boost_hertz")
            .labels(r#"clock="memory""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMaxCustomerBoostClock",
        select: &[3],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_clock_customer_boost_hertz")
            .labels(r#"clock="video""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetAutoBoostedClocksEnabled",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_auto_boost_enabled").labels(r#"value="set""#),
            number(U32, 8, "odin_gpu_auto_boost_enabled").labels(r#"value="default""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMinMaxClockOfPState",
        select: &[0, 0],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_clock_p0_hertz")
                .labels(r#"clock="graphics",value="minimum""#)
                .times(MEGA),
            number(U32, 8, "odin_gpu_clock_p0_hertz")
                .labels(r#"clock="graphics",value="maximum""#)
                .times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetClockOffsets",
        select: &[],
        each: Each::Device,
        out: versioned(24, &[(0, version(24, 1)), (4, 0), (8, 0)]),
        numbers: &[
            number(I32, 12, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="graphics",value="set""#)
                .times(MEGA),
            number(I32, 16, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="graphics",value="minimum""#)
                .times(MEGA),
            number(I32, 20, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="graphics",value="maximum""#)
                .times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMinMaxClockOfPState",
        select: &[2, 0],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(U32, 0, "odin_gpu_clock_p0_hertz").labels(r#"clock="memory",value="minimum""#).times(MEGA),
            number(U32, 8, "odin_gpu_clock_p0_hertz").labels(r#"clock="memory",value="maximum""#).times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetClockOffsets",
        select: &[],
        each: Each::Device,
        out: versioned(24, &[(0, version(24, 1)), (4, 2), (8, 0)]),
        numbers: &[
            number(I32, 12, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="memory",value="set""#)
                .times(MEGA),
            number(I32, 16, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="memory",value="minimum""#)
                .times(MEGA),
            number(I32, 20, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="memory",value="maximum""#)
                .times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetGpcClkVfOffset",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(I32, 0, "odin_gpu_clock_offset_hertz")
            .labels(r#"clock="graphics",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetGpcClkMinMaxVfOffset",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(I32, 0, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="graphics",value="minimum""#)
                .times(MEGA),
            number(I32, 8, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="graphics",value="maximum""#)
                .times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetMemClkVfOffset",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(I32, 0, "odin_gpu_clock_offset_hertz")
            .labels(r#"clock="memory",value="set""#)
            .times(MEGA)],
    },
    Getter {
        symbol: "nvmlDeviceGetMemClkMinMaxVfOffset",
        select: &[],
        each: Each::Device,
        out: outs(2),
        numbers: &[
            number(I32, 0, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="memory",value="minimum""#)
                .times(MEGA),
            number(I32, 8, "odin_gpu_clock_offset_hertz")
                .labels(r#"clock="memory",value="maximum""#)
                .times(MEGA),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetCurrentClocksEventReasons",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U64, 0, "odin_gpu_clock_event_reasons"),
            number(Bit(0), 0, "odin_gpu_clock_event_active").labels(r#"reason="gpu_idle""#),
            number(Bit(1), 0, "odin_gpu_clock_event_active").labels(r#"reason="application_clocks""#),
            number(Bit(2), 0, "odin_gpu_clock_event_active").labels(r#"reason="software_power_cap""#),
            number(Bit(3), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_slowdown""#),
            number(Bit(4), 0, "odin_gpu_clock_event_active").labels(r#"reason="sync_boost""#),
            number(Bit(5), 0, "odin_gpu_clock_event_active").labels(r#"reason="software_thermal""#),
            number(Bit(6), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_thermal""#),
            number(Bit(7), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_power_brake""#),
            number(Bit(8), 0, "odin_gpu_clock_event_active").labels(r#"reason="display_clocks""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetCurrentClocksThrottleReasons",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[
            number(U64, 0, "odin_gpu_clock_event_reasons"),
            number(Bit(0), 0, "odin_gpu_clock_event_active").labels(r#"reason="gpu_idle""#),
            number(Bit(1), 0, "odin_gpu_clock_event_active").labels(r#"reason="application_clocks""#),
            number(Bit(2), 0, "odin_gpu_clock_event_active").labels(r#"reason="software_power_cap""#),
            number(Bit(3), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_slowdown""#),
            number(Bit(4), 0, "odin_gpu_clock_event_active").labels(r#"reason="sync_boost""#),
            number(Bit(5), 0, "odin_gpu_clock_event_active").labels(r#"reason="software_thermal""#),
            number(Bit(6), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_thermal""#),
            number(Bit(7), 0, "odin_gpu_clock_event_active").labels(r#"reason="hardware_power_brake""#),
            number(Bit(8), 0, "odin_gpu_clock_event_active").labels(r#"reason="display_clocks""#),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetSupportedClocksEventReasons",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_clock_event_reasons_supported")],
    },
    Getter {
        symbol: "nvmlDeviceGetSupportedClocksThrottleReasons",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U64, 0, "odin_gpu_clock_event_reasons_supported")],
    },
    Getter {
        symbol: "nvmlDeviceGetPerformanceState",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_performance_state")],
    },
    Getter {
        symbol: "nvmlDeviceGetPowerState",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_performance_state")],
    },
    Getter {
        symbol: "nvmlDeviceGetAdaptiveClockInfoStatus",
        select: &[],
        each: Each::Device,
        out: outs(1),
        numbers: &[number(U32, 0, "odin_gpu_adaptive_clocking_enabled")],
    },
    Getter {
        symbol: "nvmlDeviceGetClkMonStatus",
        select: &[],
        each: Each::Device,
        out: plain(264),
        numbers: &[
            number(U32, 0, "odin_gpu_clock_monitor_fault"),
            number(U32, 4, "odin_gpu_clock_monitor_faulty_domains"),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetDynamicPstatesInfo",
        select: &[],
        each: Each::Device,
        out: plain(132),
        numbers: &[
            number(U32, 8, "odin_gpu_dynamic_utilization_ratio")
                .labels(r#"domain="graphics""#)
                .times(PERCENT)
                .unless_zero(4),
            number(U32, 24, "odin_gpu_dynamic_utilization_ratio")
                .labels(r#"domain="framebuffer""#)
                .times(PERCENT)
                .unless_zero(20),
            number(U32, 40, "odin_gpu_dynamic_utilization_ratio")
                .labels(r#"domain="video""#)
                .times(PERCENT)
                .unless_zero(36),
            number(U32, 56, "odin_gpu_dynamic_utilization_ratio")
                .labels(r#"domain="bus""#)
                .times(PERCENT)
                .unless_zero(52),
        ],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[0],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="power""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[1],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="thermal""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[2],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="sync_boost""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[3],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="board_limit""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[4],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="low_utilization""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[5],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="reliability""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[10],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="below_application_clocks""#)
            .times(NANO)],
    },
    Getter {
        symbol: "nvmlDeviceGetViolationStatus",
        select: &[11],
        each: Each::Device,
        out: plain(16),
        numbers: &[number(U64, 8, "odin_gpu_violation_seconds_total")
            .labels(r#"policy="below_base_clocks""#)
            .times(NANO)],
    },
];
