//! Kills during a backup, full disks, databases under writes, copies.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use odin_backup::engine::{BackupEngine, CheckDepth};
use odin_backup::repository::Repository;
use odin_backup::{Error, drill, restore, retention, source};
use odin_model::event::Silent;
use odin_model::report::Verdict;

use crate::support::{
    Random, Scratch, Tiny, back_up, circumstances, directory, odd_tree_of, restic_ok, sqlite,
};

/// Not a test of its own: the backup that is killed.
#[test]
fn child() {
    let (Ok(root), Ok(kill_at)) = (std::env::var("ODIN_TEST_ROOT"), std::env::var("ODIN_TEST_STORE_KILL_AT"))
    else {
        return;
    };
    let kill_at: usize = kill_at.parse().unwrap();
    let count = AtomicUsize::new(0);
    let kill = move |step: &str| {
        if step.starts_with("store: ") && count.fetch_add(1, Ordering::SeqCst) == kill_at {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    let scratch = Path::new(&root);
    let settings = odin_backup::repository::Settings {
        path: scratch.join("repository"),
        password: odin_backup::password::Password::new(crate::support::PASSWORD),
        scratch: scratch.join("scratch"),
    };
    let repository = Repository::open_or_init_with(&settings, None, Arc::new(kill)).unwrap();
    back_up(&repository, &[directory("tree", scratch.join("tree"))]).unwrap();
}

fn start(scratch: &Scratch, kill_at: usize) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["faults::child", "--exact", "--test-threads=1"])
        .env("ODIN_TEST_ROOT", scratch.directory.path())
        .env("ODIN_TEST_STORE_KILL_AT", kill_at.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// Everything acknowledged is there and whole; the next backup needs no help.
fn assert_sound(scratch: &Scratch, acknowledged: usize) {
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    assert!(repository.list().unwrap().len() >= acknowledged);
    let report = repository.check(CheckDepth::ReadData, &Silent).unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let outcome = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap();
    let into = scratch.path("restored");
    restore::extract(&repository, &outcome.snapshot.id, &[], &into, &Silent).unwrap();
    std::fs::remove_dir_all(&into).unwrap();
    assert!(
        !scratch.path("repository/odin-partial").exists()
            || is_empty(&scratch.path("repository/odin-partial"))
    );
    assert!(!scratch.path("scratch/staging").exists(), "the staging place is left");
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).unwrap().next().is_none()
}

#[test]
fn a_kill_at_every_store_operation_costs_nothing_acknowledged() {
    for at in 0.. {
        let scratch = Scratch::fast();
        odd_tree_of(&scratch.path("tree"), 50_000);
        if start(&scratch, at).wait().unwrap().success() {
            assert!(at > 8, "{at} kills");
            return;
        }
        assert_sound(&scratch, 0);
    }
}

#[test]
fn kills_at_random_times_cost_nothing_acknowledged() {
    let kills: usize = std::env::var("ODIN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 2_000_000);
    let mut random = Random::new(20);
    let (mut acknowledged, mut hit) = (0, 0);
    for round in 0..kills {
        std::fs::write(scratch.path("tree/plain"), round.to_string()).unwrap();
        let mut child = start(&scratch, usize::MAX);
        let deadline = Instant::now() + Duration::from_millis(random.next() % 1500);
        let finished = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.success();
            }
            if Instant::now() >= deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                break false;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        acknowledged += usize::from(finished);
        hit += usize::from(!finished);
    }
    assert!(hit > 0, "no backup was hit");
    assert_sound(&scratch, acknowledged);
    restic_ok(&scratch.path("repository"), &["check", "--read-data"]);
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::NoSpace { .. })
        || matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
}

#[test]
fn a_full_repository_disk_is_said_so_and_room_heals_it() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 3_000_000);
    let mount = scratch.path("mount");
    let tiny = Tiny::mount(&mount, "8m");
    let settings = scratch.settings_of("mount/repository");
    let repository = Repository::open_or_init(&settings).unwrap();
    let sources = [directory("tree", scratch.path("tree"))];
    let error = back_up(&repository, &sources).unwrap_err();
    assert!(is_full(&error), "{error}");
    assert!(error.hint().unwrap().contains("free space"), "{error}");
    assert!(repository.list().unwrap().is_empty());
    let status = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&mount).status().unwrap();
    assert!(status.success());
    back_up(&repository, &sources).unwrap();
    assert!(repository.check(CheckDepth::ReadData, &Silent).unwrap().errors.is_empty());
    drop(tiny);
}

#[test]
fn a_full_target_ends_a_restore_and_a_drill_with_one_error() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 3_000_000);
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap().snapshot.id;
    let mount = scratch.path("mount");
    let tiny = Tiny::mount(&mount, "4m");
    let error = restore::extract(&repository, &id, &[], &mount.join("into"), &Silent).unwrap_err();
    assert!(is_full(&error), "planned: {error}");
    let error = repository
        .engine()
        .restore_tree(&id, "sources/tree".as_ref(), &mount.join("tree"), &Silent)
        .unwrap_err();
    assert!(is_full(&error), "unplanned: {error}");
    let small = odin_backup::repository::Settings { scratch: mount.join("scratch"), ..scratch.settings() };
    let error =
        drill::drill(&Repository::open(&small).unwrap(), &id, jiff::Timestamp::now(), &Silent).unwrap_err();
    assert!(is_full(&error), "drill: {error}");
    drop(tiny);
}

