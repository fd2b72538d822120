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

    /// Whether it failed at what `last` failed at, and changed nothing.
    fn repeats(&self, last: &Self) -> bool {
        // In the order of the objects, and the same of what could be named.
        let failed = |record: &Self| -> Vec<Change> {
            record.changes.iter().filter(|change| change.verb == "failed").cloned().collect()
        };
        !self.succeeded
            && !last.succeeded
            && (&self.operation, &self.digest, &self.troubles)
                == (&last.operation, &last.digest, &last.troubles)
            && self.changes.iter().all(|change| matches!(change.verb.as_str(), "failed" | "skipped"))
            && failed(self) == failed(last)
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

/// Keeps what an apply did; one that found nothing to do leaves no record, nor
/// one that failed as the one before it did and changed nothing: the daemon
/// tries a bundle that fails again and again.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep(appliance: &Appliance, operation: &str, changes: &ChangeSet) -> Result<()> {
    let record = ApplyRecord::of(operation, changes, Timestamp::now());
    if record.changes.is_empty() && record.troubles.is_empty() {
        return Ok(());
    }
    let records = Records::of(appliance);
    if !record.succeeded
        && let Some(last) = records.newest::<ApplyRecord>(FILE, 1)?.first()
        && record.repeats(last)
    {
        return Ok(());
    }
    records.append(FILE, &record)
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

    #[test]
    fn an_apply_that_fails_as_the_one_before_is_not_kept_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory);
        let attempt = |entries: Vec<Entry>, digest: &str| {
            let changes = ChangeSet { entries, digest: digest.to_owned(), ..ChangeSet::default() };
            keep(&appliance, "apply", &changes).expect("kept");
            Records::of(&appliance).lines::<ApplyRecord>(FILE).expect("records").len()
        };
        let failed = |detail: &str| Entry { detail: detail.to_owned(), ..entry(Verb::Failed, 1) };
        let table = [
            (vec![entry(Verb::Created, 0), failed("no"), entry(Verb::Skipped, 2)], "a", 1),
            (vec![failed("no"), entry(Verb::Skipped, 2), entry(Verb::Skipped, 3)], "a", 1),
            (vec![failed("another reason"), entry(Verb::Skipped, 2)], "a", 2),
            (vec![failed("another reason"), entry(Verb::Skipped, 2)], "another bundle", 3),
            (vec![failed("another reason"), entry(Verb::Created, 2)], "another bundle", 4),
            (vec![failed("another reason")], "another bundle", 4),
        ];
        for (number, (entries, digest, kept)) in table.into_iter().enumerate() {
            assert_eq!(attempt(entries, digest), kept, "{number}");
        }
    }
}
