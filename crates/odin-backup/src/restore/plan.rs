//! Planning a restore.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::mounts::{below, mount_points};
use super::{Method, Piece, RestorePlan};
use crate::engine::{BackupEngine, SnapshotId};
use crate::manifest::{Manifest, SourceEntry};
use crate::repository::Repository;
use crate::staging::free_space;
use crate::{Error, Result};

/// What earlier restores and drills measured on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    /// Bytes restored and compared in a second.
    pub bytes_per_second: Option<u64>,
    /// Seconds from stop to ready.
    pub downtime_seconds: Option<u64>,
}

/// What a restore needs of one file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// A path on it.
    pub path: PathBuf,
    /// Bytes needed: the new data lies beside the old until the end.
    pub needed: u64,
    /// Bytes free now.
    pub free: u64,
}

/// Room a file takes beside its content, at most.
const ENTRY: u64 = 4096;

/// Plans the restore of a snapshot, or of some of its sources.
///
/// # Errors
///
/// Where the snapshot has no such source, a target cannot be restored to, or a
/// file system is too small.
pub fn plan<E: BackupEngine>(
    repository: &Repository<E>,
    id: &SnapshotId,
    only: &[String],
    measured: Measured,
) -> Result<RestorePlan> {
    let snapshot = repository.resolve(&id.0)?;
    let manifest = repository.show(&snapshot.id)?;
    let chosen = choose(&manifest, only, id)?;
    let points = mount_points()?;
    let mut pieces = Vec::new();
    let mut kept = Vec::new();
    for source in &manifest.sources {
        if !source.present {
            kept.push(format!("{}: not in the snapshot", source.name));
        } else if chosen.iter().any(|one| one.name == source.name) {
            pieces.push(piece(source, &snapshot.id, &points)?);
        } else {
            kept.push(format!("{}: not asked for", source.name));
        }
    }
    refuse_nested(&pieces)?;
    let space = measure_space(&pieces)?;
    if let Some(short) = space.iter().find(|space| space.free < space.needed) {
        return Err(Error::NoSpace { path: short.path.clone(), needed: short.needed, free: short.free });
    }
    let bytes = pieces.iter().map(|piece| piece.bytes).sum();
    Ok(RestorePlan {
        snapshot,
        pieces,
        kept,
        bytes,
        space,
        staging_seconds: measured.bytes_per_second.filter(|rate| *rate > 0).map(|rate| bytes.div_ceil(rate)),
        downtime_seconds: measured.downtime_seconds,
    })
}

/// Finds the sources that are asked for; none named means all there are.
pub(super) fn choose<'a>(
    manifest: &'a Manifest,
    only: &[String],
    id: &SnapshotId,
) -> Result<Vec<&'a SourceEntry>> {
    for name in only {
        match manifest.source(name) {
            Some(source) if source.present => {}
            _ => {
                return Err(Error::NotInSnapshot {
                    snapshot: id.short().to_owned(),
                    path: format!("source {name}"),
                });
            }
        }
    }
    let wanted = |source: &&SourceEntry| source.present && (only.is_empty() || only.contains(&source.name));
    Ok(manifest.sources.iter().filter(wanted).collect())
}

fn piece(source: &SourceEntry, id: &SnapshotId, points: &[PathBuf]) -> Result<Piece> {
    let target = settle(&source.path)?;
    let refuse = |reason: String| Error::Target { path: target.clone(), reason };
    let found = match std::fs::symlink_metadata(&target) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io("look at", &target, error)),
    };
    if let Some(found) = &found {
        if found.file_type().is_symlink() {
            return Err(refuse("it is a symbolic link, so the data belongs elsewhere".into()));
        }
        if found.is_dir() == source.kind.is_file() {
            return Err(refuse("what is there is of another kind than the source".into()));
        }
    }
    if let Some(point) = below(points, &target) {
        return Err(refuse(format!("a file system is mounted below it at {}", point.display())));
    }
    let mounted = points.contains(&target) || crosses(&target, found.as_ref());
    if mounted && source.kind.is_file() {
        return Err(refuse("the file is a mount point".into()));
    }
    let (stage, old, method) = if mounted {
        let beside = |part: &str| target.join(format!(".odin-{part}-{}", id.short()));
        (beside("stage"), beside("old"), Method::Children)
    } else {
        let name = target.file_name().ok_or_else(|| refuse("it has no name".into()))?;
        if name.as_bytes().len() > 200 {
            return Err(refuse("its name is too long for a second one beside it".into()));
        }
        let beside = |part: &str| {
            let mut name = name.to_os_string();
            name.push(format!(".odin-{part}-{}", id.short()));
            target.with_file_name(name)
        };
        (beside("stage"), beside("old"), Method::Rename)
    };
    if old.symlink_metadata().is_ok() {
        return Err(refuse(format!("{} of an earlier restore is in the way", old.display())));
    }
    Ok(Piece {
        source: source.name.clone(),
        kind: source.kind.clone(),
        stored: source.snapshot_path(),
        replaces: found.is_some(),
        root: found
            .filter(|_| method == Method::Children)
            .map(|found| (found.mode() & 0o7777, found.uid(), found.gid())),
        target,
        stage,
        old,
        method,
        bytes: source.bytes,
        files: source.files,
    })
}

/// The target with links in its parents followed, so that what is beside it is
/// on its file system. Parents that do not exist are left as they are written.
fn settle(path: &Path) -> Result<PathBuf> {
    let refuse = |reason: &str| Error::Target { path: path.to_path_buf(), reason: reason.to_owned() };
    if !path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(refuse("the manifest names no absolute path"));
    }
    let name = path.file_name().ok_or_else(|| refuse("it has no name"))?;
    let parent = path.parent().ok_or_else(|| refuse("it has no parent"))?;
    match std::fs::canonicalize(parent) {
        Ok(parent) => Ok(parent.join(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(error) => Err(Error::io("resolve", parent, error)),
    }
}

fn crosses(target: &Path, found: Option<&std::fs::Metadata>) -> bool {
    let parent = target.parent().and_then(|parent| std::fs::metadata(parent).ok());
    match (found, parent) {
        (Some(found), Some(parent)) => found.dev() != parent.dev(),
        _ => false,
    }
}

/// Two targets, one in the other, would be swapped into each other's old data.
fn refuse_nested(pieces: &[Piece]) -> Result<()> {
    for outer in pieces {
        for inner in pieces {
            if inner.source != outer.source && inner.target.starts_with(&outer.target) {
                let reason = format!(
                    "it lies within {}, which source {} restores",
                    outer.target.display(),
                    outer.source
                );
                return Err(Error::Target { path: inner.target.clone(), reason });
            }
        }
    }
    Ok(())
}

fn measure_space(pieces: &[Piece]) -> Result<Vec<Space>> {
    let mut space: Vec<(u64, Space)> = Vec::new();
    for piece in pieces {
        let existing = existing_part(&piece.stage);
        let device =
            std::fs::metadata(&existing).map_err(|error| Error::io("look at", &existing, error))?.dev();
        let needed = piece.bytes + piece.files.saturating_mul(ENTRY);
        match space.iter_mut().find(|(other, _)| *other == device) {
            Some((_, space)) => space.needed += needed,
            None => space.push((device, Space { free: free_space(&existing)?, path: existing, needed })),
        }
    }
    Ok(space.into_iter().map(|(_, space)| space).collect())
}

fn existing_part(path: &Path) -> PathBuf {
    path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/")).to_path_buf()
}
