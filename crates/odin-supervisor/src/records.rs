//! What ODIN remembers of its own work, below `/var/lib/odin/history`.
//!
//! Records are small JSON files replaced atomically, and part of every
//! snapshot. A record that cannot be read is reported and treated as none:
//! it is evidence, and evidence is never made up. Files of many records have a
//! line for each, and a bounded size.

mod lines;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alerting::remediation::record as remedies;
use crate::appliance::{Appliance, make_private_dir, replace_file};
use crate::{Error, Result};

/// The newest backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BackupRecord {
    /// Id of the snapshot.
    pub snapshot: String,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Bytes it covers.
    pub bytes: u64,
    /// Files it covers.
    pub files: u64,
}

/// The newest drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DrillRecord {
    /// Id of the snapshot that was restored.
    pub snapshot: String,
    /// When the drill began.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// How long it took: what a restore's reading and verifying costs here.
    pub seconds: f64,
    /// Bytes compared.
    pub bytes: u64,
    /// Files compared.
    pub files: u64,
    /// Whether everything was equal and every database sound.
    pub passed: bool,
    /// What was not.
    pub findings: Vec<String>,
}

/// The newest prune of the repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PruneRecord {
    /// When it began.
    pub time: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Bytes of packs it freed.
    pub freed: u64,
    /// Bytes of packs there were before.
    pub bytes: u64,
}

/// The newest restore; what the next one's plan estimates from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RestoreRecord {
    /// Id of the snapshot.
    pub snapshot: String,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Bytes restored and compared.
    pub bytes: u64,
    /// Files restored and compared.
    pub files: u64,
    /// Milliseconds of reading and comparing, the machine running.
    pub staging_milliseconds: u64,
    /// Milliseconds from stop to accepted.
    pub downtime_milliseconds: u64,
}

/// The newest trial of the delivery of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SelfTestRecord {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Whether every way of every receiver took the alert.
    pub passed: bool,
    /// Which did not, and why.
    pub findings: Vec<String>,
}

/// When each scheduled task was last run to its end, well or not.
pub type LastRuns = BTreeMap<String, Timestamp>;

/// The records of one appliance.
#[derive(Clone, Debug)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    /// The records of an appliance; nothing is read yet.
    #[must_use]
    pub fn of(appliance: &Appliance) -> Self {
        Self { directory: appliance.history_dir() }
    }

    /// The newest backup; none when there was none.
    #[must_use]
    pub fn backup(&self) -> Option<BackupRecord> {
        load(&self.directory.join("backup.json"))
    }

    /// Keeps the newest backup, and all backups as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_backup(&self, record: &BackupRecord) -> Result<()> {
        self.append("backups.jsonl", record)?;
        store(&self.directory.join("backup.json"), record)
    }

    /// The newest drill; none when there was none.
    #[must_use]
    pub fn drill(&self) -> Option<DrillRecord> {
        load(&self.directory.join("drill.json"))
    }

    /// Keeps the newest drill, and all drills as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_drill(&self, record: &DrillRecord) -> Result<()> {
        self.append("drills.jsonl", record)?;
        store(&self.directory.join("drill.json"), record)
    }

    /// The newest prune; none when there was none.
    #[must_use]
    pub fn prune(&self) -> Option<PruneRecord> {
        load(&self.directory.join("prune.json"))
    }

    /// Keeps the newest prune, and all prunes as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_prune(&self, record: &PruneRecord) -> Result<()> {
        self.append("prunes.jsonl", record)?;
        store(&self.directory.join("prune.json"), record)
    }

    /// The newest restore; none when there was none.
    #[must_use]
    pub fn restore(&self) -> Option<RestoreRecord> {
        load(&self.directory.join("restore.json"))
    }

    /// Keeps the newest restore, and all restores as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_restore(&self, record: &RestoreRecord) -> Result<()> {
        self.append("restores.jsonl", record)?;
        store(&self.directory.join("restore.json"), record)
    }

    /// The newest trial of delivery; none when there was none.
    #[must_use]
    pub fn self_test(&self) -> Option<SelfTestRecord> {
        load(&self.directory.join("self-test.json"))
    }

    /// Keeps the newest trial of delivery, and all as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_self_test(&self, record: &SelfTestRecord) -> Result<()> {
        self.append("self-tests.jsonl", record)?;
        store(&self.directory.join("self-test.json"), record)
    }

    /// When each scheduled task last ran.
    #[must_use]
    pub fn last_runs(&self) -> LastRuns {
        load(&self.directory.join("schedule.json")).unwrap_or_default()
    }

    /// Keeps when a scheduled task ran.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_run(&self, task: &str, time: Timestamp) -> Result<()> {
        let mut runs = self.last_runs();
        runs.insert(task.to_owned(), time);
        store(&self.directory.join("schedule.json"), &runs)
    }

    /// Tells whether the repair of drift is suspended.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.directory.join("suspended").exists()
    }

    /// Suspends or resumes the repair of drift.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_suspended(&self, suspended: bool) -> Result<()> {
        let file = self.directory.join("suspended");
        if suspended { replace_file(&file, b"") } else { remove(&file) }
    }

    /// Digest of the bundle that was undone, until another is declared or it is
    /// applied on request.
    #[must_use]
    pub fn undone(&self) -> Option<String> {
        load(&self.directory.join("undone.json"))
    }

    /// Keeps which bundle was undone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_undone(&self, digest: Option<&str>) -> Result<()> {
        let file = self.directory.join("undone.json");
        match digest {
            Some(digest) => store(&file, &digest),
            None => remove(&file),
        }
    }

    /// The lines of a file of records, the oldest first; those that cannot be
    /// read are left out.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn lines<T: DeserializeOwned>(&self, file: &str) -> Result<Vec<T>> {
        let path = self.directory.join(file);
        lines::all(&path).map_err(Error::state("read", &path))
    }

    /// The newest lines of a file of records, the newest first: as many as
    /// asked for, or as the newest 4 MiB hold.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn newest<T: DeserializeOwned>(&self, file: &str, limit: usize) -> Result<Vec<T>> {
        let path = self.directory.join(file);
        lines::newest(&path, limit).map_err(Error::state("read", &path))
    }

    /// Appends one line to a file of records. Of one that became large the
    /// older half goes, but for what open remedies are known by.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, file: &str, record: &impl Serialize) -> Result<()> {
        make_private_dir(&self.directory)?;
        let path = self.directory.join(file);
        let mut line = to_json(&path, record)?;
        line.push(b'\n');
        // Held while the file may be replaced: others append too.
        let _lock = lines::lock(&self.directory).map_err(Error::state("lock", &self.directory))?;
        let failed = || Error::state("write", &path);
        if let Some(whole) = lines::cut(&path, &line, file == remedies::FILE).map_err(failed())? {
            tracing::info!(path = %path.display(), "the older records of a large file are removed");
            return replace_file(&path, &whole);
        }
        lines::append(&path, line).map_err(failed())
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "cannot read a record");
            }
            return None;
        }
    };
    serde_json::from_slice(&text)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a record is damaged"))
        .ok()
}

/// Removes a file; that there is none is well.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::State { action: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn store(path: &Path, record: &impl Serialize) -> Result<()> {
    replace_file(path, &to_json(path, record)?)
}

fn to_json(path: &Path, record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::State {
        action: "write",
        path: path.to_owned(),
        source: error.into(),
    })
}
