//! Putting data back.
//!
//! 1. Each source is restored beside its target on the same file system and
//!    compared there with the manifest, entry by entry, byte by byte.
//! 2. Only then the machine is stopped and proven quiet.
//! 3. Old and new change places by rename. A target that is a mount point
//!    keeps its place and its children are exchanged.
//! 4. The machine is started, and the result judged. Where anything fails the
//!    old data is put back.
//! 5. The old data is removed.
//!
//! A journal is written and synced before each of these, so that after a kill
//! or a power cut at any point [`recover`] ends the restore one way or the
//! other. Until the journal says `swapped` that is back; from then on, forward.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use odin_model::event::Observer;
use serde::{Deserialize, Serialize};

use crate::engine::{BackupEngine, SnapshotId, SnapshotInfo};
use crate::manifest::{Manifest, SourceKind};
use crate::record::escaped;
use crate::repository::Repository;
use crate::staging::Staging;
use crate::steps::Steps;
use crate::verify::{self, Comparison};
use crate::{Error, Result};

mod execute;
mod journal;
mod mounts;
mod plan;
mod swap;

pub use execute::{Outcome, Recovered, apply, recover};
pub use plan::{Measured, Space, plan};

/// What the executor needs done to the machine around the data.
///
/// Every call may be repeated: after a crash the executor does not know
/// whether the last one took effect.
pub trait Host: Send + Sync {
    /// Stops everything that uses the targets.
    ///
    /// # Errors
    ///
    /// In words.
    fn stop(&self) -> std::result::Result<(), String>;

    /// Proves that no mount, process or open file is left below the paths.
    ///
    /// # Errors
    ///
    /// In words, naming what is left.
    fn prove_quiet(&self, paths: &[PathBuf]) -> std::result::Result<(), String>;

    /// Does what is due between new data and start, such as etcd's own restore
    /// from its snapshot. Not called with the old data in place.
    ///
    /// # Errors
    ///
    /// In words.
    fn after_swap(&self, plan: &RestorePlan) -> std::result::Result<(), String>;

    /// Starts what [`Host::stop`] stopped.
    ///
    /// # Errors
    ///
    /// In words.
    fn start(&self) -> std::result::Result<(), String>;

    /// Waits until the machine is ready.
    ///
    /// # Errors
    ///
    /// In words, with what was still missing when patience ended.
    fn wait_ready(&self) -> std::result::Result<(), String>;

    /// Judges the machine with the new data in place.
    ///
    /// # Errors
    ///
    /// In words; the restore is taken back then.
    fn accept(&self, plan: &RestorePlan) -> std::result::Result<(), String>;
}

/// How old and new change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The target itself is renamed.
    Rename,
    /// The target is a mount point: what is in it is.
    Children,
}

/// One source that is put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Piece {
    /// Name of the source.
    pub source: String,
    /// How it was taken.
    pub kind: SourceKind,
    /// Path in the snapshot.
    #[serde(with = "escaped")]
    pub stored: PathBuf,
    /// Where it goes.
    #[serde(with = "escaped")]
    pub target: PathBuf,
    /// Where it is restored to first.
    #[serde(with = "escaped")]
    pub stage: PathBuf,
    /// Where the old data is kept until the end.
    #[serde(with = "escaped")]
    pub old: PathBuf,
    /// How they change places.
    pub method: Method,
    /// Whether there is old data.
    pub replaces: bool,
    /// Mode, owner and group of the old directory, where its children are
    /// exchanged and it stays itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<(u32, u32, u32)>,
    /// Bytes of content.
    pub bytes: u64,
    /// Regular files.
    pub files: u64,
}

impl Piece {
    /// Files SQLite keeps beside a database.
    pub(crate) fn companions(&self, of: &Path) -> Vec<PathBuf> {
        if self.kind != SourceKind::Sqlite {
            return Vec::new();
        }
        ["-wal", "-shm", "-journal"]
            .iter()
            .map(|suffix| {
                let mut name = of.as_os_str().to_os_string();
                name.push(suffix);
                PathBuf::from(name)
            })
            .collect()
    }
}

