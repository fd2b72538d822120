//! Things that go away while they are backed up: volumes whose claim is
//! deleted, files of a database that clears up. They are left out, and the
//! snapshot holds. What must be there and is not is a failure.

use std::path::{Path, PathBuf};

use odin_backup::drill;
use odin_backup::repository::Repository;
use odin_backup::source::{self, Hooks, Kind, Source, VolumeOf};
use odin_model::event::Silent;
use odin_model::report::Verdict;

use crate::support::{Scratch, back_up, circumstances, directory};

/// Removes a directory when a volume is to be brought to rest: after the
/// sources before it were looked at, and before anything is read.
struct Removing(PathBuf);

impl Hooks for Removing {
    fn run(&self, _volume: &VolumeOf<'_>, _command: &[String]) -> Result<(), String> {
        std::fs::remove_dir_all(&self.0).map_err(|error| error.to_string())
    }
}

fn volume(name: &str, path: &Path, required: bool, before: Option<&str>) -> Source {
    Source {
        name: name.into(),
        required,
        kind: Kind::Volume {
            path: path.into(),
            namespace: "n".into(),
            claim: name.into(),
            before: before.map(|word| vec![word.to_owned()]),
            after: None,
        },
    }
}

#[test]
fn a_volume_removed_while_the_backup_runs_is_recorded_as_absent() {
    for (early, required) in [("looked-at", false), ("z-not-yet-looked-at", false), ("looked-at", true)] {
        let scratch = Scratch::new();
        let (going, staying) = (scratch.path("going"), scratch.path("staying"));
        for path in [&going, &staying] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("file"), "content").unwrap();
        }
        let repository = Repository::open_or_init(&scratch.settings()).unwrap();
        let sources = [volume(early, &going, required, None), volume("rests", &staying, true, Some("rest"))];
        let plan = source::plan(&sources, source::probe).unwrap();
        let result = repository.now(&plan, &circumstances(), &Removing(going), &Silent);
        if required {
            let error = result.unwrap_err();
            assert!(error.to_string().contains("going"), "{error}");
            assert!(repository.list().unwrap().is_empty());
            continue;
        }
        let outcome = result.unwrap();
        let manifest = &outcome.manifest;
        assert!(!manifest.source(early).unwrap().present && manifest.source("rests").unwrap().present);
        assert!(manifest.warnings.iter().any(|warning| warning.contains(early)), "{:?}", manifest.warnings);
        let drill = drill::drill(&repository, &outcome.snapshot.id, jiff::Timestamp::now(), &Silent).unwrap();
        assert_eq!(drill.verdict, Verdict::Passed, "{:?}", drill.findings);
    }
}

#[test]
fn a_tree_that_is_cleared_while_it_is_read_leaves_a_snapshot_that_holds() {
    let scratch = Scratch::new();
    let tree = scratch.path("tree");
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    for round in 0..4 {
        for number in 0..400 {
            let place = tree.join(format!("d{}", number % 20));
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(number.to_string()), vec![round; 3000]).unwrap();
        }
        let outcome = std::thread::scope(|scope| {
            let clearing = scope.spawn(|| {
                for place in (0..20).rev().map(|number| tree.join(format!("d{number}"))) {
                    std::fs::remove_dir_all(place).unwrap();
                }
            });
            let outcome = back_up(&repository, &[directory("tree", &tree)]).unwrap();
            clearing.join().unwrap();
            outcome
        });
        let drill = drill::drill(&repository, &outcome.snapshot.id, jiff::Timestamp::now(), &Silent).unwrap();
        assert_eq!(drill.verdict, Verdict::Passed, "{:?}", drill.findings);
    }
}
