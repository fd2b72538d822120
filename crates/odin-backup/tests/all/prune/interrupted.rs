//! A prune that ends early: by an error, a kill, a restic that comes between.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use odin_backup::engine::CheckDepth;
use odin_backup::repository::{Repository, Settings};
use odin_backup::steps::Steps;
use odin_backup::{Error, Result};
use odin_model::event::Silent;

use super::{assert_whole, assert_whole_open, bytes_of_packs, copied, files, prepared, prune, prune_open};
use crate::support::{PASSWORD, Random, Scratch, file_kinds, restic_ok};

/// Ends the operation at a step, by its number; steps that only read count as
/// one while nothing else comes between.
#[derive(Default)]
struct EndAt {
    at: AtomicUsize,
    count: AtomicUsize,
    reads: AtomicBool,
}

impl EndAt {
    /// Counts from here.
    fn begin(&self, at: usize) {
        self.at.store(at, Ordering::SeqCst);
        self.count.store(0, Ordering::SeqCst);
        self.reads.store(false, Ordering::SeqCst);
    }
}

impl Steps for EndAt {
    fn reached(&self, step: &str) -> Result<()> {
        let read = step.starts_with("store: read") || step == "prune: walk";
        if self.reads.swap(read, Ordering::SeqCst) && read {
            return Ok(());
        }
        if self.count.fetch_add(1, Ordering::SeqCst) == self.at.load(Ordering::SeqCst) {
            return Err(Error::Stopped { step: step.to_owned() });
        }
        Ok(())
    }
}

#[test]
fn a_failure_at_every_step_costs_nothing_and_the_next_prune_completes() {
    let scratch = Scratch::fast();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let copy = copied(&scratch, &settings);
    // Opened once: the key is what takes the time.
    let steps = Arc::new(EndAt::default());
    steps.begin(usize::MAX);
    let repository = Repository::open_with(&copy, steps.clone()).unwrap();
    prune_open(&repository, "0").unwrap();
    let size = bytes_of_packs(&copy.path);
    let mut judged = BTreeSet::new();
    for at in 0.. {
        std::fs::remove_dir_all(&copy.path).unwrap();
        copied(&scratch, &settings);
        steps.begin(at);
        let step = match prune_open(&repository, "0") {
            Ok(_) => {
                assert!(at > 40, "{at} failures");
                break;
            }
            Err(Error::Stopped { step }) => step,
            Err(error) => panic!("step {at}: {error}"),
        };
        steps.begin(usize::MAX);
        assert_whole_open(&repository, &expected, false);
        // Restic takes a second each time: it judges each kind of step once.
        let judge = judged.insert(step.clone());
        if judge {
            restic_ok(&copy.path, &["check", "--read-data"]);
        }
        prune_open(&repository, "0").unwrap_or_else(|error| panic!("after {step}: {error}"));
        assert_whole_open(&repository, &expected, true);
        let left = bytes_of_packs(&copy.path);
        assert!(left.abs_diff(size) < 1000, "{left} bytes after {step}, {size} without");
        assert!(prune_open(&repository, "0").unwrap().is_empty(), "after {step}");
        if judge {
            restic_ok(&copy.path, &["check", "--read-data"]);
        }
    }
    for step in [
        "list data",
        "list index",
        "read index",
        "write data",
        "name data",
        "write index",
        "wrote index",
        "remove index",
        "remove data",
    ] {
        assert!(judged.contains(&format!("store: {step}")), "no failure at {step}: {judged:?}");
    }
}

