//! What changes a repository: a new snapshot, a copy.
//!
//! A snapshot is made in two halves, because its manifest tells what was read
//! and sorts before it: `/sources` first, then `/odin`, then one root over
//! both. Only the last step writes a snapshot file.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odin_model::event::{Observer, Unit};
use rustic_core::repofile::{SnapshotFile, SnapshotSummary};
use rustic_core::{
    BackupOptions, Id, IndexedIdsStatus, ParentOptions, Repository, SnapshotGroupCriterion, SnapshotOptions,
};

use super::progress::Meter;
use super::{RusticEngine, contain, describe};
use crate::engine::content::{Content, measure};
use crate::engine::ledger::Ledger;
use crate::engine::{BackupEngine as _, CheckDepth, Label, Seal, SnapshotId, SnapshotInfo, Stored, check};
use crate::manifest::RECORDS_PATH;
use crate::walk::Root;
use crate::{Error, Result};

/// Ends drafting however a backup ends.
struct Draft<'a>(&'a RusticEngine);

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.0.store().draft(false);
    }
}

pub(super) fn backup(
    engine: &RusticEngine,
    label: &Label,
    roots: Vec<Root>,
    scratch: &Path,
    seal: Seal<'_>,
    observer: &dyn Observer,
) -> Result<SnapshotInfo> {
    let draft = Draft(engine);
    engine.store().draft(true);
    let (sources, records) = half(engine, label, roots, scratch, Some(observer))?;
    let stored = Stored { changed: records.1, records: records.0 };
    let odin = vec![seal(&stored)?];
    let unread = Label { parent: None, parent_bytes: None, ..label.clone() };
    let (own, own_records) = half(engine, &unread, odin, scratch, None)?;
    std::fs::remove_file(&own_records.0).map_err(|error| Error::io("remove", &own_records.0, error))?;
    let merged = merge(engine, &sources, &own)?;
    drop(draft);

    let mut snapshot = sources;
    snapshot.tree = merged;
    let session = engine.session()?;
    contain(engine.store(), "write the snapshot", || session.save_snapshots(vec![snapshot]))?;
    let id = engine.store().draft(false).pop().ok_or_else(|| Error::Engine {
        action: "write the snapshot",
        path: engine.path.clone(),
        message: "the engine wrote none".into(),
    })?;
    Ok(describe(&engine.snapshot_file(&SnapshotId(id.to_hex().to_string()))?))
}

/// Stores some roots; returns their tree in a snapshot that is not written,
/// and the file of their records with the paths that changed while read.
fn half(
    engine: &RusticEngine,
    label: &Label,
    roots: Vec<Root>,
    scratch: &Path,
    observer: Option<&dyn Observer>,
) -> Result<(SnapshotFile, (PathBuf, Vec<PathBuf>))> {
    let repository = index(engine)?;
    let earlier = match &label.parent {
        Some(parent) => earlier_records(engine, parent, scratch)?,
        None => None,
    };
    let mut options = BackupOptions::default();
    // The total is found below; the engine would measure it a second time.
    options.no_scan = true;
    options.parent_opts = parent_options(label, earlier.is_some());
    let ledger = Arc::new(Ledger::new(scratch)?);
    // With a parent the size is known well enough for a progress bar; a walk of
    // its own would take a fifth of the time of an unchanged backup.
    let total = observer.map(|_| label.parent_bytes.unwrap_or_else(|| measure(&roots)));
    let content = Content::new(roots, ledger.clone(), earlier, total);
    let draft = draft_of(label)?;
    let paths = [PathBuf::from("/odin"), PathBuf::from("/sources")];
    let meter = observer.map(|observer| Meter::new(observer, "backup", total, Unit::Bytes));
    let archived = watch(meter.as_ref(), &ledger, || {
        contain(engine.store(), "store the sources", || repository.archive(&options, &content, draft, &paths))
    });
    drop(content);
    // What could not be read explains an engine error; it goes first.
    ledger.verdict()?;
    let snapshot = archived?;
    let handed = ledger.handed();
    let summary = snapshot.summary.as_ref();
    let (files, directories) =
        summary.map_or((0, 0), |summary| (summary.total_files_processed, summary.total_dirs_processed));
    // The root of the tree is a directory that was not handed over.
    if files != handed.others || directories != handed.directories + 1 {
        let first = format!(
            "{files} files and {directories} directories were stored of {} and {}",
            handed.others,
            handed.directories + 1
        );
        return Err(Error::Unreadable { count: 1, first });
    }
    let records = scratch.join(if observer.is_some() { "sources.jsonl" } else { "odin.jsonl" });
    let ledger = Arc::try_unwrap(ledger).map_err(|_| Error::Engine {
        action: "store the sources",
        path: engine.path.clone(),
        message: "the engine still reads".into(),
    })?;
    let changed = ledger.settle(&records)?;
    Ok((snapshot, (records, changed)))
}

