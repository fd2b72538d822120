//! How fast counters of errors rise: a few since the boot are nothing, a
//! thousand a second are a fault.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::catalogue::CATALOGUE;

/// A rate is taken over at least so long, and at most twice as long.
const WINDOW: Duration = Duration::from_secs(30);

/// A shorter time tells nothing: one error would be a storm.
const LEAST: Duration = Duration::from_secs(1);

/// Counters of NVLink errors that are added up.
const NVLINK: [&str; 6] = [
    "odin_gpu_nvlink_crc_flit_errors_total",
    "odin_gpu_nvlink_crc_data_errors_total",
    "odin_gpu_nvlink_replays_total",
    "odin_gpu_nvlink_recoveries_total",
    "odin_gpu_nvlink_ecc_data_errors_total",
    "odin_gpu_nvlink_errors_total",
];

const PCIE: [&str; 1] = ["odin_gpu_pcie_replays_total"];

/// Errors a second; none while it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) nvlink_errors: Option<f64>,
    pub(crate) pcie_replays: Option<f64>,
}

/// Counters at two times before.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The older, which rates are measured from.
    from: Option<Reading>,
    /// The newer, which becomes the older.
    next: Option<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    nvlink: Option<f64>,
    pcie: Option<f64>,
}

static SLOTS: LazyLock<[Vec<usize>; 2]> = LazyLock::new(|| {
    [NVLINK.as_slice(), PCIE.as_slice()].map(|names| {
        let metrics = CATALOGUE.metrics.iter().filter(|metric| names.contains(&metric.family.name));
        metrics.flat_map(|metric| metric.first..metric.first + metric.labels.len()).collect()
    })
});

fn sum(values: &[f64], slots: &[usize]) -> Option<f64> {
    let told = slots.iter().filter_map(|slot| values.get(*slot)).filter(|value| !value.is_nan());
    told.copied().reduce(|sum, value| sum + value)
}

impl Meter {
    /// The rates with the counters of one more round.
    pub(crate) fn read(&mut self, values: &[f64], at: Instant) -> Rates {
        let [nvlink, pcie] = &*SLOTS;
        let now = Reading { at, nvlink: sum(values, nvlink), pcie: sum(values, pcie) };
        let from = *self.from.get_or_insert(now);
        let next = *self.next.get_or_insert(now);
        if at.saturating_duration_since(next.at) >= WINDOW {
            (self.from, self.next) = (Some(next), Some(now));
        }
        let passed = at.saturating_duration_since(from.at);
        if passed < LEAST {
            return Rates::default();
        }
        // A counter that fell was set back.
        let rate =
            |before: Option<f64>, now: Option<f64>| Some((now? - before?).max(0.0) / passed.as_secs_f64());
        Rates { nvlink_errors: rate(from.nvlink, now.nvlink), pcie_replays: rate(from.pcie, now.pcie) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::ABSENT;

    fn values(replays: Option<f64>) -> Vec<f64> {
        let mut values = vec![ABSENT; CATALOGUE.slots()];
        for slot in &SLOTS[1] {
            values[*slot] = replays.unwrap_or(ABSENT);
        }
        values
    }

    #[test]
    fn every_counter_is_a_metric() {
        for name in NVLINK.iter().chain(&PCIE) {
            assert!(CATALOGUE.metrics.iter().any(|metric| metric.family.name == *name), "{name}");
        }
    }

    #[test]
    fn a_rate_is_of_the_last_minute_at_most() {
        let began = Instant::now();
        let mut meter = Meter::default();
        let mut rate = |second: u64, replays| {
            meter.read(&values(replays), began + Duration::from_secs(second)).pcie_replays
        };
        assert_eq!(rate(0, Some(1000.0)), None, "nothing to measure from");
        assert_eq!(rate(10, Some(1010.0)), Some(1.0));
        assert_eq!(rate(30, Some(1030.0)), Some(1.0));
        assert_eq!(rate(60, Some(1030.0)), Some(0.5));
        // Measured from the thirtieth second now.
        assert_eq!(rate(70, Some(1030.0)), Some(0.0));
        assert_eq!(rate(80, None), None, "a counter that is not told");
        assert_eq!(rate(90, Some(0.0)), Some(0.0), "a counter that was set back");
    }
}
