//! Prunes: what no snapshot needs goes, what one needs stays, whatever happens
//! in between. Judged by our own check, by restoring every snapshot, and by a
//! stock restic.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use odin_backup::engine::{BackupEngine, CheckDepth, SnapshotId};
use odin_backup::prune::Pruned;
use odin_backup::repository::{Repository, Settings};
use odin_backup::retention::ForgetPlan;
use odin_backup::{Error, Result};
use odin_model::event::Silent;

use crate::support::{
    Look, Random, Scratch, Tiny, back_up, directory, file_kinds, look, odd_tree_of, restic_ok,
};

mod interrupted;

/// What the snapshots that are left must restore to.
type Expected = Vec<(SnapshotId, BTreeMap<PathBuf, Look>)>;

/// Fills a repository with snapshots of a tree in which some files stay, and
/// one is another each time.
fn grow(repository: &Repository, tree: &Path, rounds: usize, bytes: usize) -> Expected {
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    let mut random = Random::new(77);
    let mut noise = || (0..bytes).map(|_| u8::try_from(random.next() >> 56).unwrap()).collect::<Vec<u8>>();
    let mut expected = Vec::new();
    for round in 0..rounds {
        std::fs::write(tree.join(format!("stays-{round}")), noise()).unwrap();
        std::fs::write(tree.join("deep/er/changes"), noise()).unwrap();
        let id = back_up(repository, &[directory("tree", tree)]).unwrap().snapshot.id;
        expected.push((id, look(tree)));
    }
    expected
}

/// Forgets the snapshots at some positions.
fn forget(repository: &Repository, expected: &mut Expected, positions: &[usize]) {
    let snapshots = repository.list().unwrap();
    let gone: Vec<SnapshotId> = positions.iter().map(|position| expected[*position].0.clone()).collect();
    let forget = snapshots.into_iter().filter(|snapshot| gone.contains(&snapshot.id)).collect();
    repository.forget(&ForgetPlan { keep: Vec::new(), forget }).unwrap();
    expected.retain(|(id, _)| !gone.contains(id));
}

/// A repository in which packs of every kind wait: needed, needed in part, not
/// needed, and in no index.
fn prepared(scratch: &Scratch) -> Expected {
    let settings = scratch.settings();
    let repository = Repository::open_or_init(&settings).unwrap();
    let tree = scratch.path("tree");
    let mut expected = grow(&repository, &tree, 3, 40_000);
    cut_off(&settings, &tree);
    forget(&repository, &mut expected, &[0, 1]);
    let id = back_up(&repository, &[directory("tree", &tree)]).unwrap().snapshot.id;
    expected.push((id, look(&tree)));
    expected
}

/// A backup that ends before its index is written.
fn cut_off(settings: &Settings, tree: &Path) {
    let aside = tree.join("orphan");
    std::fs::write(&aside, "needed by nothing that was sealed").unwrap();
    let steps = |step: &str| match step {
        "store: write index" => Err(Error::Stopped { step: step.to_owned() }),
        _ => Ok(()),
    };
    let repository = Repository::open_with(settings, Arc::new(steps)).unwrap();
    back_up(&repository, &[directory("tree", tree)]).unwrap_err();
    let modified = std::fs::metadata(tree).unwrap().modified().unwrap();
    std::fs::remove_file(aside).unwrap();
    std::fs::File::open(tree).unwrap().set_modified(modified).unwrap();
}

fn prune(settings: &Settings, limit: &str) -> Result<Pruned> {
    prune_open(&Repository::open(settings)?, limit)
}

fn prune_open(repository: &Repository, limit: &str) -> Result<Pruned> {
    repository.prune(&limit.parse().unwrap(), false, &Silent)
}

fn plan(settings: &Settings, limit: &str) -> Pruned {
    Repository::open(settings).unwrap().prune(&limit.parse().unwrap(), true, &Silent).unwrap()
}

