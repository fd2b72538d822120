//! The manifest: what a snapshot covers and how to know it again.
//!
//! Stored as `/odin/manifest.json`; the records of single files are beside it
//! in `/odin/files.jsonl`, and the manifest holds that file's SHA-256.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{Digest, escaped};

/// Version of the manifest this crate writes and reads.
pub const FORMAT: u32 = 1;
/// Path of the manifest in a snapshot.
pub const MANIFEST_PATH: &str = "odin/manifest.json";
/// Path of the records in a snapshot.
pub const RECORDS_PATH: &str = "odin/files.jsonl";
/// Directory of the sources in a snapshot.
pub const SOURCES_PATH: &str = "sources";

/// What a snapshot covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Name of the machine.
    pub host: String,
    /// Generation in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Digest of the bundle in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// When the backup began.
    pub time: Timestamp,
    /// How long preparing, reading and storing the sources took.
    pub milliseconds: u64,
    /// Programs and their versions, `odin` among them.
    pub versions: std::collections::BTreeMap<String, String>,
    /// The sources, by name.
    pub sources: Vec<SourceEntry>,
    /// SHA-256 of the records.
    pub records: Digest,
    /// What a person should know: files that changed while they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One source of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceEntry {
    /// Name; the source is stored as `/sources/NAME`.
    pub name: String,
    /// Path on the machine, where it goes back to.
    #[serde(with = "escaped")]
    pub path: PathBuf,
    /// How it was taken.
    pub kind: SourceKind,
    /// False where an optional source did not exist.
    pub present: bool,
    /// Bytes of content.
    pub bytes: u64,
    /// Regular files.
    pub files: u64,
    /// Digest over the records of the source, see [`crate::record::Record::feed`].
    pub sha256: Digest,
}

/// How a source was taken, as far as putting it back has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum SourceKind {
    /// A directory with everything in it.
    Directory,
    /// One file, stored as `/sources/NAME/FILE`.
    File,
    /// An SQLite database, stored like a file. What SQLite keeps beside the old
    /// one (`-wal`, `-shm`, `-journal`) does not belong to it and goes.
    Sqlite,
    /// A snapshot of etcd in one file, to be handed to etcd's own restore.
    EtcdSnapshot,
    /// The directory of a persistent volume.
    Volume {
        /// Namespace of the claim.
        namespace: String,
        /// Name of the claim.
        claim: String,
    },
}

impl SourceKind {
    /// Tells whether the source is one file rather than a directory.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File | Self::Sqlite | Self::EtcdSnapshot)
    }
}

impl SourceEntry {
    /// Path of the source in the snapshot: the directory, or the file itself.
    #[must_use]
    pub fn snapshot_path(&self) -> PathBuf {
        let base = PathBuf::from(SOURCES_PATH).join(&self.name);
        match self.path.file_name() {
            Some(name) if self.kind.is_file() => base.join(name),
            _ => base,
        }
    }
}

impl Manifest {
    /// Finds a source by name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&SourceEntry> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// Bytes of all sources.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.bytes).sum()
    }

    /// Regular files of all sources.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.sources.iter().map(|source| source.files).sum()
    }
}
