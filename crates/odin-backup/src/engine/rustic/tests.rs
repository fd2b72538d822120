//! Snapshots no honest writer makes, forged through the engine's own archive.

use std::ffi::OsStr;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use odin_model::event::Silent;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{BackupOptions, ReadSource, ReadSourceEntry, RusticResult, SnapshotOptions};

use super::*;

type Forged = ReadSourceEntry<Cursor<Vec<u8>>>;

/// Hands the engine whatever names and sizes it is told to.
struct Forger(Vec<Forged>);

impl ReadSource for Forger {
    type Open = Cursor<Vec<u8>>;
    type Iter = std::vec::IntoIter<RusticResult<Forged>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        self.0.iter().cloned().map(Ok).collect::<Vec<_>>().into_iter()
    }
}

fn file(name: &str, size: u64) -> Forged {
    let meta = Metadata { mode: Some(0o644), size, ..Metadata::default() };
    let node = Node::new_node(OsStr::new(name), NodeType::File, meta);
    ReadSourceEntry { path: PathBuf::from("/sources/entry"), node, open: Some(Cursor::new(b"evil".to_vec())) }
}

/// Restores a forged snapshot; returns the error and what was written where.
fn restore_of(entries: Vec<Forged>) -> (Result<Restored>, Vec<PathBuf>) {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RusticEngine::init(&scratch.path().join("repository"), "x").unwrap();
    let indexed = engine.session().unwrap().to_indexed_ids().unwrap();
    let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
    let paths = [PathBuf::from("/sources")];
    indexed.archive(&BackupOptions::default(), &Forger(entries), snapshot, &paths).unwrap();
    let id = engine.snapshots().unwrap().pop().unwrap().id;
    let outside = scratch.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let into = outside.join("into");
    let result = engine.restore_tree(&id, Path::new("sources"), &into, &Silent);
    let mut found = Vec::new();
    let mut pending = vec![outside];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    (result, found)
}

#[test]
fn names_that_lead_out_are_refused_before_anything_is_written() {
    for name in ["../x", "..", ".", "", "/tmp/odin-absolute", "a/b", "a\0b"] {
        let (result, found) = restore_of(vec![file("fine", 4), file(name, 4)]);
        assert!(matches!(result, Err(Error::UnsafeName { .. })), "{name:?}: {result:?}");
        assert!(found.is_empty(), "{name:?}: {found:?}");
        assert!(!Path::new("/tmp/odin-absolute").exists());
    }
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let (result, found) = restore_of(vec![file("same", 4), file("same", 4)]);
    assert!(matches!(result, Err(Error::UnsafeName { .. })), "{result:?}");
    assert!(found.is_empty());
}

#[test]
fn a_size_that_lies_is_refused_before_anything_is_written() {
    for size in [0, 3, 5, 1 << 40] {
        let (result, found) = restore_of(vec![file("lie", size)]);
        assert!(matches!(result, Err(Error::Manifest { .. })), "{size}: {result:?}");
        assert!(found.is_empty());
    }
}

#[test]
fn a_panic_of_the_engine_is_an_error() {
    let store = Store::new(Path::new("/nonexistent"), Arc::new(Unhindered));
    let error = contain::<()>(&store, "do something", || panic!("as it does")).unwrap_err();
    assert!(error.to_string().contains("as it does"), "{error}");
}

/// Other programs of the format mark packs first and remove them later.
#[test]
fn what_the_engine_only_marked_is_pruned_and_what_is_needed_again_is_not_given_up() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("repository");
    let engine = RusticEngine::init(&path, "x").unwrap();
    let archive = |content: &[u8]| {
        let entry = ReadSourceEntry { open: Some(Cursor::new(content.to_vec())), ..file("entry", 4) };
        let indexed = engine.session().unwrap().to_indexed_ids().unwrap();
        let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
        let paths = [PathBuf::from("/sources")];
        let mut options = BackupOptions::default();
        // Size and times are those of the first.
        options.parent_opts.force = true;
        indexed.archive(&options, &Forger(vec![entry]), snapshot, &paths).unwrap();
        engine.snapshots().unwrap().pop().unwrap().id
    };
    archive(b"good");
    let gone = archive(b"gone");
    let snapshot = path.join("snapshots").join(&gone.0);
    let whole = std::fs::read(&snapshot).unwrap();
    engine.forget(std::slice::from_ref(&gone)).unwrap();
    let session = engine.session().unwrap();
    let options = rustic_core::PruneOptions::default();
    let plan = session.prune_plan(&options).unwrap();
    session.prune(&options, plan).unwrap();
    let packs = || engine.store().list(rustic_core::FileType::Pack).unwrap().len();
    let before = packs();

    // The snapshot is back and its data only marked: nothing is removed.
    std::fs::write(&snapshot, whole).unwrap();
    let error = engine.prune(&MaxUnused::default(), false, &Silent).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(packs(), before);
    std::fs::remove_file(&snapshot).unwrap();

    let done = engine.prune(&MaxUnused::default(), false, &Silent).unwrap();
    assert!(done.unused.packs > 0 && packs() < before, "{done:?}");
    let report = engine.check(CheckDepth::ReadData, &Silent).unwrap();
    assert!(report.errors.is_empty() && report.remarks.is_empty(), "{report:?}");
    assert!(engine.prune(&MaxUnused::default(), true, &Silent).unwrap().is_empty());
}
