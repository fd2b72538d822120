//! What became of each GPU's health, and when.
//!
//! A fault counts at once. A recovery counts after it has held for a while:
//! a GPU that comes and goes would otherwise get and lose pods with every
//! turn.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Fault, Gpu};

/// Changes that are kept of one GPU.
const KEPT: usize = 64;

/// A turn in a GPU's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// UUID of the GPU.
    pub uuid: String,
    /// When.
    pub time: Timestamp,
    /// The fault; none when it recovered.
    pub fault: Option<Fault>,
    /// How long it was as it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<i64>,
}

/// Health of every GPU over time.
#[derive(Clone, Debug)]
pub struct History {
    settle: SignedDuration,
    states: BTreeMap<String, State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    fault: Option<Fault>,
    since: Option<Timestamp>,
    /// Since when the cause has been gone.
    clear: Option<Timestamp>,
    changes: VecDeque<Change>,
}

impl History {
    /// An empty history; a recovery counts after `settle`.
    #[must_use]
    pub fn new(settle: SignedDuration) -> Self {
        Self { settle, states: BTreeMap::new() }
    }

    /// Takes in what was seen; the faults of `gpus` are then those that count.
    /// Gives back the turns.
    pub fn observe(&mut self, now: Timestamp, gpus: &mut [Gpu]) -> Vec<Change> {
        let mut changes = Vec::new();
        for gpu in gpus {
            let state = self.states.entry(gpu.uuid.clone()).or_default();
            if let Some(change) = state.observe(now, gpu, self.settle) {
                changes.push(change);
            }
            gpu.fault.clone_from(&state.fault);
        }
        changes
    }

    /// The turns of one GPU, the oldest first.
    pub fn of(&self, uuid: &str) -> impl Iterator<Item = &Change> {
        self.states.get(uuid).into_iter().flat_map(|state| &state.changes)
    }

    /// Since when a GPU has been as it is.
    #[must_use]
    pub fn since(&self, uuid: &str) -> Option<Timestamp> {
        self.states.get(uuid)?.since
    }
}

impl State {
    fn observe(&mut self, now: Timestamp, gpu: &Gpu, settle: SignedDuration) -> Option<Change> {
        let turned = match (&self.fault, &gpu.fault) {
            // A message with an age or a count is another each second: the one
            // of the turn stays.
            (Some(old), Some(new)) => {
                let turned = old.reason != new.reason;
                self.clear = None;
                if turned {
                    self.fault = Some(new.clone());
                }
                turned
            }
            (None, Some(new)) => {
                self.clear = None;
                self.fault = Some(new.clone());
                true
            }
            (Some(_), None) => {
                let clear = *self.clear.get_or_insert(now);
                // A clock that was set back must not keep it ill for ever.
                let settled = now.duration_since(clear) >= settle || now < clear;
                if settled {
                    self.fault = None;
                    self.clear = None;
                }
                settled
            }
            (None, None) => false,
        };
        let first = self.since.is_none();
        if !turned {
            self.since.get_or_insert(now);
            return None;
        }
        let after_seconds = self.since.filter(|_| !first).map(|since| now.duration_since(since).as_secs());
        self.since = Some(now);
        let change = Change { uuid: gpu.uuid.clone(), time: now, fault: self.fault.clone(), after_seconds };
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(change.clone());
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("a time")
    }

    fn gpu(reason: Option<&str>) -> Gpu {
        Gpu { uuid: "GPU-0".into(), fault: reason.map(|reason| Fault::new(reason, "")), ..Gpu::default() }
    }

    /// Feeds (second, seen) and gives (second, what counts then, whether it turned).
    fn run(rows: &[(i64, Option<&str>)]) -> Vec<(i64, Option<String>, bool)> {
        let mut history = History::new(SignedDuration::from_secs(10));
        rows.iter()
            .map(|(second, seen)| {
                let mut gpus = [gpu(*seen)];
                let turned = !history.observe(at(*second), &mut gpus).is_empty();
                (*second, gpus[0].fault.as_ref().map(|fault| fault.reason.clone()), turned)
            })
            .collect()
    }

    fn row(second: i64, counts: Option<&str>, turned: bool) -> (i64, Option<String>, bool) {
        (second, counts.map(str::to_owned), turned)
    }

    #[test]
    fn a_fault_counts_at_once_and_a_recovery_when_it_holds() {
        let lost = Some("GpuLost");
        assert_eq!(
            run(&[(0, None), (1, lost), (2, None), (9, None), (12, None), (13, None)]),
            [
                row(0, None, false),
                row(1, lost, true),
                row(2, lost, false),
                row(9, lost, false),
                row(12, None, true),
                row(13, None, false),
            ]
        );
        // It came back in between: the time begins anew.
        assert_eq!(
            run(&[(0, lost), (1, None), (10, lost), (12, None), (21, None), (22, None)]),
            [
                row(0, lost, true),
                row(1, lost, false),
                row(10, lost, false),
                row(12, lost, false),
                row(21, lost, false),
                row(22, None, true),
            ]
        );
    }

    #[test]
    fn another_reason_is_a_turn() {
        assert_eq!(
            run(&[(0, Some("Xid79")), (1, Some("GpuLost"))]),
            [row(0, Some("Xid79"), true), row(1, Some("GpuLost"), true)]
        );
    }

    #[test]
    fn a_clock_set_back_does_not_keep_a_gpu_ill() {
        assert_eq!(
            run(&[(100, Some("GpuLost")), (101, None), (50, None)]),
            [row(100, Some("GpuLost"), true), row(101, Some("GpuLost"), false), row(50, None, true)]
        );
    }

    #[test]
    fn turns_are_kept_with_their_duration_and_not_for_ever() {
        let mut history = History::new(SignedDuration::ZERO);
        for second in 0..200 {
            let reason = (second % 2 == 0).then_some("GpuLost");
            history.observe(at(second), &mut [gpu(reason)]);
        }
        let kept: Vec<&Change> = history.of("GPU-0").collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept.last().map(|change| (change.time, change.after_seconds)), Some((at(199), Some(1))));
        assert_eq!(history.since("GPU-0"), Some(at(199)));
        assert_eq!(history.of("GPU-9").count(), 0);
    }
}
