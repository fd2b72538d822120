//! The executor of a restore plan, and what ends an interrupted one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use odin_model::event::{Event, Observer, StepState};
use serde::{Deserialize, Serialize};

use super::journal::{Journal, State};
use super::{Host, RestorePlan, stage, swap};
use crate::engine::BackupEngine;
use crate::repository::Repository;
use crate::staging::Staging;
use crate::steps::Steps;
use crate::verify::{self, Comparison};
use crate::{Error, Result};

/// A restore that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// What was restored and compared.
    pub comparison: Comparison,
    /// Milliseconds of restoring and comparing, the machine running.
    pub staging_milliseconds: u64,
    /// Milliseconds from stop to accepted.
    pub downtime_milliseconds: u64,
}

/// How an interrupted restore was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovered {
    /// There was none.
    Nothing,
    /// It had not touched anything live; what it had staged is gone.
    Discarded,
    /// The old data is back and the machine started.
    RolledBack,
    /// The new data is in place and accepted.
    Completed,
}

/// The parts of an execution that every step needs.
struct Execution<'a> {
    host: &'a dyn Host,
    steps: &'a dyn Steps,
    observer: &'a dyn Observer,
    journal: Journal,
}

/// Carries out a plan. An interrupted earlier restore is ended first.
///
/// `state` is a directory for the journal that survives a restart.
///
/// # Errors
///
/// [`Error::RolledBack`] where it failed after the machine was stopped and the
/// old data is in place again; [`Error::RollBackFailed`] where it is not; any
/// other where nothing live was touched.
pub fn apply<E: BackupEngine>(
    repository: &Repository<E>,
    plan: &RestorePlan,
    state: &Path,
    host: &dyn Host,
    steps: &dyn Steps,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let mut execution = Execution { host, steps, observer, journal: Journal::open(state)? };
    execution.end_interrupted()?;
    let manifest = repository.show(&plan.snapshot.id)?;
    let staging = Staging::take(repository.scratch())?;
    let records = staging.path().join("records");
    let began = Instant::now();
    plan.pieces.iter().try_for_each(swap::require_free)?;
    execution.journal.begin(plan)?;
    let staged = execution.step("stage", |execution| {
        execution.steps.reached("stage")?;
        for piece in &plan.pieces {
            swap::drop_stage(piece)?;
            swap::create_parents(piece)?;
        }
        let comparison = stage(repository, plan, &manifest, &records, execution.steps, execution.observer)?;
        execution.steps.reached("staged")?;
        Ok(comparison)
    });
    let comparison = match staged {
        Ok(comparison) => comparison,
        Err(error) => {
            // Nothing live was touched; a stage that cannot be removed now is
            // in the journal for the next call.
            if let Err(left) = execution.discard(plan) {
                tracing::warn!(error = %left, "staged data is left for the next restore to remove");
            }
            return Err(error);
        }
    };
    let staging_milliseconds = milliseconds(began);
    let stopped = Instant::now();
    if let Err(cause) = execution.replace(plan, &records) {
        return Err(execution.undo(plan, cause));
    }
    let downtime_milliseconds = milliseconds(stopped);
    if let Err(error) = execution.finish(plan) {
        // The machine runs on the new data; the journal knows what is left.
        let message = format!("old data is left for the next restore to remove: {error}");
        observer.event(Event::Warning { message });
    }
    Ok(Outcome { comparison, staging_milliseconds, downtime_milliseconds })
}

