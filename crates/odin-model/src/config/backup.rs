//! What is backed up, when, to where, and for how long it is kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::{Impossible, is_label, require_absolute};
use crate::schedule::Schedule;
use crate::unused::MaxUnused;

/// `[backup]`: the repository and what goes into it.
///
/// The sources every server has (datastore, token, TLS, local volumes,
/// `/etc/odin`, ODIN's state, the bundle in force) need no declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Backup {
    /// Directory of the repository, in restic's format.
    #[serde(default = "default_repository")]
    pub repository: PathBuf,
    /// File with the repository's password. Without it no backup can be
    /// read: keep a copy away from the machine.
    pub password_file: PathBuf,
    /// When a backup is taken; never by itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Age of the newest snapshot above which `odin verify` fails.
    #[serde(default = "default_maximum_age", with = "compact::required")]
    pub maximum_age: Duration,
    /// Which snapshots `forget` keeps.
    #[serde(default)]
    pub retention: Retention,
    /// Scheduled restore of the newest snapshot beside the running system.
    #[serde(default)]
    pub drill: Drill,
    /// Scheduled check of the repository.
    #[serde(default)]
    pub check: Check,
    /// Scheduled freeing of what no snapshot needs.
    #[serde(default)]
    pub prune: Prune,
    /// Embedded etcd in place of SQLite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// Further repositories that snapshots are copied to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyTarget>,
    /// Further files and directories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Commands run in a volume's pod before and after it is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeHook>,
}

fn default_repository() -> PathBuf {
    "/var/lib/odin/repository".into()
}

fn default_maximum_age() -> Duration {
    Duration::from_secs(26 * 60 * 60)
}

/// `[backup.retention]`: how many snapshots of each period are kept.
///
/// A snapshot is kept when any rule keeps it. The newest is always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retention {
    /// Newest ones, whatever their age.
    pub last: u32,
    /// Last one of this many hours.
    pub hourly: u32,
    /// Last one of this many days.
    pub daily: u32,
    /// Last one of this many weeks (ISO 8601).
    pub weekly: u32,
    /// Last one of this many months.
    pub monthly: u32,
    /// Last one of this many years.
    pub yearly: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { last: 3, hourly: 0, daily: 7, weekly: 4, monthly: 6, yearly: 0 }
    }
}

/// `[backup.drill]`: proof by restoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Drill {
    /// When a drill runs; never by itself when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Age of the newest good drill above which `odin verify` fails.
    #[serde(with = "compact::required")]
    pub maximum_age: Duration,
}

impl Default for Drill {
    fn default() -> Self {
        Self { schedule: None, maximum_age: Duration::from_secs(8 * 24 * 60 * 60) }
    }
}

/// `[backup.check]`: the repository's own consistency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Check {
    /// When the repository is checked; never by itself when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Whether every byte is read, not only the structure.
    pub read_data: bool,
}

/// `[backup.prune]`: what forgotten snapshots alone needed is freed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Prune {
    /// When the repository is pruned; never by itself when absent, and it then
    /// grows with every backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Data of no use that may stay within packs that are needed in part; above
    /// it they are written anew. A share of the repository, an amount such as
    /// `500M`, or `unlimited`.
    pub max_unused: MaxUnused,
}

/// `[backup.etcd]`: the datastore is embedded etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Etcd {
    /// Command that writes a snapshot; `{}` in an argument becomes the path.
    pub snapshot_command: Vec<String>,
}

/// `[[backup.copies]]`: a second repository on another disk or mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CopyTarget {
    /// Name for `odin backup copy`.
    pub name: String,
    /// Directory of the repository.
    pub repository: PathBuf,
    /// File with its password.
    pub password_file: PathBuf,
    /// When snapshots are copied; only by command when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// `[[backup.sources]]`: a file or directory beyond the built-in sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// Name in the snapshot.
    pub name: String,
    /// What kind of thing is read.
    pub kind: SourceKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether a missing path is an error; otherwise it is noted as absent.
    #[serde(default = "yes")]
    pub required: bool,
}

const fn yes() -> bool {
    true
}

/// How a declared source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A directory and all below it.
    Directory,
    /// One file.
    File,
    /// A SQLite database, copied consistently while it is being written.
    Sqlite,
}

/// `[[backup.volumes]]`: how one local volume is made consistent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VolumeHook {
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the PersistentVolumeClaim.
    pub claim: String,
    /// Leaves the volume out of backups.
    #[serde(default)]
    pub exclude: bool,
    /// Command run in the pod that mounts it, before it is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Command run there afterwards, also when reading failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl Backup {
    /// Backups with nothing declared but where they go: what a bare machine
    /// has that is to be restored.
    #[must_use]
    pub fn at(repository: PathBuf, password_file: PathBuf) -> Self {
        Self {
            repository,
            password_file,
            schedule: None,
            maximum_age: default_maximum_age(),
            retention: Retention::default(),
            drill: Drill::default(),
            check: Check::default(),
            prune: Prune::default(),
            etcd: None,
            copies: Vec::new(),
            sources: Vec::new(),
            volumes: Vec::new(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Impossible> {
        require_absolute("backup.repository", &self.repository)?;
        require_absolute("backup.password-file", &self.password_file)?;
        if let Some(etcd) = &self.etcd
            && !etcd.snapshot_command.iter().any(|argument| argument.contains("{}"))
        {
            let command = etcd.snapshot_command.join(" ");
            return Err(Impossible::new(
                "backup.etcd.snapshot-command",
                command,
                "must have `{}` where the path goes",
            ));
        }
        let mut names = BTreeSet::new();
        for copy in &self.copies {
            require_absolute("backup.copies.repository", &copy.repository)?;
            require_absolute("backup.copies.password-file", &copy.password_file)?;
            if !is_label(&copy.name) {
                return Err(Impossible::new(
                    "backup.copies.name",
                    &copy.name,
                    "must be lower-case letters, digits and dashes",
                ));
            }
            if !names.insert(&copy.name) {
                return Err(Impossible::new("backup.copies.name", &copy.name, "is declared twice"));
            }
            if copy.repository == self.repository {
                return Err(Impossible::new(
                    "backup.copies.repository",
                    copy.repository.display(),
                    "is the repository itself; a copy must lie elsewhere, best on another disk",
                ));
            }
        }
        let mut names = BTreeSet::new();
        for source in &self.sources {
            require_absolute("backup.sources.path", &source.path)?;
            if !is_label(&source.name) {
                return Err(Impossible::new(
                    "backup.sources.name",
                    &source.name,
                    "must be lower-case letters, digits and dashes",
                ));
            }
            if !names.insert(&source.name) {
                return Err(Impossible::new("backup.sources.name", &source.name, "is declared twice"));
            }
        }
        Ok(())
    }
}
