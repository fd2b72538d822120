//! Carrying a plan out on all GPUs, or going back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cutter::{Cutter, Stepped};
use super::layout::{Layout, Seen};
use super::plan::{Busy, Step, steps};
use super::{Failure, Goal};

/// So often a GPU is looked at and planned: for the mode, for the instances,
/// and to see that nothing is left to do.
const ROUNDS: usize = 3;

/// What changes on one GPU. Kept by whoever must be able to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// NVML's index when it was planned.
    pub index: u32,
    /// UUID: what the GPU is known by.
    pub uuid: String,
    /// Model.
    pub model: String,
    /// How it was cut before.
    pub before: Layout,
    /// How it was cut when the change was complete; not known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Layout>,
}

/// What came of one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// It is as wanted, and was read back so.
    AsWanted,
    /// Its mode is taken and waits for a reset.
    AwaitsReset,
}

/// How carrying out ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every GPU is as wanted or waits for a reset.
    Reached(Vec<Reached>),
    /// A step failed, and every GPU is cut as before, or waits for a reset to be.
    WentBack {
        /// What failed.
        failure: Failure,
        /// Whether the end was asked for.
        stopped: bool,
        /// GPUs that have their old layout only after a reset, by index.
        await_reset: Vec<u32>,
    },
    /// A step failed, and so did going back.
    Stuck {
        /// What failed.
        failure: Failure,
        /// Why going back failed.
        back: Failure,
    },
}

/// Follows what is carried out, and may end it.
pub trait Watch {
    /// Who holds a GPU beside the processes on it: asked right before its first
    /// step, not on the way back.
    fn holders(&self, gpu: &Seen) -> Vec<Busy>;
    /// A step begins.
    fn begins(&self, gpu: u32, step: &Step);
    /// It ended.
    fn ended(&self, gpu: u32, step: &Step, outcome: Result<Option<&str>, &Failure>);
    /// A step failed and all GPUs go back.
    fn goes_back(&self, failure: &Failure);
    /// Whether the end was asked for; not asked on the way back.
    fn is_stopped(&self) -> bool;
}

impl Cutter {
    /// Cuts GPUs, one after the other; on a failure all go back to what they
    /// had before.
    #[must_use]
    pub fn reach(&self, changes: &[(Change, Goal)], watch: &dyn Watch) -> Ended {
        let mut reached = Vec::new();
        for (change, goal) in changes {
            match self.lead(change, goal, watch, true) {
                Ok(one) => reached.push(one),
                Err(failure) => {
                    watch.goes_back(&failure);
                    // Also those after it: an interrupted change that is taken
                    // up may have begun on any.
                    let stopped = watch.is_stopped();
                    return self.back(changes, watch).map_or_else(
                        |back| Ended::Stuck { failure: failure.clone(), back },
                        |await_reset| Ended::WentBack { failure: failure.clone(), stopped, await_reset },
                    );
                }
            }
        }
        Ended::Reached(reached)
    }

    /// Reads a GPU that is known to have MIG: one that does not tell its mode
    /// now would be taken for one that has it off.
    fn observe_told(&self, uuid: &str) -> Result<Seen, Failure> {
        let seen = self.observe_one(uuid)?;
        if seen.mode.is_none() {
            let asked = format!("read how {uuid} is cut");
            return Err(Failure::new(asked, "the driver does not tell its MIG mode"));
        }
        Ok(seen)
    }

    /// Every GPU is tried, also after one that failed.
    fn back(&self, changes: &[(Change, Goal)], watch: &dyn Watch) -> Result<Vec<u32>, Failure> {
        let mut failed = None;
        let mut await_reset = Vec::new();
        for (change, _) in changes {
            match self.lead(change, &Goal::Layout(change.before.clone()), watch, false) {
                Ok(Reached::AsWanted) => {}
                Ok(Reached::AwaitsReset) => await_reset.push(change.index),
                Err(failure) => {
                    failed.get_or_insert(failure);
                }
            }
        }
        failed.map_or(Ok(await_reset), Err)
    }

    /// Leads one GPU to its goal: look, plan, do, until a plan is empty.
    fn lead(
        &self,
        change: &Change,
        goal: &Goal,
        watch: &dyn Watch,
        may_stop: bool,
    ) -> Result<Reached, Failure> {
        let uuid = &change.uuid;
        let asked = format!("cut GPU {}", change.index);
        for round in 0..ROUNDS {
            let seen = self.observe_told(uuid)?;
            let steps = steps(&seen, goal).map_err(|reason| Failure::new(&asked, reason))?;
            if steps.is_empty() {
                return Ok(Reached::AsWanted);
            }
            // It was idle when it was planned; others were cut since.
            if may_stop && round == 0 {
                let mut users = seen.users.clone();
                users.extend(watch.holders(&seen));
                if !users.is_empty() {
                    return Err(Failure::new(asked, format!("it is in use: {}", users.join(", "))));
                }
            }
            for step in steps {
                if matches!(step, Step::CreateSomewhere { .. }) {
                    break;
                }
                if may_stop && watch.is_stopped() {
                    return Err(Failure::new(asked, "it was told to end"));
                }
                watch.begins(change.index, &step);
                let stepped = self.step(uuid, &step);
                let outcome = match &stepped {
                    Ok(Stepped::Done) => Ok(None),
                    Ok(Stepped::AwaitsReset) => Ok(Some("at the next reset of the GPU")),
                    Err(failure) => Err(failure),
                };
                watch.ended(change.index, &step, outcome);
                if stepped? == Stepped::AwaitsReset {
                    return Ok(Reached::AwaitsReset);
                }
                // What is there after another mode is another question.
                if matches!(step, Step::Mode { .. }) {
                    break;
                }
            }
        }
        let seen = self.observe_told(uuid)?;
        match steps(&seen, goal) {
            Ok(steps) if steps.is_empty() => Ok(Reached::AsWanted),
            _ => Err(Failure::new(
                asked,
                format!("read back it has {}, which is not what was made", seen.layout()),
            )),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GPU {}  {}  {}", self.index, self.model, self.uuid)
    }
}