/// Ends a restore that was interrupted by a kill or a power cut, one way or
/// the other. To be called at start as well as before a restore.
///
/// # Errors
///
/// As [`apply`].
pub fn recover(
    state: &Path,
    host: &dyn Host,
    steps: &dyn Steps,
    observer: &dyn Observer,
) -> Result<Recovered> {
    Execution { host, steps, observer, journal: Journal::open(state)? }.end_interrupted()
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Execution<'_> {
    fn end_interrupted(&mut self) -> Result<Recovered> {
        let Some((state, plan)) = self.journal.interrupted() else {
            return Ok(Recovered::Nothing);
        };
        let message =
            format!("an interrupted restore of snapshot {} is ended first", plan.snapshot.id.short());
        self.observer.event(Event::Warning { message });
        match state {
            State::Staging => {
                self.discard(&plan)?;
                Ok(Recovered::Discarded)
            }
            State::Stopping | State::Swapping | State::RollingBack => {
                self.put_back(&plan)?;
                self.come_back()?;
                Ok(Recovered::RolledBack)
            }
            State::Swapped => {
                if let Err(cause) = self.bring_up(&plan) {
                    return Err(self.undo(&plan, cause));
                }
                self.finish(&plan)?;
                Ok(Recovered::Completed)
            }
            State::Dropping => {
                self.finish(&plan)?;
                Ok(Recovered::Completed)
            }
        }
    }

    /// Runs one step of the plan as the observer sees it.
    fn step<T>(&mut self, name: &str, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let tell = |observer: &dyn Observer, state, detail: String| {
            observer.event(Event::Step { name: name.to_owned(), state, detail });
        };
        tell(self.observer, StepState::Started, String::new());
        let result = run(self);
        match &result {
            Ok(_) => tell(self.observer, StepState::Done, String::new()),
            Err(error) => tell(self.observer, StepState::Failed, error.to_string()),
        }
        result
    }

    /// Stops the machine, exchanges the data, brings the machine up again.
    fn replace(&mut self, plan: &RestorePlan, records: &Path) -> Result<()> {
        self.steps.reached("journal stopping")?;
        self.journal.enter(State::Stopping)?;
        self.step("stop", |execution| execution.stop(plan))?;
        self.steps.reached("journal swapping")?;
        self.journal.enter(State::Swapping)?;
        self.step("swap", |execution| {
            for (index, piece) in plan.pieces.iter().enumerate() {
                swap::put_in_place(piece, index, &mut execution.journal, execution.steps)?;
            }
            compare_in_place(plan, records)
        })?;
        self.steps.reached("journal swapped")?;
        self.journal.enter(State::Swapped)?;
        self.bring_up(plan)
    }

    fn stop(&self, plan: &RestorePlan) -> Result<()> {
        self.steps.reached("stop")?;
        self.host.stop().map_err(|message| Error::Host { step: "stop the machine", message })?;
        self.steps.reached("prove quiet")?;
        let targets: Vec<PathBuf> = plan.pieces.iter().map(|piece| piece.target.clone()).collect();
        self.host
            .prove_quiet(&targets)
            .map_err(|message| Error::Host { step: "prove that nothing uses the data", message })
    }

    fn bring_up(&mut self, plan: &RestorePlan) -> Result<()> {
        self.step("start", |execution| {
            execution.steps.reached("after swap")?;
            execution
                .host
                .after_swap(plan)
                .map_err(|message| Error::Host { step: "prepare the start", message })?;
            execution.start()
        })?;
        self.step("accept", |execution| {
            execution.steps.reached("accept")?;
            execution
                .host
                .accept(plan)
                .map_err(|message| Error::Host { step: "accept the restored machine", message })
        })
    }

    fn start(&self) -> Result<()> {
        self.steps.reached("start")?;
        self.host.start().map_err(|message| Error::Host { step: "start the machine", message })?;
        self.steps.reached("wait")?;
        self.host.wait_ready().map_err(|message| Error::Host { step: "see the machine ready", message })
    }

    /// Removes the old data and ends the journal.
    fn finish(&mut self, plan: &RestorePlan) -> Result<()> {
        self.steps.reached("journal dropping")?;
        self.journal.enter(State::Dropping)?;
        self.step("remove old data", |execution| {
            for piece in &plan.pieces {
                execution.steps.reached(&format!("drop {}", piece.source))?;
                swap::drop_old(piece)?;
            }
            execution.steps.reached("journal end")?;
            execution.journal.end()
        })
    }

    /// Removes what was staged; nothing live was touched.
    fn discard(&mut self, plan: &RestorePlan) -> Result<()> {
        for piece in &plan.pieces {
            swap::drop_stage(piece)?;
        }
        self.journal.end()
    }

    /// Puts the old data back after `cause` and says how that went.
    fn undo(&mut self, plan: &RestorePlan, cause: Error) -> Error {
        if let Err(error) = self.put_back(plan) {
            let kept = plan.pieces.iter().find(|piece| piece.old.exists()).map(|piece| piece.old.clone());
            let kept =
                kept.or_else(|| plan.pieces.first().map(|piece| piece.target.clone())).unwrap_or_default();
            return Error::RollBackFailed { cause: Box::new(cause), kept, source: Box::new(error) };
        }
        match self.come_back() {
            Ok(()) => Error::RolledBack { source: Box::new(cause) },
            Err(error) => Error::RolledBackDown { cause: Box::new(cause), source: Box::new(error) },
        }
    }

    fn put_back(&mut self, plan: &RestorePlan) -> Result<()> {
        self.step("put the old data back", |execution| {
            // While the machine was being stopped nothing was moved yet, and
            // what keeps it from being quiet must not keep it from a start.
            let untouched =
                execution.journal.interrupted().is_some_and(|(state, _)| state == State::Stopping);
            if !untouched {
                execution.stop(plan)?;
                execution.steps.reached("journal rolling back")?;
                execution.journal.enter(State::RollingBack)?;
                for (index, piece) in plan.pieces.iter().enumerate().rev() {
                    swap::put_back(piece, index, &mut execution.journal, execution.steps)?;
                }
            }
            for piece in &plan.pieces {
                execution.steps.reached(&format!("drop new {}", piece.source))?;
                swap::drop_old_places(piece)?;
            }
            execution.steps.reached("put back")
        })
    }

    /// Starts the machine on the old data. The journal ends only then, so that
    /// a kill before leaves nobody thinking there was nothing to do.
    fn come_back(&mut self) -> Result<()> {
        self.step("start on the old data", |execution| {
            execution.start()?;
            execution.steps.reached("journal end")?;
            execution.journal.end()
        })
    }
}

/// Compares what is in place with the records, all but the content: that was
/// compared before, and a rename does not touch it.
fn compare_in_place(plan: &RestorePlan, records: &Path) -> Result<()> {
    let meter = verify::meter(&odin_model::event::Silent, "compare", 0);
    let mut comparison = Comparison::default();
    for piece in &plan.pieces {
        comparison.add(verify::compare(
            records,
            &piece.stored,
            &piece.target,
            verify::Depth::Metadata,
            &meter,
        )?);
    }
    comparison.require_equal()
}
