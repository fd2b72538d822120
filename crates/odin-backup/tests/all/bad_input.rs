//! What can be wrong from the start: each ends with one clear error, a hint,
//! and everything as it was.

use std::os::unix::fs::PermissionsExt;

use odin_backup::Error;
use odin_backup::engine::BackupEngine;
use odin_backup::engine::rustic::RusticEngine;
use odin_backup::password::Password;
use odin_backup::repository::{Repository, Settings};
use odin_model::event::Silent;

use crate::support::{Scratch, back_up, directory, file, restic_ok};

#[test]
fn a_wrong_password_and_foreign_directories_are_told_apart() {
    let scratch = Scratch::new();
    RusticEngine::init(&scratch.path("repository"), "right").unwrap();
    let open = |name: &str| Repository::open(&scratch.settings_of(name)).err().unwrap();
    assert!(matches!(open("repository"), Error::WrongPassword { .. }));
    assert!(matches!(open("absent"), Error::NotARepository { .. }));
    std::fs::create_dir(scratch.path("empty")).unwrap();
    assert!(open("empty").to_string().contains("absent or empty"));
    std::fs::create_dir(scratch.path("foreign")).unwrap();
    std::fs::write(scratch.path("foreign/holiday.jpg"), "x").unwrap();
    let error = Repository::open_or_init(&scratch.settings_of("foreign")).err().unwrap();
    assert!(error.to_string().contains("holiday.jpg"), "{error}");
    assert!(error.hint().unwrap().contains("left as it was"));
    std::fs::write(scratch.path("a file"), "x").unwrap();
    assert!(open("a file").to_string().contains("not a directory"));
    assert_eq!(std::fs::read_dir(scratch.path("foreign")).unwrap().count(), 1);
    assert!(matches!(
        RusticEngine::init(&scratch.path("repository"), "other").unwrap_err(),
        Error::CannotInitialise { .. }
    ));
}

#[test]
fn a_creation_that_was_cut_off_is_begun_again() {
    let scratch = Scratch::new();
    RusticEngine::init(&scratch.path("repository"), "lost").unwrap();
    std::fs::remove_file(scratch.path("repository/config")).unwrap();
    let error = Repository::open(&scratch.settings()).err().unwrap();
    assert!(error.to_string().contains("cut off"), "{error}");
    Repository::open_or_init(&scratch.settings()).unwrap();
    restic_ok(&scratch.path("repository"), &["check"]);
}

#[test]
fn a_repository_of_a_stock_restic_is_used_and_stays_one() {
    let scratch = Scratch::new();
    restic_ok(&scratch.path("repository"), &["init", "--repository-version", "2"]);
    std::fs::write(scratch.path("token"), "secret").unwrap();
    restic_ok(&scratch.path("repository"), &["backup", scratch.path("token").to_str().unwrap()]);
    let repository = Repository::open(&scratch.settings()).unwrap();
    let outcome = back_up(&repository, &[file("token", scratch.path("token"))]).unwrap();
    let snapshots = repository.list().unwrap();
    assert_eq!(snapshots.len(), 2);
    let foreign = &snapshots.iter().find(|snapshot| snapshot.id != outcome.snapshot.id).unwrap().id;
    let error = repository.show(foreign).unwrap_err();
    assert!(matches!(error, Error::NotInSnapshot { .. }), "{error}");
    restic_ok(&scratch.path("repository"), &["check", "--read-data"]);
}

#[test]
fn a_second_writer_is_refused_by_name_and_readers_are_not() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("token"), "secret").unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let lock = std::fs::File::create(scratch.path("repository/odin.lock")).unwrap();
    std::fs::write(scratch.path("repository/odin.lock"), "process 4711\n").unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = back_up(&repository, &[file("token", scratch.path("token"))]).unwrap_err();
    assert!(error.to_string().contains("in use by process 4711"), "{error}");
    assert!(repository.list().unwrap().is_empty());
    drop(lock);
    back_up(&repository, &[file("token", scratch.path("token"))]).unwrap();
}

#[test]
fn snapshots_are_found_by_prefix_or_not_at_all() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("token"), "secret").unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    assert!(matches!(repository.resolve("latest").unwrap_err(), Error::NoSnapshot { .. }));
    let id = back_up(&repository, &[file("token", scratch.path("token"))]).unwrap().snapshot.id;
    for text in ["latest", id.short(), &id.0] {
        assert_eq!(repository.resolve(text).unwrap().id, id);
    }
    for text in ["", "zz", "../../etc/passwd", "ffffffffffffffffffffffffffffffffffff"] {
        assert!(matches!(repository.resolve(text).unwrap_err(), Error::NoSnapshot { .. }), "{text}");
    }
    let wrong = odin_backup::engine::SnapshotId("0".repeat(64));
    assert!(matches!(repository.show(&wrong).unwrap_err(), Error::NoSnapshot { .. }));
}

/// Root may read everything, so this takes a place of the kernel where opening
/// works and reading some of the files does not.
#[test]
fn a_source_that_cannot_be_read_leaves_no_snapshot() {
    let scratch = Scratch::new();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let error = back_up(&repository, &[directory("odd", "/proc/self/task")]).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    assert!(error.hint().unwrap().contains("no snapshot was written"));
    assert!(repository.list().unwrap().is_empty());
}

#[test]
fn a_password_file_open_to_others_is_refused() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("password"), "correct horse\n").unwrap();
    std::fs::set_permissions(scratch.path("password"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Password::read(&scratch.path("password")).unwrap_err();
    assert!(error.to_string().contains("mode is 644"), "{error}");
    std::fs::set_permissions(scratch.path("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let password = Password::read(&scratch.path("password")).unwrap();
    Repository::open_or_init(&Settings { password, ..scratch.settings() }).unwrap();
    Repository::open(&scratch.settings()).unwrap();
}

#[test]
fn a_restore_does_not_mix_with_what_is_there() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("tree")).unwrap();
    std::fs::write(scratch.path("tree/a"), "a").unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("tree", scratch.path("tree"))]).unwrap().snapshot.id;
    let error = repository
        .engine()
        .restore_tree(&id, "sources/tree".as_ref(), &scratch.path("tree"), &Silent)
        .unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    let error = repository
        .engine()
        .restore_tree(&id, "sources/no".as_ref(), &scratch.path("x"), &Silent)
        .unwrap_err();
    assert!(matches!(error, Error::NotInSnapshot { .. }), "{error}");
}