/// All files of a repository with their sizes, but for ODIN's lock.
fn files(repository: &Path) -> BTreeMap<PathBuf, u64> {
    let kinds = file_kinds(repository).into_values().flatten();
    kinds.map(|path| (path.clone(), path.metadata().unwrap().len())).collect()
}

fn bytes_of_packs(repository: &Path) -> u64 {
    file_kinds(repository)["data"].iter().map(|path| path.metadata().unwrap().len()).sum()
}

/// Every snapshot is there and restores to what it was taken of; nothing is
/// wrong, and with `tidy` nothing is odd either.
fn assert_whole(settings: &Settings, expected: &Expected, tidy: bool) {
    assert_whole_open(&Repository::open(settings).unwrap(), expected, tidy);
}

fn assert_whole_open(repository: &Repository, expected: &Expected, tidy: bool) {
    let there: BTreeSet<_> = repository.list().unwrap().into_iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(there, expected.iter().map(|(id, _)| id.clone()).collect());
    let report = repository.check(CheckDepth::ReadData, &Silent).unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(!tidy || report.remarks.is_empty(), "{:?}", report.remarks);
    for (id, seen) in expected {
        let into = repository.engine().location().with_extension("restored");
        repository.engine().restore_tree(id, "sources/tree".as_ref(), &into, &Silent).unwrap();
        assert!(look(&into) == *seen, "{id} restores to something else");
        std::fs::remove_dir_all(&into).unwrap();
    }
}

#[test]
fn what_no_snapshot_needs_is_freed_and_the_rest_restores() {
    let scratch = Scratch::new();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let before = files(&settings.path);
    let packs = bytes_of_packs(&settings.path);
    let planned = plan(&settings, "0");
    assert_eq!(files(&settings.path), before, "a plan changes nothing");
    assert!(
        planned.orphaned.packs > 0 && planned.unused.packs > 0 && planned.repacked.packs > 0,
        "{planned:?}"
    );
    assert_eq!(planned.before.bytes, packs);

    let done = prune(&settings, "0").unwrap();
    assert_eq!(packs - bytes_of_packs(&settings.path), done.freed());
    // Two of three changing files, and all else that was sealed with them.
    assert!(done.freed() > 80_000 && done.freed() <= planned.freed(), "{done:?} of {planned:?}");
    assert_whole(&settings, &expected, true);
    restic_ok(&settings.path, &["check", "--read-data"]);
    assert!(plan(&settings, "0").is_empty());

    let after = files(&settings.path);
    assert!(prune(&settings, "0").unwrap().is_empty());
    assert_eq!(files(&settings.path), after, "a second prune changes nothing");

    // What is backed up next counts on what was kept, and on nothing else.
    let repository = Repository::open(&settings).unwrap();
    let next = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap();
    assert!(next.snapshot.added.unwrap() < 20_000, "{next:?}");
    restic_ok(&settings.path, &["check", "--read-data"]);
}

#[test]
fn packs_needed_in_part_stay_while_the_limit_allows() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree/odd"), 10_000);
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let done = prune(&settings, "unlimited").unwrap();
    assert_eq!((done.repacked.packs, done.written), (0, 0));
    assert!(done.unused_left > 80_000, "{done:?}");
    assert_whole(&settings, &expected, true);
    let some = prune(&settings, "20%").unwrap();
    assert!(some.repacked.packs > 0 && some.unused_left > 0, "{some:?}");
    assert!(some.unused_left * 5 <= bytes_of_packs(&settings.path), "{some:?}");
    assert_whole(&settings, &expected, true);
    restic_ok(&settings.path, &["check", "--read-data"]);
}

