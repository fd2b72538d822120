//! What is backed up comes back, judged by our own restore and by a stock
//! restic. What is not looked at here: damage, kills, live restores.

use crate::support::{Scratch, assert_same, back_up, directory, file, odd_tree, restic_ok};
use odin_backup::engine::{BackupEngine, CheckDepth};
use odin_backup::repository::Repository;
use odin_model::event::Silent;

#[test]
fn an_odd_tree_comes_back_exactly_and_restic_agrees() {
    let scratch = Scratch::new();
    odd_tree(&scratch.path("tree"));
    std::fs::write(scratch.path("token"), "secret").unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let sources = [directory("tree", scratch.path("tree")), file("token", scratch.path("token"))];
    let outcome = back_up(&repository, &sources).unwrap();
    assert!(outcome.manifest.warnings.is_empty(), "{:?}", outcome.manifest.warnings);
    let id = &outcome.snapshot.id;
    assert_eq!(repository.show(id).unwrap(), outcome.manifest);

    let restored = scratch.path("restored");
    repository.engine().restore_tree(id, "sources/tree".as_ref(), &restored, &Silent).unwrap();
    assert_same(&scratch.path("tree"), &restored);

    let report = repository.check(CheckDepth::ReadData, &Silent).unwrap();
    assert!(report.errors.is_empty() && report.remarks.is_empty(), "{report:?}");
    assert_eq!((report.snapshots, report.bytes_read > 0), (1, true));

    let path = scratch.path("repository");
    restic_ok(&path, &["check", "--read-data"]);
    let by_restic = scratch.path("by-restic");
    restic_ok(&path, &["restore", "latest", "--verify", "--target", by_restic.to_str().unwrap()]);
    // Debian's restic does not know link targets that are no text, which later
    // ones write as we do.
    for tree in [&restored, &by_restic.join("sources/tree")] {
        let modified = std::fs::metadata(tree).unwrap().modified().unwrap();
        std::fs::remove_file(tree.join("raw link")).unwrap();
        std::fs::File::open(tree).unwrap().set_modified(modified).unwrap();
    }
    assert_same(&restored, &by_restic.join("sources/tree"));
    assert_eq!(std::fs::read(by_restic.join("sources/token/token")).unwrap(), b"secret");
    assert!(by_restic.join("odin/manifest.json").exists() && by_restic.join("odin/files.jsonl").exists());
    let listed = restic_ok(&path, &["snapshots", "--json"]);
    assert!(listed.contains(&id.0), "{listed}");
    assert!(restic_ok(&path, &["ls", "latest", "/sources/tree/deep"]).contains("/sources/tree/deep/er"));
}

#[test]
fn an_unchanged_tree_is_not_stored_again_and_a_changed_file_is() {
    let scratch = Scratch::new();
    odd_tree(&scratch.path("tree"));
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let sources = [directory("tree", scratch.path("tree"))];
    let first = back_up(&repository, &sources).unwrap();
    let second = back_up(&repository, &sources).unwrap();
    assert_eq!(first.manifest.sources, second.manifest.sources);
    std::fs::write(scratch.path("tree/plain"), "changed").unwrap();
    let third = back_up(&repository, &sources).unwrap();
    assert_ne!(second.manifest.sources[0].sha256, third.manifest.sources[0].sha256);
    for (outcome, name) in [(&second, "second"), (&third, "third")] {
        let into = scratch.path(name);
        repository
            .engine()
            .restore_tree(&outcome.snapshot.id, "sources/tree".as_ref(), &into, &Silent)
            .unwrap();
    }
    assert_same(&scratch.path("tree"), &scratch.path("third"));
    assert!(std::fs::read(scratch.path("second/plain")).unwrap().is_empty());
    assert_eq!(repository.list().unwrap().len(), 3);
    restic_ok(&scratch.path("repository"), &["check", "--read-data"]);
}
