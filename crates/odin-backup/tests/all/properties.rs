//! Any tree comes back, from either engine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use odin_backup::engine::plain::PlainEngine;
use odin_backup::engine::rustic::RusticEngine;
use odin_backup::engine::{BackupEngine, CheckDepth};
use odin_backup::repository::Repository;
use odin_backup::source::{self, NoHooks};
use odin_backup::{drill, restore};
use odin_model::event::Silent;
use odin_model::report::Verdict;
use proptest::prelude::*;

use crate::support::{PASSWORD, Scratch, assert_same, circumstances, directory};

/// One thing of a tree.
#[derive(Clone, Debug)]
enum Thing {
    File(Vec<u8>, u32),
    /// Bytes at an offset: a hole before them.
    Sparse(u32, Vec<u8>),
    Link(Vec<u8>),
    Tree(Vec<(Vec<u8>, Thing)>),
    /// A further name of whatever file came before.
    Twin,
}

/// Names of any bytes a file system takes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        any::<u8>().prop_filter("no slash, no NUL", |byte| *byte != b'/' && *byte != 0),
        1..40,
    )
    .prop_filter("means another directory", |name| name != b"." && name != b"..")
}

fn thing() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![
        4 => (proptest::collection::vec(any::<u8>(), 0..3000), 0_u32..0o10000).prop_map(|(bytes, mode)| Thing::File(bytes, mode)),
        1 => (0_u32..3_000_000, proptest::collection::vec(any::<u8>(), 0..50)).prop_map(|(at, bytes)| Thing::Sparse(at, bytes)),
        1 => proptest::collection::vec(1_u8..=255, 1..60).prop_map(Thing::Link),
        1 => Just(Thing::Twin),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        proptest::collection::vec((name(), inner), 0..6).prop_map(Thing::Tree)
    })
}

fn make(path: &Path, thing: &Thing, last: &mut Option<std::path::PathBuf>) {
    if path.symlink_metadata().is_ok() {
        return;
    }
    match thing {
        Thing::File(bytes, mode) => {
            std::fs::write(path, bytes).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
            *last = Some(path.to_path_buf());
        }
        Thing::Sparse(at, bytes) => {
            let file = std::fs::File::create(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, u64::from(*at)).unwrap();
            file.set_len(u64::from(*at) + 5000).unwrap();
        }
        Thing::Link(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
        Thing::Twin => {
            if let Some(last) = last {
                std::fs::hard_link(last, path).unwrap();
            }
        }
        Thing::Tree(things) => {
            std::fs::create_dir(path).unwrap();
            for (name, thing) in things {
                make(&path.join(OsStr::from_bytes(name)), thing, last);
            }
        }
    }
}

/// Backs up, restores and drills a tree with an engine.
fn round<E: BackupEngine>(scratch: &Scratch, engine: E, into: &str) {
    let repository = Repository::with_engine(engine, &scratch.path("scratch"));
    let plan = source::plan(&[directory("tree", scratch.path("tree"))], source::probe).unwrap();
    let outcome = repository.take_snapshot(&plan, &circumstances(), &NoHooks, &Silent).unwrap();
    let id = outcome.snapshot.id;
    assert_eq!(repository.list().unwrap().len(), 1);
    assert!(repository.check(CheckDepth::ReadData, &Silent).unwrap().errors.is_empty());
    let into = scratch.path(into);
    restore::extract(&repository, &id, &[], &into, &Silent).unwrap();
    let record = drill::drill(&repository, &id, jiff::Timestamp::now(), &Silent).unwrap();
    assert_eq!(record.verdict, Verdict::Passed, "{record:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(things in proptest::collection::vec((name(), thing()), 0..8)) {
        let scratch = Scratch::new();
        make(&scratch.path("tree"), &Thing::Tree(things), &mut None);
        round(&scratch, RusticEngine::init(&scratch.path("repository"), PASSWORD).unwrap(), "restored");
        assert_same(&scratch.path("tree"), &scratch.path("restored/tree"));
    }

    #[test]
    fn any_path_survives_its_text(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let path = std::path::PathBuf::from(OsStr::from_bytes(&bytes));
        let text = odin_backup::record::escaped::render(&path);
        prop_assert_eq!(odin_backup::record::escaped::parse(&text).unwrap(), path);
    }
}

#[test]
fn the_plain_engine_does_what_the_other_does() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("tree")).unwrap();
    std::fs::write(scratch.path("tree/file"), vec![7; 300_000]).unwrap();
    symlink("file", scratch.path("tree/link")).unwrap();
    round(&scratch, PlainEngine::new(&scratch.path("plain")).unwrap(), "restored");
    assert_same(&scratch.path("tree"), &scratch.path("restored/tree"));
    let engine = PlainEngine::new(&scratch.path("plain")).unwrap();
    let id = engine.snapshots().unwrap().pop().unwrap().id;
    engine.forget(std::slice::from_ref(&id)).unwrap();
    assert!(engine.snapshots().unwrap().is_empty());
}
