//! Snapshots as plain directories, for tests of the layers above.
//!
//! No encryption, no deduplication, no locks: what it shares with the product's
//! engine is the walk, the records and the writing, so that an operation sees
//! the same errors and the same trees, without the time a real repository takes.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use odin_model::event::{Observer, Unit};
use sha2::{Digest as _, Sha256};

use super::rustic::Meter;
use super::{BackupEngine, CheckDepth, CheckReport, Label, Restored, Seal, SnapshotId, SnapshotInfo, Stored};
use crate::beneath::Beneath;
use crate::manifest::{RECORDS_PATH, SOURCES_PATH};
use crate::record::{Digest, Kind};
use crate::walk::{Entry, Root, Walk};
use crate::{Error, Result, verify};

/// A directory of snapshots.
#[derive(Clone, Debug)]
pub struct PlainEngine {
    path: PathBuf,
}

impl PlainEngine {
    /// Uses a directory, which is created where absent.
    ///
    /// # Errors
    ///
    /// Where it cannot be created.
    pub fn new(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| Error::io("create directory", path, error))?;
        Ok(Self { path: path.to_path_buf() })
    }

    fn tree(&self, id: &SnapshotId) -> Result<PathBuf> {
        let path = self.path.join(&id.0).join("tree");
        if !path.is_dir() || id.0.contains('/') {
            return Err(Error::NoSnapshot { id: id.0.clone(), path: self.path.clone() });
        }
        Ok(path)
    }

    fn place(&self, id: &SnapshotId, path: &Path) -> Result<PathBuf> {
        let place = self.tree(id)?.join(path);
        if place.symlink_metadata().is_err() {
            let path = path.display().to_string();
            return Err(Error::NotInSnapshot { snapshot: id.short().to_owned(), path });
        }
        Ok(place)
    }
}

impl BackupEngine for PlainEngine {
    fn location(&self) -> &Path {
        &self.path
    }

    fn backup(
        &self,
        label: &Label,
        roots: Vec<Root>,
        scratch: &Path,
        seal: Seal<'_>,
        observer: &dyn Observer,
    ) -> Result<SnapshotInfo> {
        let id = SnapshotId(Digest::of(format!("{} {}", label.time, label.host).as_bytes()).to_string());
        let partial = self.path.join("partial");
        remove(&partial)?;
        fs::create_dir(&partial).map_err(|error| Error::io("create directory", &partial, error))?;
        let tree = Beneath::open(&partial.join("tree"))?;
        let records = scratch.join("records.jsonl");
        let meter = Meter::new(observer, "backup", None, Unit::Bytes);
        let restored = copy(roots, &tree, Some(&records), &meter)?;
        let odin = seal(&Stored { records, changed: Vec::new() })?;
        copy(vec![odin], &tree, None, &meter)?;
        meter.finish();
        let info = SnapshotInfo {
            id: id.clone(),
            time: label.time,
            host: label.host.clone(),
            tags: label.tags.clone(),
            bytes: Some(restored.bytes),
            files: Some(restored.files),
            added: None,
        };
        let path = partial.join("info.json");
        let text = serde_json::to_vec(&info).map_err(|error| Error::io("write", &path, error))?;
        fs::write(&path, text).map_err(|error| Error::io("write", &path, error))?;
        let place = self.path.join(&id.0);
        fs::rename(&partial, &place).map_err(|error| Error::io("rename to", &place, error))?;
        Ok(info)
    }

    fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| Error::io("list", &self.path, error))? {
            let path = entry.map_err(|error| Error::io("list", &self.path, error))?.path().join("info.json");
            if path.exists() {
                let text = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
                found.push(serde_json::from_slice(&text).map_err(|error| Error::io("read", &path, error))?);
            }
        }
        found.sort_by_key(|info: &SnapshotInfo| info.time);
        Ok(found)
    }

    fn read_file(&self, id: &SnapshotId, path: &Path, into: &mut dyn Write) -> Result<()> {
        let place = self.place(id, path)?;
        File::open(&place)
            .and_then(|mut file| std::io::copy(&mut file, into))
            .map(drop)
            .map_err(|error| Error::io("read", &place, error))
    }

    fn restore_tree(
        &self,
        id: &SnapshotId,
        path: &Path,
        into: &Path,
        observer: &dyn Observer,
    ) -> Result<Restored> {
        let place = self.place(id, path)?;
        let meter = Meter::new(observer, "restore", None, Unit::Bytes);
        if place.is_dir() {
            let beneath = Beneath::open(into)?;
            if !beneath.is_empty()? {
                let reason = "the directory is not empty".to_owned();
                return Err(Error::Target { path: into.to_path_buf(), reason });
            }
            return copy(vec![Root::local("", &place)], &beneath, None, &meter);
        }
        let beneath = Beneath::open(into.parent().unwrap_or(Path::new("/")))?;
        copy(vec![Root::local(into.file_name().unwrap_or_default(), &place)], &beneath, None, &meter)
    }

    fn check(&self, _depth: CheckDepth, observer: &dyn Observer) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        for snapshot in self.snapshots()? {
            let tree = self.tree(&snapshot.id)?;
            let meter = verify::meter(observer, "check", snapshot.bytes.unwrap_or(0));
            let prefix = Path::new(SOURCES_PATH);
            let depth = verify::Depth::Content;
            let found = verify::compare(&tree.join(RECORDS_PATH), prefix, &tree.join(prefix), depth, &meter)?;
            report.snapshots += 1;
            report.bytes_read += found.bytes;
            report.errors.extend(found.findings);
        }
        Ok(report)
    }

    fn forget(&self, ids: &[SnapshotId]) -> Result<()> {
        ids.iter().try_for_each(|id| {
            let tree = self.tree(id)?;
            remove(tree.parent().unwrap_or(&tree))
        })
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Copies what a walk finds below a directory, and writes its records.
fn copy(roots: Vec<Root>, into: &Beneath, records: Option<&Path>, meter: &Meter<'_>) -> Result<Restored> {
    let mut figures = Restored::default();
    let mut lines = records
        .map(|path| File::create(path).map_err(|error| Error::io("create", path, error)))
        .transpose()?
        .map(BufWriter::new);
    let mut entries = Vec::new();
    for entry in Walk::new(roots) {
        let mut entry = entry.map_err(|failure| Error::Unreadable {
            count: 1,
            first: format!("{}: {}", failure.path.display(), failure.reason),
        })?;
        if !entry.record.path.as_os_str().is_empty() {
            into.create(&entry.record)?;
        }
        if entry.record.kind == Kind::File {
            figures.files += 1;
            figures.bytes += entry.record.size;
            entry.record.sha256 = Some(copy_content(&entry, into, meter)?);
        } else {
            figures.others += 1;
        }
        if let (Some(lines), Some(path)) = (&mut lines, records) {
            serde_json::to_writer(&mut *lines, &entry.record)
                .map_err(std::io::Error::from)
                .and_then(|()| lines.write_all(b"\n"))
                .map_err(|error| Error::io("write", path, error))?;
        }
        entries.push(entry);
    }
    if let (Some(lines), Some(path)) = (&mut lines, records) {
        lines.flush().map_err(|error| Error::io("write", path, error))?;
    }
    // Leaves first, as setting what is in a directory moves its time.
    for entry in entries.iter().rev() {
        let xattrs: Vec<_> = entry
            .xattrs
            .iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.clone()))
            .collect();
        into.dress(&entry.record, &xattrs)?;
    }
    Ok(figures)
}

fn copy_content(entry: &Entry, into: &Beneath, meter: &Meter<'_>) -> Result<Digest> {
    let from = entry.local.as_deref().unwrap_or(Path::new(""));
    let target = into.open_file(&entry.record.path)?;
    let file = File::open(from).map_err(|error| Error::io("open", from, error))?;
    let mut file = file.take(entry.record.size);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let read = file.read(&mut buffer).map_err(|error| Error::io("read", from, error))?;
        if read == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&buffer[..read]);
        into.write(&target, &entry.record.path, &buffer[..read], at)?;
        at += u64::try_from(read).unwrap_or(0);
        meter.add(u64::try_from(read).unwrap_or(0));
    }
}
