//! What an operation tells while it runs.
//!
//! The same values become progress bars on a terminal, lines of JSON for a
//! program and log records in the daemon, so an operation never prints.

use serde::{Deserialize, Serialize};

/// One thing that happened during an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A named step of a plan started or ended.
    Step {
        /// Name of the step as the plan prints it.
        name: String,
        /// How far it is.
        state: StepState,
        /// Reason or result; empty when there is nothing to add.
        detail: String,
    },
    /// One Kubernetes object was handled.
    Object {
        /// What was done to it.
        verb: Verb,
        /// `Kind namespace/name`.
        object: String,
        /// Reason or changed fields; empty when there is nothing to add.
        detail: String,
    },
    /// Work of a known unit moved on.
    Progress {
        /// What is being worked on, stable over the task's events.
        task: String,
        /// Units done so far.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
    },
    /// Something a person should know that does not stop the operation.
    Warning {
        /// One sentence.
        message: String,
    },
}

/// State of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It began.
    Started,
    /// It ended well.
    Done,
    /// There was nothing to do; the detail says why.
    Skipped,
    /// It failed; the detail says why.
    Failed,
}

/// What happened to an object (the verbs of a change set).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It did not exist.
    Created,
    /// At least one declared field changed.
    Configured,
    /// Every declared field had its value already.
    Unchanged,
    /// It left the bundle and was removed.
    Deleted,
    /// It was left alone; the detail says why.
    Skipped,
    /// It could not be handled; the detail says why.
    Failed,
}

/// What a progress event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files.
    Files,
    /// Kubernetes objects.
    Objects,
}

/// Receives the events of an operation.
pub trait Observer: Send + Sync {
    /// Takes one event; must return quickly, the operation waits for it.
    fn event(&self, event: Event);
}

/// An observer that drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Observer for F {
    fn event(&self, event: Event) {
        self(event);
    }
}
