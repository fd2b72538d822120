//! What stands against staging a generation. Reading only.

use std::path::Path;

use jiff::Timestamp;
use odin_model::report::{Row, Verdict};

use super::decide::Refusal;
use super::machine::Machine;
use super::record::{Kind, Record};
use crate::appliance::Appliance;
use crate::records::BackupRecord;

/// Phase of the acceptance that upgrades belong to.
pub(crate) const PHASE: u8 = 5;

/// A row of a report about upgrades.
pub(crate) fn row(name: &str, verdict: Verdict, reason: impl Into<String>) -> Row {
    Row { phase: PHASE, name: name.to_owned(), verdict, reason: reason.into() }
}

/// Whether there is space for another generation.
pub(crate) fn space(appliance: &Appliance, machine: &impl Machine) -> Vec<Row> {
    let declared = &appliance.config.upgrade;
    let judged = |name: &str, path: &str, needed: u64| match machine.free(Path::new(path)) {
        Err(error) => row(name, Verdict::Failed, error.to_string()),
        Ok(free) => {
            let free = free >> 20;
            let verdict = if free >= needed { Verdict::Passed } else { Verdict::Failed };
            row(name, verdict, format!("{path} has {free} MiB free, {needed} are needed"))
        }
    };
    vec![
        judged("store-space", "/nix/store", declared.free_store_mib),
        judged("boot-space", "/boot", declared.free_boot_mib),
    ]
}

/// Whether there is a backup to go back to.
pub(crate) fn backup(appliance: &Appliance, newest: Option<&BackupRecord>, now: Timestamp) -> Row {
    const NAME: &str = "backup-fresh";
    let Some(declared) = &appliance.config.backup else {
        return row(NAME, Verdict::Absent, "[backup] is not declared");
    };
    let Some(newest) = newest else {
        return row(NAME, Verdict::Failed, "there is no backup yet: `odin backup now`");
    };
    let age = now.duration_since(newest.time);
    let limit = jiff::SignedDuration::try_from(declared.maximum_age).unwrap_or(jiff::SignedDuration::MAX);
    let verdict = if age <= limit { Verdict::Passed } else { Verdict::Failed };
    row(
        NAME,
        verdict,
        format!("the newest backup is {} min old, at most {} are declared", age.as_mins(), limit.as_mins()),
    )
}

/// Whether this generation may be staged from the running one.
pub(crate) fn allowed(record: Option<&Record>, running: &Path, to: &Path) -> Row {
    const NAME: &str = "may-be-staged";
    let Some(record) = record else { return row(NAME, Verdict::Passed, "nothing is pending") };
    match super::decide::refusal(record, running, to, Kind::Upgrade) {
        None => row(NAME, Verdict::Passed, "nothing stands against it"),
        Some(refusal) => row(NAME, Verdict::Failed, refusal.to_string()),
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OnTrial => formatter.write_str(
                "the running generation has no good verdict yet, so it is no way back: `odin upgrade confirm`",
            ),
            Self::GivenUp(reason) => write!(
                formatter,
                "this generation fell back before ({reason}): `odin upgrade apply --again` tries it once more"
            ),
        }
    }
}