/// Runs the engine while a second thread tells how far it is.
fn watch<T>(meter: Option<&Meter<'_>>, ledger: &Ledger, call: impl FnOnce() -> T) -> T {
    let Some(meter) = meter else {
        return call();
    };
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut before = 0;
            loop {
                let ended = stopped.recv_timeout(std::time::Duration::from_millis(200));
                let now = ledger.bytes();
                meter.add(now - before);
                before = now;
                if !matches!(ended, Err(std::sync::mpsc::RecvTimeoutError::Timeout)) {
                    meter.finish();
                    return;
                }
            }
        });
        let value = call();
        drop(stop);
        value
    })
}

fn index(engine: &RusticEngine) -> Result<Repository<IndexedIdsStatus>> {
    let session = engine.session()?;
    contain(engine.store(), "read the index", || session.to_indexed_ids())
}

/// Fetches the records of the parent. A parent without them, or with damaged
/// ones, is no parent: everything is read again then.
fn earlier_records(
    engine: &RusticEngine,
    parent: &SnapshotId,
    scratch: &Path,
) -> Result<Option<Box<dyn std::io::BufRead + Send>>> {
    let path = scratch.join("earlier.jsonl");
    let mut file = std::fs::File::create(&path).map_err(|error| Error::io("create", &path, error))?;
    if let Err(error) = engine.read_file(parent, Path::new(RECORDS_PATH), &mut file) {
        tracing::warn!(%error, parent = parent.short(), "records of the parent cannot be used, reading every file");
        return Ok(None);
    }
    let file = std::fs::File::open(&path).map_err(|error| Error::io("open", &path, error))?;
    Ok(Some(Box::new(BufReader::new(file))))
}

fn parent_options(label: &Label, usable: bool) -> ParentOptions {
    let mut options = ParentOptions::default();
    options.group_by = Some(SnapshotGroupCriterion::new());
    match &label.parent {
        Some(parent) if usable => options.parents = vec![parent.0.clone()],
        _ => options.force = true,
    }
    options
}

fn draft_of(label: &Label) -> Result<SnapshotFile> {
    let fail =
        |message: String| Error::Engine { action: "label the snapshot", path: PathBuf::new(), message };
    let mut options = SnapshotOptions::default();
    options.host = Some(label.host.clone());
    options.time = Some(label.time.to_zoned(jiff::tz::TimeZone::UTC));
    for tag in &label.tags {
        options = options.add_tags(tag).map_err(|error| fail(error.display_log()))?;
    }
    let mut snapshot = options.to_snapshot().map_err(|error| fail(error.display_log()))?;
    snapshot.program_version = format!("odin {}", env!("CARGO_PKG_VERSION"));
    // How the program was called may name files and hosts: not its business.
    if let Some(summary) = &mut snapshot.summary {
        summary.command = String::new();
    }
    Ok(snapshot)
}

/// Puts one root over the two halves.
fn merge(engine: &RusticEngine, sources: &SnapshotFile, own: &SnapshotFile) -> Result<rustic_core::TreeId> {
    let repository = index(engine)?;
    let mut summary = SnapshotSummary::default();
    let newer = rustic_core::last_modified_node;
    contain(engine.store(), "write the root", || {
        repository.merge_trees(&[sources.tree, own.tree], &newer, &mut summary)
    })
}

pub(super) fn copy(
    from: &RusticEngine,
    ids: &[SnapshotId],
    to: &RusticEngine,
    observer: &dyn Observer,
) -> Result<Vec<SnapshotId>> {
    let there = to.snapshot_files()?;
    let mut wanted = Vec::new();
    for id in ids {
        let snapshot = from.snapshot_file(id)?;
        let known = |other: &SnapshotFile| {
            other.tree == snapshot.tree && other.time == snapshot.time && other.hostname == snapshot.hostname
        };
        if !there.iter().any(known) {
            wanted.push(snapshot);
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let before: std::collections::BTreeSet<Id> =
        to.store().list(rustic_core::FileType::Pack)?.into_iter().map(|(id, _)| id).collect();
    let session = from.session()?;
    let source = contain(from.store(), "read the index", || session.to_indexed())?;
    let target = index(to)?;
    to.store().draft(false);
    let copied = contain(to.store(), "copy the snapshots", || source.copy(&target, &wanted));
    if let Err(error) = copied {
        return Err(from.store().take_error().unwrap_or(error));
    }
    let new: Vec<SnapshotId> =
        to.store().draft(false).into_iter().map(|id| SnapshotId(id.to_hex().to_string())).collect();
    verify_copy(to, &new, &before, observer)?;
    Ok(new)
}

/// Reads back what a copy wrote; snapshots that do not hold are taken away
/// again, so that nobody counts on them.
fn verify_copy(
    to: &RusticEngine,
    new: &[SnapshotId],
    before: &std::collections::BTreeSet<Id>,
    observer: &dyn Observer,
) -> Result<()> {
    let report = check::check_packs(to, CheckDepth::ReadData, Some(before), observer)?;
    match report.errors.first() {
        None => Ok(()),
        Some(what) => {
            to.forget(new)?;
            Err(Error::Damaged { path: to.path.clone(), what: format!("after copying: {what}") })
        }
    }
}
