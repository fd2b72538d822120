//! What each apply changed, field by field: `history/applies.jsonl`.
//!
//! The inventory in the cluster remembers that there was an apply; this file
//! remembers what it did. Values of secrets were taken out before they came
//! here.

use jiff::Timestamp;
use odin_cluster::apply::{ChangeSet, ComponentState};
use odin_model::event::Verb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Result;
use crate::appliance::Appliance;
use crate::records::Records;

/// File of the records.
pub(crate) const FILE: &str = "applies.jsonl";
/// Objects, and fields of one object, that a record names; further ones are
/// counted. A first apply creates hundreds.
const OBJECTS: usize = 400;
const FIELDS: usize = 40;

/// One apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ApplyRecord {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) time: Timestamp,
    /// How long it took.
    pub(crate) seconds: f64,
    /// `apply` or `undo`.
    pub(crate) operation: String,
    /// Generation that was applied.
    pub(crate) generation: u64,
    /// Bundle that was applied.
    pub(crate) digest: String,
    /// Whether it is in force and healthy.
    pub(crate) succeeded: bool,
    /// What it changed, in its order.
    pub(crate) changes: Vec<Change>,
    /// How many more it changed than are named.
    pub(crate) more: usize,
    /// Components that did not become healthy, and why.
    pub(crate) troubles: Vec<String>,
}

/// What was done to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Change {
    /// `created`, `configured`, `deleted`, `skipped` or `failed`.
    pub(crate) verb: String,
    /// `Kind namespace/name`.
    pub(crate) object: String,
    /// Why; empty when the verb says all.
    pub(crate) detail: String,
    /// Fields that changed.
    pub(crate) fields: Vec<Field>,
}

/// One field that changed; values of secrets are `[hidden]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Field {
    /// Path in the object.
    pub(crate) path: String,
    /// Value before; none when it was not there.
    pub(crate) from: Option<String>,
    /// Value after; none when it went.
    pub(crate) to: Option<String>,
}

impl ApplyRecord {
    fn of(operation: &str, changes: &ChangeSet, time: Timestamp) -> Self {
        let changed = || changes.entries.iter().filter(|entry| entry.verb != Verb::Unchanged);
        let troubles = changes
            .components
            .iter()
            .filter(|component| matches!(component.state, ComponentState::Failed | ComponentState::Skipped));
        Self {
            time,
            seconds: changes.took.as_secs_f64(),
            operation: operation.to_owned(),
            generation: changes.generation,
            digest: changes.digest.clone(),
            succeeded: changes.succeeded(),
            changes: changed().take(OBJECTS).map(Change::of).collect(),
            more: changed().count().saturating_sub(OBJECTS),
            troubles: troubles.map(|component| format!("{}: {}", component.name, component.detail)).collect(),
        }
    }
}

impl Change {
    fn of(entry: &odin_cluster::apply::Entry) -> Self {
        let fields = entry.fields.iter().take(FIELDS).map(|field| Field {
            path: field.path.clone(),
            from: field.from.clone(),
            to: field.to.clone(),
        });
        Self {
            verb: format!("{:?}", entry.verb).to_lowercase(),
            object: entry.object.clone(),
            detail: entry.detail.clone(),
            fields: fields.collect(),
        }
    }
}

/// Keeps what an apply did; one that found nothing to do leaves no record.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep(appliance: &Appliance, operation: &str, changes: &ChangeSet) -> Result<()> {
    let record = ApplyRecord::of(operation, changes, Timestamp::now());
    if record.changes.is_empty() && record.troubles.is_empty() {
        return Ok(());
    }
    Records::of(appliance).append(FILE, &record)
}

#[cfg(test)]
mod tests {
    use odin_cluster::apply::Entry;

    use super::*;

    fn entry(verb: Verb, number: usize) -> Entry {
        Entry {
            verb,
            object: format!("ConfigMap monitoring/{number}"),
            step: "prometheus".into(),
            detail: String::new(),
            fields: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    fn appliance(directory: &tempfile::TempDir) -> Appliance {
        let mut config = odin_model::config::Config::default();
        config.host.state_dir = directory.path().to_owned();
        Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() }
    }

    #[test]
    fn an_apply_that_changed_something_is_a_record_of_bounded_size() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory);
        let unchanged = ChangeSet { entries: vec![entry(Verb::Unchanged, 0)], ..ChangeSet::default() };
        keep(&appliance, "apply", &unchanged).expect("kept");
        let entries = (0..OBJECTS + 7).map(|number| entry(Verb::Created, number)).collect();
        keep(&appliance, "apply", &ChangeSet { entries, ..ChangeSet::default() }).expect("kept");
        let records: Vec<ApplyRecord> = Records::of(&appliance).lines(FILE).expect("records");
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].changes.len(), records[0].more), (OBJECTS, 7));
        assert_eq!(records[0].changes[0].verb, "created");
    }
}