/// Not a test of its own: the prune that is killed.
#[test]
fn child() {
    let (Ok(path), Ok(at)) = (std::env::var("ODIN_TEST_PRUNE"), std::env::var("ODIN_TEST_PRUNE_KILL_AT"))
    else {
        return;
    };
    let at: usize = at.parse().unwrap();
    let count = AtomicUsize::new(0);
    let kill = move |_: &str| {
        if count.fetch_add(1, Ordering::SeqCst) == at {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    let path = PathBuf::from(path);
    let password = odin_backup::password::Password::new(PASSWORD);
    let settings = Settings { scratch: path.with_extension("scratch"), path, password };
    let repository = Repository::open_with(&settings, Arc::new(kill)).unwrap();
    repository.prune(&"0".parse().unwrap(), false, &Silent).unwrap();
}

fn killed_at(copy: &Settings, at: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["prune::interrupted::child", "--exact", "--test-threads=1"])
        .env("ODIN_TEST_PRUNE", &copy.path)
        .env("ODIN_TEST_PRUNE_KILL_AT", at.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

#[test]
fn kills_of_a_prune_cost_nothing_and_one_that_is_let_through_completes() {
    let kills: usize = std::env::var("ODIN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let scratch = Scratch::fast();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let mut random = Random::new(31);
    let copy = copied(&scratch, &settings);
    let (mut hit, mut tries) = (0, 0);
    // One prune after the other on one repository, each killed somewhere, until
    // one gets through; then the next repository.
    while hit < kills {
        tries += 1;
        assert!(tries < kills * 20, "{hit} of {tries} were hit");
        if killed_at(&copy, random.below(90)) {
            hit += 1;
            assert_whole(&copy, &expected, false);
        } else {
            assert_whole(&copy, &expected, true);
            std::fs::remove_dir_all(&copy.path).unwrap();
            copied(&scratch, &settings);
        }
    }
    restic_ok(&copy.path, &["check", "--read-data"]);
    prune(&copy, "0").unwrap();
    assert_whole(&copy, &expected, true);
    assert!(std::fs::read_dir(copy.path.join("odin-partial")).map_or(0, Iterator::count) == 0);
    restic_ok(&copy.path, &["check", "--read-data"]);
}

#[test]
fn the_last_good_copy_of_a_blob_is_not_given_for_a_rotten_one() {
    let scratch = Scratch::new();
    prepared(&scratch);
    let settings = scratch.settings();
    let before: BTreeSet<PathBuf> = file_kinds(&settings.path)["data"].iter().cloned().collect();
    // Ends with everything stored twice: the new packs are indexed, and what
    // they were made of is not yet removed.
    let anew = AtomicBool::new(false);
    let steps = move |step: &str| match step {
        "store: wrote data" => {
            anew.store(true, Ordering::SeqCst);
            Ok(())
        }
        "store: remove index" if anew.load(Ordering::SeqCst) => Err(Error::Stopped { step: step.to_owned() }),
        _ => Ok(()),
    };
    let repository = Repository::open_with(&settings, Arc::new(steps)).unwrap();
    repository.prune(&"0".parse().unwrap(), false, &Silent).unwrap_err();
    let new: Vec<_> =
        file_kinds(&settings.path)["data"].iter().filter(|path| !before.contains(*path)).cloned().collect();
    assert!(!new.is_empty());
    let twice = files(&settings.path);
    for path in &new {
        let whole = std::fs::read(path).unwrap();
        let mut bytes = whole.clone();
        bytes[50] ^= 1;
        std::fs::write(path, bytes).unwrap();
        assert!(matches!(prune(&settings, "0"), Err(Error::Damaged { .. })));
        assert_eq!(files(&settings.path), twice);
        std::fs::write(path, whole).unwrap();
    }
    prune(&settings, "0").unwrap();
    restic_ok(&settings.path, &["check", "--read-data"]);
}

#[test]
fn a_prune_waits_for_no_restic_and_for_no_other_odin() {
    let scratch = Scratch::new();
    let expected = prepared(&scratch);
    let settings = scratch.settings();
    let lock = settings.path.join("locks").join("a".repeat(64));
    std::fs::write(&lock, "restic's").unwrap();
    let before = files(&settings.path);
    let error = prune(&settings, "0").unwrap_err();
    assert!(matches!(error, Error::LockedByRestic { .. }), "{error}");
    assert!(error.to_string().contains(&lock.display().to_string()), "{error}");
    assert!(error.hint().unwrap().contains("restic unlock"));
    assert_eq!(files(&settings.path), before);
    std::fs::remove_file(&lock).unwrap();

    // One that begins while the prune works: no pack is removed that it may
    // have found in the index, not even when it comes at the last moment.
    let indexed = || {
        let orphans =
            Repository::open(&settings).unwrap().check(CheckDepth::Structure, &Silent).unwrap().remarks;
        let packs = file_kinds(&settings.path)["data"].clone();
        let named = |path: &PathBuf| !orphans.concat().contains(path.file_name().unwrap().to_str().unwrap());
        packs.into_iter().filter(named).collect::<Vec<_>>()
    };
    let packs = indexed();
    for moment in ["store: wrote index", "store: remove index"] {
        let late = lock.clone();
        let steps = move |step: &str| {
            if step == moment {
                std::fs::write(&late, "restic's").unwrap();
            }
            Ok(())
        };
        let repository = Repository::open_with(&settings, Arc::new(steps)).unwrap();
        let error = prune_open(&repository, "0").unwrap_err();
        assert!(matches!(error, Error::LockedByRestic { .. }), "{moment}: {error}");
        assert_whole(&settings, &expected, false);
        assert!(packs.iter().all(|path| path.exists()), "{moment}");
        std::fs::remove_file(&lock).unwrap();
    }
    prune(&settings, "0").unwrap();
    assert_whole(&settings, &expected, true);
}
