//! Damaged repositories: every change of a bit, every cut, every missing file
//! is found by a check, and no restore brings back anything but what was
//! stored.

use std::path::{Path, PathBuf};

use odin_backup::engine::{BackupEngine, CheckDepth};
use odin_backup::repository::Repository;
use odin_model::event::Silent;

use crate::support::{Random, Scratch, assert_same, back_up, directory, file_kinds, odd_tree_of};

fn prepared() -> (Scratch, odin_backup::engine::SnapshotId) {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 100_000);
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap().snapshot.id;
    (scratch, id)
}

/// What a check and a restore make of a damaged repository.
fn outcome(scratch: &Scratch, id: &odin_backup::engine::SnapshotId, what: &str) -> bool {
    let Ok(repository) = Repository::open(&scratch.settings()) else {
        return true;
    };
    let found = match repository.check(CheckDepth::ReadData, &Silent) {
        Ok(report) => !report.errors.is_empty(),
        Err(_) => true,
    };
    let into = scratch.path("restored");
    if repository.engine().restore_tree(id, Path::new("sources/tree"), &into, &Silent).is_ok() {
        assert_same(&scratch.path("tree"), &into);
    }
    if into.exists() {
        std::fs::remove_dir_all(&into).unwrap();
    }
    assert!(found, "{what} was not found by the check");
    found
}

#[test]
fn every_flipped_bit_is_found_whatever_the_file() {
    let (scratch, id) = prepared();
    let flips: usize = std::env::var("ODIN_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut random = Random::new(0x0d1e);
    for (kind, files) in file_kinds(&scratch.path("repository")) {
        for _ in 0..flips {
            let path: &PathBuf = &files[random.below(files.len())];
            let whole = std::fs::read(path).unwrap();
            let mut bytes = whole.clone();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            std::fs::write(path, &bytes).unwrap();
            outcome(&scratch, &id, &format!("a bit of byte {at} of a {kind} file (seed 0x0d1e)"));
            std::fs::write(path, &whole).unwrap();
        }
    }
    let clean = Repository::open(&scratch.settings()).unwrap().check(CheckDepth::ReadData, &Silent).unwrap();
    assert!(clean.errors.is_empty(), "{clean:?}");
}

#[test]
fn cut_swapped_and_missing_files_are_found() {
    let (scratch, id) = prepared();
    let mut random = Random::new(7);
    for (kind, files) in file_kinds(&scratch.path("repository")) {
        for path in files.iter().take(3) {
            let whole = std::fs::read(path).unwrap();
            for length in [0, 1, random.below(whole.len()), whole.len() - 1] {
                std::fs::write(path, &whole[..length]).unwrap();
                outcome(&scratch, &id, &format!("a {kind} file cut to {length}"));
            }
            std::fs::write(path, &whole).unwrap();
        }
        if files.len() > 1 {
            // Both are authentic; each is in the place of the other.
            let (left, right) = (std::fs::read(&files[0]).unwrap(), std::fs::read(&files[1]).unwrap());
            std::fs::write(&files[0], &right).unwrap();
            std::fs::write(&files[1], &left).unwrap();
            outcome(&scratch, &id, &format!("two swapped {kind} files"));
            std::fs::write(&files[0], &left).unwrap();
            std::fs::write(&files[1], &right).unwrap();
        }
        if kind == "data" || kind == "index" {
            let whole = std::fs::read(&files[0]).unwrap();
            std::fs::remove_file(&files[0]).unwrap();
            outcome(&scratch, &id, &format!("a missing {kind} file"));
            std::fs::write(&files[0], &whole).unwrap();
        }
    }
}

/// The failure that once had a prune delete a whole repository elsewhere: a
/// listing that fails must not look like a listing that is short.
#[test]
fn a_listing_that_fails_is_no_empty_listing() {
    let (scratch, _) = prepared();
    for name in ["snapshots", "index", "data"] {
        let path = scratch.path("repository").join(name);
        let aside = scratch.path("aside");
        std::fs::rename(&path, &aside).unwrap();
        std::fs::write(&path, "no directory").unwrap();
        let repository = Repository::open(&scratch.settings()).unwrap();
        let check = repository.check(CheckDepth::Structure, &Silent);
        assert!(check.is_err() || !check.unwrap().errors.is_empty(), "{name}");
        if name == "snapshots" {
            assert!(repository.list().is_err());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
}