#[test]
fn a_read_only_repository_is_read_and_not_written() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 1000);
    let mount = scratch.path("mount");
    let tiny = Tiny::mount(&mount, "32m");
    let repository = Repository::open_or_init(&scratch.settings_of("mount/repository")).unwrap();
    let sources = [directory("tree", scratch.path("tree"))];
    let id = back_up(&repository, &sources).unwrap().snapshot.id;
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&mount).status().unwrap().success());
    let error = back_up(&repository, &sources).unwrap_err();
    assert!(error.hint().unwrap().contains("writable"), "{error}");
    assert!(repository.check(CheckDepth::ReadData, &Silent).unwrap().errors.is_empty());
    restore::extract(&repository, &id, &[], &scratch.path("into"), &Silent).unwrap();
    drop(tiny);
}

#[test]
fn a_database_under_writes_is_stored_as_of_one_commit() {
    for mode in ["WAL", "DELETE"] {
        let scratch = Scratch::new();
        let path = scratch.path("state.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.pragma_update(None, "journal_mode", mode).unwrap();
        database.busy_timeout(Duration::from_secs(30)).unwrap();
        database.execute_batch("CREATE TABLE pairs(left INTEGER, right INTEGER, pad BLOB)").unwrap();
        let stop = AtomicBool::new(false);
        let commits = AtomicU64::new(0);
        let repository = Repository::open_or_init(&scratch.settings()).unwrap();
        std::thread::scope(|scope| {
            let (stop, commits) = (&stop, &commits);
            scope.spawn(move || {
                // Both rows of a commit or none: a torn copy has one.
                while !stop.load(Ordering::Relaxed) {
                    let number = i64::try_from(commits.load(Ordering::Relaxed)).unwrap();
                    let sql =
                        "INSERT INTO pairs VALUES (?1, NULL, randomblob(3000)), (NULL, ?1, randomblob(3000))";
                    database.execute("BEGIN", []).unwrap();
                    database.execute(sql, [number]).unwrap();
                    database.execute("COMMIT", []).unwrap();
                    commits.fetch_add(1, Ordering::Relaxed);
                }
            });
            for round in 0..3 {
                let before = commits.load(Ordering::Relaxed);
                while commits.load(Ordering::Relaxed) < before + 20 {
                    std::thread::yield_now();
                }
                let known = i64::try_from(commits.load(Ordering::Relaxed)).unwrap();
                let id = back_up(&repository, &[sqlite("db", &path)]).unwrap().snapshot.id;
                let into = scratch.path(&format!("into-{round}"));
                restore::extract(&repository, &id, &[], &into, &Silent).unwrap();
                let copy = rusqlite::Connection::open(into.join("db/state.db")).unwrap();
                let sound: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(sound, "ok");
                let (left, right, last): (i64, i64, i64) = copy
                    .query_row("SELECT count(left), count(right), max(left) FROM pairs", [], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .unwrap();
                assert_eq!(left, right, "{mode}: a torn copy");
                assert!(last + 1 >= known, "{mode}: what was committed before the backup is missing");
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_copy_is_verified_whole_and_made_once() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 100_000);
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap().snapshot.id;
    let second = scratch.settings_of("second");
    let target =
        Repository::open_or_init_with(&second, Some(&repository), Arc::new(odin_backup::steps::Unhindered));
    let target = target.unwrap();
    let copied = repository.copy_to(std::slice::from_ref(&id), &target, &Silent).unwrap();
    assert_eq!(copied.len(), 1);
    assert!(repository.copy_to(std::slice::from_ref(&id), &target, &Silent).unwrap().is_empty());
    assert_eq!(target.show(&copied[0]).unwrap(), repository.show(&id).unwrap());
    restic_ok(&second.path, &["check", "--read-data"]);
    let record = drill::drill(&target, &copied[0], jiff::Timestamp::now(), &Silent).unwrap();
    assert_eq!(record.verdict, Verdict::Passed, "{record:?}");
}

#[test]
fn a_drill_of_a_damaged_snapshot_fails_and_says_why() {
    let scratch = Scratch::new();
    odd_tree_of(&scratch.path("tree"), 100_000);
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap().snapshot.id;
    let good = drill::drill(&repository, &id, jiff::Timestamp::now(), &Silent).unwrap();
    assert_eq!((good.verdict, good.findings.len()), (Verdict::Passed, 0));
    let packs = &crate::support::file_kinds(&scratch.path("repository"))["data"];
    let largest = packs.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).unwrap();
    let bad = drill::drill(&repository, &id, jiff::Timestamp::now(), &Silent).unwrap();
    assert_eq!(bad.verdict, Verdict::Failed);
    assert!(bad.findings[0].contains("damaged"), "{:?}", bad.findings);
}

#[test]
fn forgetting_keeps_what_the_plan_keeps() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("tree")).unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let plan = source::plan(&[directory("tree", scratch.path("tree"))], source::probe).unwrap();
    for tag in ["", "hold", "", ""] {
        let tags = Some(tag.to_owned()).filter(|tag| !tag.is_empty()).into_iter().collect();
        let circumstances = odin_backup::repository::Circumstances { tags, ..circumstances() };
        repository.now(&plan, &circumstances, &source::NoHooks, &Silent).unwrap();
    }
    let policy = retention::Policy { last: 1, ..retention::Policy::default() };
    let snapshots = repository.list().unwrap();
    let zone = jiff::tz::TimeZone::UTC;
    let plan = retention::plan(&policy, &snapshots, jiff::Timestamp::now(), &zone).unwrap();
    assert_eq!((plan.keep.len(), plan.forget.len()), (2, 2));
    repository.forget(&plan).unwrap();
    let left: Vec<_> = repository.list().unwrap().into_iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(left, [snapshots[1].id.clone(), snapshots[3].id.clone()]);
    restic_ok(&scratch.path("repository"), &["check"]);
}
