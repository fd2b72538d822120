//! What an apply did: the value behind the table, the JSON and the metrics.

use std::fmt;
use std::time::Duration;

use odin_model::event::Verb;
use serde::{Deserialize, Serialize};

use crate::cluster::FieldConflict;
use crate::fields::FieldChange;

/// Everything one apply did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeSet {
    /// Generation that was applied.
    pub generation: u64,
    /// Bundle that was applied.
    pub digest: String,
    /// One entry an object, in the order of the plan.
    pub entries: Vec<Entry>,
    /// One entry a component, in the order of the plan.
    pub components: Vec<ComponentResult>,
    /// Requests sent to the API server.
    pub api_calls: u64,
    /// How long it took.
    pub took: Duration,
}

/// What was done to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// What was done.
    pub verb: Verb,
    /// `Kind namespace/name`.
    pub object: String,
    /// Step it belonged to.
    pub step: String,
    /// Reason; empty when the verb says all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Fields that another manager holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<FieldConflict>,
}

/// What became of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ComponentResult {
    /// Name.
    pub name: String,
    /// How it ended.
    pub state: ComponentState,
    /// Reason; empty when it is ready.
    pub detail: String,
    /// Objects that kept its gate shut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy: Vec<Unhealthy>,
    /// How long it took.
    pub took: Duration,
}

/// How a component ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// Applied and healthy.
    Ready,
    /// Applied; nobody waits for its health.
    Applied,
    /// Not applied, or not healthy in time.
    Failed,
    /// Left alone, because one it comes after failed.
    Skipped,
}

/// An object that did not become healthy, with what there is to know about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unhealthy {
    /// `Kind namespace/name`.
    pub object: String,
    /// What it waited for, or why it failed.
    pub reason: String,
    /// Last events about it and its pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Last log lines of its failing containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

impl ChangeSet {
    /// Counts the entries of one verb.
    #[must_use]
    pub fn count(&self, verb: Verb) -> usize {
        self.entries.iter().filter(|entry| entry.verb == verb).count()
    }

    /// Whether the bundle is in force and healthy.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.applied() && self.components.iter().all(|component| component.state != ComponentState::Failed)
    }

    /// Whether every object was applied, healthy or not.
    #[must_use]
    pub fn applied(&self) -> bool {
        self.count(Verb::Failed) == 0
            && self.components.iter().all(|component| component.state != ComponentState::Skipped)
    }
}

impl fmt::Display for ChangeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.entries.iter().filter(|entry| entry.verb != Verb::Unchanged) {
            let verb = match entry.verb {
                Verb::Created => "created",
                Verb::Configured => "configured",
                Verb::Unchanged => "unchanged",
                Verb::Deleted => "deleted",
                Verb::Skipped => "skipped",
                Verb::Failed => "failed",
            };
            write!(formatter, "{verb:<10} {}", entry.object)?;
            if entry.detail.is_empty() {
                writeln!(formatter)?
            } else {
                writeln!(formatter, ": {}", entry.detail)?
            }
        }
        for component in &self.components {
            let state = match component.state {
                ComponentState::Ready => "ready",
                ComponentState::Applied => "applied",
                ComponentState::Failed => "failed",
                ComponentState::Skipped => "skipped",
            };
            write!(formatter, "component {} {state}", component.name)?;
            if component.detail.is_empty() {
                writeln!(formatter)?
            } else {
                writeln!(formatter, ": {}", component.detail)?
            }
            for unhealthy in &component.unhealthy {
                writeln!(formatter, "  {}: {}", unhealthy.object, unhealthy.reason)?;
                for event in &unhealthy.events {
                    writeln!(formatter, "    event: {event}")?;
                }
                for line in &unhealthy.logs {
                    writeln!(formatter, "    log: {line}")?;
                }
            }
        }
        let count = |verb| self.count(verb);
        write!(
            formatter,
            "{} created, {} configured, {} deleted, {} unchanged, {} skipped, {} failed",
            count(Verb::Created),
            count(Verb::Configured),
            count(Verb::Deleted),
            count(Verb::Unchanged),
            count(Verb::Skipped),
            count(Verb::Failed),
        )
    }
}