#[test]
fn a_repository_without_anything_to_free_is_left_as_it_is() {
    let scratch = Scratch::new();
    let settings = scratch.settings();
    let repository = Repository::open_or_init(&settings).unwrap();
    assert!(prune(&settings, "0").unwrap().is_empty(), "an empty one");
    let mut expected = grow(&repository, &scratch.path("tree"), 2, 10_000);
    // The roots of the two halves every snapshot is made of.
    assert!(prune(&settings, "0").unwrap().freed() < 10_000);
    let before = files(&settings.path);
    assert!(prune(&settings, "0").unwrap().is_empty());
    assert_eq!(files(&settings.path), before);
    forget(&repository, &mut expected, &[0, 1]);
    prune(&settings, "0").unwrap();
    let left = file_kinds(&settings.path);
    assert!(left["data"].is_empty() && left["index"].is_empty(), "{left:?}");
    restic_ok(&settings.path, &["check", "--read-data"]);
    back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap();
    restic_ok(&settings.path, &["check", "--read-data"]);
}

#[test]
fn a_damaged_repository_is_refused_and_nothing_is_removed() {
    let scratch = Scratch::fast();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let before = files(&settings.path);
    let mut without_index = 0;
    let repository = Repository::open(&settings).unwrap();
    let orphans = repository.check(CheckDepth::Structure, &Silent).unwrap().remarks.concat();
    let refused = |what: &str| {
        let error = prune_open(&repository, "0").map(|done| format!("{done:?}")).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
        assert!(error.hint().is_some());
    };
    for (kind, paths) in file_kinds(&settings.path) {
        if kind == "config" || kind == "keys" {
            continue;
        }
        for path in paths {
            let name = path.display().to_string();
            let whole = std::fs::read(&path).unwrap();
            if kind != "data" {
                let mut bytes = whole.clone();
                bytes[whole.len() / 2] ^= 1;
                std::fs::write(&path, &bytes).unwrap();
                refused(&format!("a flipped bit of {name}"));
            }
            // By the check's remark.
            let orphan = orphans.contains(path.file_name().unwrap().to_str().unwrap());
            std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
            if !orphan {
                refused(&format!("a cut {name}"));
                std::fs::remove_file(&path).unwrap();
                // A snapshot that is not there is one that was forgotten, and an
                // index that is not there made orphans of its packs.
                if kind == "data" {
                    refused(&format!("no {name}"));
                }
                if kind == "index" {
                    without_index += usize::from(is_refused_or_harmless(&scratch, &settings, &expected));
                }
            }
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(files(&settings.path), before, "{name}");
        }
    }
    assert!(without_index > 0, "no index was needed");
}

/// Prunes a copy: refused with every file in place, or nothing needed was lost.
fn is_refused_or_harmless(scratch: &Scratch, settings: &Settings, expected: &Expected) -> bool {
    let copy = copied(scratch, settings);
    let before = files(&copy.path);
    let refused = match prune(&copy, "0") {
        Err(error) => {
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
            assert_eq!(files(&copy.path), before);
            true
        }
        Ok(_) => {
            assert_whole(&copy, expected, true);
            false
        }
    };
    std::fs::remove_dir_all(&copy.path).unwrap();
    refused
}

#[test]
fn a_rotten_needed_blob_stops_a_prune_before_its_pack_goes() {
    let scratch = Scratch::fast();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let before: BTreeSet<PathBuf> = files(&settings.path).into_keys().collect();
    let copy = copied(&scratch, &settings);
    let written = prune(&copy, "0").unwrap();
    assert!(written.repacked.packs > 0);
    let gone =
        before.iter().filter(|path| !copy.path.join(path.strip_prefix(&settings.path).unwrap()).exists());
    let gone: Vec<PathBuf> =
        gone.filter(|path| path.parent() != Some(&settings.path.join("index"))).cloned().collect();
    std::fs::remove_dir_all(&copy.path).unwrap();
    let mut hit = 0;
    for path in gone {
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        // Before the header, in the last blob.
        let at = whole.len() - 200.min(whole.len() / 2);
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let copy = copied(&scratch, &settings);
        match prune(&copy, "0") {
            Err(error) => {
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                assert!(copy.path.join(path.strip_prefix(&settings.path).unwrap()).exists());
                hit += 1;
            }
            // It was in a part that nobody needs.
            Ok(_) => assert_whole(&copy, &expected, true),
        }
        std::fs::remove_dir_all(&copy.path).unwrap();
        std::fs::write(&path, whole).unwrap();
    }
    assert!(hit > 0);
}

