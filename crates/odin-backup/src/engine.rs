//! The engine: writes, lists, reads, checks, copies and forgets snapshots.
//!
//! What the rest of the crate knows of a repository is [`BackupEngine`]. The
//! product's engine is [`rustic::RusticEngine`]; [`plain::PlainEngine`] keeps
//! snapshots as plain directories and is for tests of the layers above. No
//! type of `rustic_core` leaves this module.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use odin_model::event::Observer;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::walk::Root;

pub mod plain;
pub mod rustic;

mod blob;
mod check;
mod content;
mod key;
mod ledger;
mod node;
mod prune;
mod reader;
mod restorer;
mod store;

/// Id of a snapshot: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(pub String);

impl SnapshotId {
    /// The first eight digits, as lists show it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0)
    }
}

/// One snapshot, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// When the backup began.
    pub time: Timestamp,
    /// Machine it was taken of.
    pub host: String,
    /// Marks: `odin` on what ODIN wrote, `generation=N`, and [`HOLD`].
    pub tags: Vec<String>,
    /// Bytes of the sources, where the writer recorded them.
    pub bytes: Option<u64>,
    /// Files of the sources, where the writer recorded them.
    pub files: Option<u64>,
    /// Bytes the snapshot added to the repository, where recorded.
    pub added: Option<u64>,
}

/// Tag of a snapshot that is never forgotten.
pub const HOLD: &str = "hold";
/// Tag of snapshots written by ODIN.
pub const WRITTEN_BY_ODIN: &str = "odin";

impl SnapshotInfo {
    /// Tells whether the snapshot is held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.tags.iter().any(|tag| tag == HOLD)
    }
}

/// What a new snapshot is labelled with.
#[derive(Clone, Debug)]
pub struct Label {
    /// Name of the machine.
    pub host: String,
    /// When the backup began.
    pub time: Timestamp,
    /// Tags.
    pub tags: Vec<String>,
    /// Snapshot whose unchanged files need not be read again.
    pub parent: Option<SnapshotId>,
    /// Bytes of the sources in that snapshot.
    pub parent_bytes: Option<u64>,
}

/// What was stored of the sources, told before the snapshot is sealed.
#[derive(Clone, Debug)]
pub struct Stored {
    /// File of records, one JSON object a line, in the order of the walk.
    pub records: PathBuf,
    /// Paths of files that changed while they were read.
    pub changed: Vec<PathBuf>,
}

/// Figures of a restored tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Regular files.
    pub files: u64,
    /// Directories and everything else.
    pub others: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs the index knows.
    pub packs: u64,
    /// Bytes read and hashed; 0 where only the structure was checked.
    pub bytes_read: u64,
    /// What is wrong. A repository without errors can be restored from.
    pub errors: Vec<String>,
    /// What is odd but harms no restore, such as packs no snapshot needs.
    pub remarks: Vec<String>,
}

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDepth {
    /// Index, trees and the presence and size of every pack.
    Structure,
    /// Every byte of every file besides.
    ReadData,
}

/// Called when the sources are stored; returns what becomes `/odin`.
pub type Seal<'a> = &'a mut dyn FnMut(&Stored) -> Result<Root>;

/// A repository, opened.
pub trait BackupEngine: Send + Sync {
    /// Where the repository is.
    fn location(&self) -> &Path;

    /// Stores the roots as one snapshot, together with what `seal` returns.
    ///
    /// `scratch` is a directory of the caller's for files of the moment.
    ///
    /// # Errors
    ///
    /// Anything that keeps a file from being stored as it is; there is no
    /// snapshot then.
    fn backup(
        &self,
        label: &Label,
        roots: Vec<Root>,
        scratch: &Path,
        seal: Seal<'_>,
        observer: &dyn Observer,
    ) -> Result<SnapshotInfo>;

    /// Lists the snapshots, oldest first.
    ///
    /// # Errors
    ///
    /// Where one cannot be read: a list that leaves one out would have it
    /// forgotten.
    fn snapshots(&self) -> Result<Vec<SnapshotInfo>>;

    /// Reads one file of a snapshot into a writer, verified.
    ///
    /// # Errors
    ///
    /// Where the file is not there, or not what was stored.
    fn read_file(&self, id: &SnapshotId, path: &Path, into: &mut dyn std::io::Write) -> Result<()>;

    /// Restores what is at `path` of a snapshot to `into`: the content of a
    /// directory into a directory that is empty or absent, or one file to a
    /// path that is free.
    ///
    /// # Errors
    ///
    /// Anything that keeps a file from being restored exactly.
    fn restore_tree(
        &self,
        id: &SnapshotId,
        path: &Path,
        into: &Path,
        observer: &dyn Observer,
    ) -> Result<Restored>;

    /// Checks the repository. What is wrong with the data is in the report.
    ///
    /// # Errors
    ///
    /// Where the check itself could not be done.
    fn check(&self, depth: CheckDepth, observer: &dyn Observer) -> Result<CheckReport>;

    /// Removes snapshots. The data stays until a prune.
    ///
    /// # Errors
    ///
    /// Where one could not be removed.
    fn forget(&self, ids: &[SnapshotId]) -> Result<()>;
}