/// What a restore will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestorePlan {
    /// The snapshot.
    pub snapshot: SnapshotInfo,
    /// What is put back.
    pub pieces: Vec<Piece>,
    /// Sources of the snapshot that are left as they are, each with the reason.
    pub kept: Vec<String>,
    /// Bytes that are written.
    pub bytes: u64,
    /// What that needs of each file system.
    pub space: Vec<Space>,
    /// How long restoring and comparing will take, the machine running, where
    /// a throughput was measured before.
    pub staging_seconds: Option<u64>,
    /// How long the machine will be down, where that was measured before. It
    /// does not depend on the bytes: they are in place by then.
    pub downtime_seconds: Option<u64>,
}

/// A restore into a directory that nothing uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Where the sources are, each below its name.
    pub into: PathBuf,
    /// How they compare with the manifest.
    pub comparison: Comparison,
}

/// Restores sources into a directory, each below its name, and compares them
/// with the manifest. Nothing else is touched.
///
/// # Errors
///
/// Where the directory is not empty or too small, a source is not in the
/// snapshot, or what was restored is not what was stored.
pub fn extract<E: BackupEngine>(
    repository: &Repository<E>,
    id: &SnapshotId,
    only: &[String],
    into: &Path,
    observer: &dyn Observer,
) -> Result<Extracted> {
    let manifest = repository.show(id)?;
    let chosen = plan::choose(&manifest, only, id)?;
    let bytes: u64 = chosen.iter().map(|source| source.bytes).sum();
    crate::staging::require_space(into, bytes)?;
    let staging = Staging::take(repository.scratch())?;
    let records = staging.path().join("records");
    repository.fetch_records(id, &manifest, &records)?;
    let partial = into.join(PARTIAL);
    require_empty(into, &partial)?;
    let meter = verify::meter(observer, "verify", bytes);
    let restored = chosen.iter().try_fold(Comparison::default(), |mut comparison, source| {
        let stored = PathBuf::from(crate::manifest::SOURCES_PATH).join(&source.name);
        let target = partial.join(&source.name);
        repository.engine().restore_tree(id, &stored, &target, observer)?;
        comparison.add(verify::compare(&records, &stored, &target, verify::Depth::Content, &meter)?);
        Ok(comparison)
    });
    let comparison = restored.inspect_err(|_| {
        // The error is the one to tell; what stays is removed by the next.
        drop(std::fs::remove_dir_all(&partial));
    })?;
    meter.finish();
    // What differs stays where it is: it may be all there is.
    comparison.require_equal()?;
    for source in &chosen {
        let target = into.join(&source.name);
        std::fs::rename(partial.join(&source.name), &target)
            .map_err(|error| Error::io("rename to", &target, error))?;
    }
    std::fs::remove_dir(&partial).map_err(|error| Error::io("remove", &partial, error))?;
    Ok(Extracted { snapshot: id.clone(), into: into.to_path_buf(), comparison })
}

/// Where a restore into a directory puts what is not compared yet, so that what
/// a killed one left is known as such, and removed by the next.
const PARTIAL: &str = ".odin-partial";

fn require_empty(directory: &Path, partial: &Path) -> Result<()> {
    match std::fs::remove_dir_all(partial) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(Error::io("remove leftovers in", partial, error));
        }
        _ => {}
    }
    std::fs::create_dir_all(directory).map_err(|error| Error::io("create directory", directory, error))?;
    let mut entries = std::fs::read_dir(directory).map_err(|error| Error::io("list", directory, error))?;
    if entries.next().is_some() {
        return Err(Error::Target { path: directory.into(), reason: "the directory is not empty".into() });
    }
    std::fs::create_dir(partial).map_err(|error| Error::io("create directory", partial, error))?;
    Ok(())
}

/// Restores the pieces of a plan to their stages and compares them there.
pub(crate) fn stage<E: BackupEngine>(
    repository: &Repository<E>,
    plan: &RestorePlan,
    manifest: &Manifest,
    records: &Path,
    steps: &dyn Steps,
    observer: &dyn Observer,
) -> Result<Comparison> {
    let id = &plan.snapshot.id;
    repository.fetch_records(id, manifest, records)?;
    let mut comparison = Comparison::default();
    let meter = verify::meter(observer, "verify", plan.bytes);
    for piece in &plan.pieces {
        steps.reached(&format!("stage {}", piece.source))?;
        repository.engine().restore_tree(id, &piece.stored, &piece.stage, observer)?;
        comparison.add(verify::compare(
            records,
            &piece.stored,
            &piece.stage,
            verify::Depth::Content,
            &meter,
        )?);
    }
    meter.finish();
    comparison.require_equal()?;
    Ok(comparison)
}