/// A copy of the repository, to be ruined.
fn copied(scratch: &Scratch, settings: &Settings) -> Settings {
    let copy = scratch.settings_of("copy");
    let status = Command::new("cp").arg("-a").arg(&settings.path).arg(&copy.path).status().unwrap();
    assert!(status.success());
    copy
}

#[test]
fn a_repository_that_restic_wrote_is_pruned_too() {
    for version in ["1", "2"] {
        let scratch = Scratch::new();
        let settings = scratch.settings();
        restic_ok(&settings.path, &["init", "--repository-version", version]);
        let tree = scratch.path("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut random = Random::new(5);
        for round in 0..3 {
            for name in [format!("stays-{round}"), "changes".to_owned()] {
                let noise: Vec<u8> =
                    (0..30_000).map(|_| u8::try_from(random.next() >> 56).unwrap()).collect();
                std::fs::write(tree.join(name), noise).unwrap();
            }
            restic_ok(&settings.path, &["backup", "--tag", "r", tree.to_str().unwrap()]);
        }
        restic_ok(&settings.path, &["forget", "--keep-last", "1"]);
        let done = prune(&settings, "0").unwrap();
        assert!(done.freed() > 60_000 && done.repacked.packs > 0, "{done:?}");
        restic_ok(&settings.path, &["check", "--read-data"]);
        let target = scratch.path("target");
        restic_ok(&settings.path, &["restore", "latest", "--verify", "--target", target.to_str().unwrap()]);
        assert!(look(&target.join(tree.strip_prefix("/").unwrap())) == look(&tree), "version {version}");
        assert!(plan(&settings, "0").is_empty());
        // And restic finds nothing left to do.
        let said = restic_ok(&settings.path, &["prune", "--max-unused", "0", "--dry-run"]);
        assert!(said.contains("0 B") || said.contains("0 blobs"), "{said}");
    }
}

#[test]
fn without_room_for_new_packs_nothing_is_lost_and_room_heals_it() {
    let scratch = Scratch::new();
    let mount = scratch.path("mount");
    let tiny = Tiny::mount(&mount, "24m");
    let settings = scratch.settings_of("mount/repository");
    let repository = Repository::open_or_init(&settings).unwrap();
    let mut expected = grow(&repository, &scratch.path("tree"), 4, 1_500_000);
    forget(&repository, &mut expected, &[0, 1, 2]);
    let free = rustix::fs::statvfs(&mount).unwrap();
    let filler = usize::try_from(free.f_bavail * free.f_frsize).unwrap() - 200_000;
    std::fs::write(mount.join("filler"), vec![1; filler]).unwrap();
    let error = prune(&settings, "0").unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert_whole_elsewhere(&settings, &expected, &scratch);
    std::fs::remove_file(mount.join("filler")).unwrap();
    assert!(prune(&settings, "0").unwrap().freed() > 4_000_000);
    assert_whole_elsewhere(&settings, &expected, &scratch);
    restic_ok(&settings.path, &["check", "--read-data"]);
    drop(tiny);
}

/// Where the disk of the repository has no room for a restored tree.
fn assert_whole_elsewhere(settings: &Settings, expected: &Expected, scratch: &Scratch) {
    let aside = scratch.settings_of("aside");
    let status = Command::new("cp").arg("-a").arg(&settings.path).arg(&aside.path).status().unwrap();
    assert!(status.success());
    assert_whole(&aside, expected, false);
    std::fs::remove_dir_all(&aside.path).unwrap();
}
