//! Restores onto a machine: every way one can end, at every step it can end
//! at. What is not looked at here: a real cluster, which the lab has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::support::host::FileHost;
use crate::support::{Look, Scratch, assert_same, back_up, directory, file, look, odd_tree_of, sqlite};
use odin_backup::repository::Repository;
use odin_backup::restore::{self, Measured, Recovered};
use odin_backup::source::Source;
use odin_backup::{Error, steps::Unhindered};
use odin_model::event::Silent;

/// A machine with one of each kind of source, a snapshot of it, and then other
/// data in its place.
struct Machine {
    scratch: Scratch,
}

impl Machine {
    fn new() -> Self {
        let scratch = Scratch::fast();
        let machine = Self { scratch };
        odd_tree_of(&machine.scratch.path("box/volume"), 100_000);
        std::fs::write(machine.scratch.path("box/token"), "first token").unwrap();
        std::fs::create_dir(machine.scratch.path("box/db")).unwrap();
        machine.write_database("first");
        back_up(&machine.repository(), &machine.sources()).unwrap();
        machine.keep("first");
        std::fs::remove_file(machine.scratch.path("box/volume/big")).unwrap();
        std::fs::write(machine.scratch.path("box/volume/plain"), "second").unwrap();
        std::fs::write(machine.scratch.path("box/volume/newcomer"), "second").unwrap();
        std::fs::write(machine.scratch.path("box/token"), "second token").unwrap();
        machine.write_database("second");
        // What a writer that was killed leaves beside a database.
        std::fs::write(machine.scratch.path("box/db/state.db-wal"), "stale log").unwrap();
        machine.keep("second");
        machine
    }

    fn sources(&self) -> Vec<Source> {
        vec![
            directory("volume", self.scratch.path("box/volume")),
            file("token", self.scratch.path("box/token")),
            sqlite("db", self.scratch.path("box/db/state.db")),
        ]
    }

    fn repository(&self) -> Repository {
        Repository::open_or_init(&self.scratch.settings()).unwrap()
    }

    fn write_database(&self, text: &str) {
        let path = self.scratch.path("box/db/state.db");
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch(&format!("CREATE TABLE t(x); INSERT INTO t VALUES ('{text}');")).unwrap();
    }

    /// Copies the targets away to compare with later.
    fn keep(&self, name: &str) {
        let into = self.scratch.path(name);
        let status = Command::new("cp").arg("-a").arg(self.scratch.path("box")).arg(&into).status().unwrap();
        assert!(status.success());
    }

    fn assert_is(&self, name: &str) {
        assert_same(&self.scratch.path(name), &self.scratch.path("box"));
    }

    /// Tells which of the two the machine is, and that it is one of them whole.
    fn which(&self) -> &'static str {
        let of = |name: &str| strip(&self.scratch.path(name), look(&self.scratch.path(name)));
        let seen = of("box");
        match (seen == of("first"), seen == of("second")) {
            (true, false) => "first",
            (false, true) => "second",
            _ => panic!("the machine is neither what it was nor what it was to be: {:#?}", seen.keys()),
        }
    }

    fn host(&self) -> FileHost {
        FileHost::new(&self.scratch.path("machine"))
    }

    fn state(&self) -> PathBuf {
        self.scratch.path("state")
    }

    fn plan(&self) -> odin_backup::Result<restore::RestorePlan> {
        let repository = self.repository();
        let id = repository.resolve("latest")?.id;
        restore::plan(&repository, &id, &[], Measured::default())
    }

    fn apply(&self, host: &FileHost) -> odin_backup::Result<restore::Outcome> {
        let plan = self.plan()?;
        restore::apply(&self.repository(), &plan, &self.state(), host, &Unhindered, &Silent)
    }
}

/// The parents of files that were swapped have a new time: a rename is a change
/// of the directory. A database is compared by what it holds: SQLite counts its
/// own copies in the header. Everything else must be as it was.
fn strip(root: &Path, mut tree: BTreeMap<PathBuf, Look>) -> BTreeMap<PathBuf, Look> {
    for parent in ["", "db", "db/state.db"] {
        if let Some(look) = tree.get_mut(Path::new(parent)) {
            look.mtime = (0, 0);
        }
    }
    if let Some(look) = tree.get_mut(Path::new("db/state.db")) {
        let copy = root.with_extension("copy");
        std::fs::copy(root.join("db/state.db"), &copy).unwrap();
        let database = rusqlite::Connection::open(&copy).unwrap();
        look.content =
            database.query_row("SELECT x FROM t", [], |row| row.get::<_, String>(0)).unwrap().into_bytes();
    }
    tree
}

#[test]
fn a_restore_brings_back_everything_and_leaves_nothing_behind() {
    let machine = Machine::new();
    let host = machine.host();
    let outcome = machine.apply(&host).unwrap();
    assert_eq!(machine.which(), "first");
    assert!(host.running() && outcome.comparison.files > 10);
    assert_eq!(*host.calls.lock().unwrap(), ["stop", "quiet", "after", "start", "wait", "accept"]);
    assert_eq!(restore::recover(&machine.state(), &host, &Unhindered, &Silent).unwrap(), Recovered::Nothing);
}

#[test]
fn a_bare_machine_is_restored_from_the_repository_alone() {
    let machine = Machine::new();
    std::fs::remove_dir_all(machine.scratch.path("box")).unwrap();
    machine.apply(&machine.host()).unwrap();
    assert_eq!(machine.which(), "first");
}

#[test]
fn whatever_the_machine_refuses_the_old_data_is_back_and_it_runs() {
    for call in ["stop", "quiet", "after", "start", "wait", "accept"] {
        let machine = Machine::new();
        let host = FileHost::failing(&machine.scratch.path("machine"), &[call]);
        let error = machine.apply(&host).unwrap_err();
        assert!(matches!(error, Error::RolledBack { .. }), "{call}: {error}");
        assert!(error.to_string().contains("old data is back"), "{error}");
        assert_eq!(machine.which(), "second", "{call}");
        assert!(host.running(), "{call}");
        machine.apply(&host).unwrap();
        assert_eq!(machine.which(), "first", "{call}: the next restore succeeds");
    }
}

#[test]
fn a_machine_that_does_not_come_up_again_is_said_so() {
    let machine = Machine::new();
    let host = FileHost::failing(&machine.scratch.path("machine"), &["wait", "wait"]);
    let error = machine.apply(&host).unwrap_err();
    assert!(matches!(error, Error::RolledBackDown { .. }), "{error}");
    assert_eq!(machine.which(), "second");
    assert_eq!(
        restore::recover(&machine.state(), &host, &Unhindered, &Silent).unwrap(),
        Recovered::RolledBack
    );
    assert_eq!(machine.which(), "second");
}

#[test]
fn an_error_at_any_step_leaves_one_of_the_two_whole() {
    let names = steps_of_a_restore();
    for name in &names {
        let machine = Machine::new();
        let host = machine.host();
        let plan = machine.plan().unwrap();
        let fail = |step: &str| {
            if step == name { Err(Error::Stopped { step: step.to_owned() }) } else { Ok(()) }
        };
        let result = restore::apply(&machine.repository(), &plan, &machine.state(), &host, &fail, &Silent);
        let expected = if result.is_ok() { "first" } else { "second" };
        assert_eq!(machine_after(&machine, &host), expected, "{name}: {result:?}");
    }
}

/// As Ctrl-C does it: the step after it fails, and nothing hinders the way back.
#[test]
fn an_interruption_at_any_step_ends_on_one_of_the_two_with_the_machine_running() {
    for name in &steps_of_a_restore() {
        let machine = Machine::new();
        let host = machine.host();
        let plan = machine.plan().unwrap();
        let told = std::sync::atomic::AtomicBool::new(false);
        let stop = |step: &str| {
            if step == name && !told.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return Err(Error::Stopped { step: step.to_owned() });
            }
            Ok(())
        };
        let result = restore::apply(&machine.repository(), &plan, &machine.state(), &host, &stop, &Silent);
        assert!(result.as_ref().map_or_else(Error::is_stopped, |_| true), "{name}: {result:?}");
        assert!(host.running(), "{name}");
        match result {
            // Told to end while the old data is removed: the next call does that.
            Ok(_) => assert_eq!(machine_after(&machine, &host), "first", "{name}"),
            Err(_) => assert_eq!(machine.which(), "second", "{name}"),
        }
    }
}

/// Ends what may be left and tells what the machine is.
fn machine_after(machine: &Machine, host: &FileHost) -> &'static str {
    restore::recover(&machine.state(), host, &Unhindered, &Silent).unwrap();
    assert!(host.running());
    machine.which()
}

fn steps_of_a_restore() -> Vec<String> {
    let machine = Machine::new();
    let seen = Mutex::new(Vec::new());
    let plan = machine.plan().unwrap();
    let note = |step: &str| {
        seen.lock().unwrap().push(step.to_owned());
        Ok(())
    };
    restore::apply(&machine.repository(), &plan, &machine.state(), &machine.host(), &note, &Silent).unwrap();
    let names = seen.into_inner().unwrap();
    assert!(names.len() > 15, "{names:?}");
    names
}

/// Not a test of its own: the process that is killed. Does nothing unless the
/// tests below start it.
#[test]
fn child() {
    let Ok(root) = std::env::var("ODIN_TEST_ROOT") else {
        return;
    };
    let kill_at: usize = std::env::var("ODIN_TEST_KILL_AT").unwrap().parse().unwrap();
    let root = PathBuf::from(root);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let kill = |_: &str| {
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == kill_at {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    let settings = odin_backup::repository::Settings {
        path: root.join("repository"),
        password: odin_backup::password::Password::new(crate::support::PASSWORD),
        scratch: root.join("scratch"),
    };
    let host = FileHost::new(&root.join("machine"));
    if std::env::var("ODIN_TEST_FAILS").is_ok() {
        host.fails_at.lock().unwrap().push("accept");
    }
    if std::env::var("ODIN_TEST_RECOVERS").is_ok() {
        restore::recover(&root.join("state"), &host, &kill, &Silent).unwrap();
        return;
    }
    let repository = Repository::open(&settings).unwrap();
    let id = repository.resolve("latest").unwrap().id;
    let plan = restore::plan(&repository, &id, &[], Measured::default()).unwrap();
    // The result is judged by the parent; a restore told to fail does.
    drop(restore::apply(&repository, &plan, &root.join("state"), &host, &kill, &Silent));
}

/// Runs the child; true where it was killed.
fn killed(machine: &Machine, at: usize, variables: &[&str]) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["restore::child", "--exact", "--test-threads=1"]);
    command.env("ODIN_TEST_ROOT", machine.scratch.directory.path()).env("ODIN_TEST_KILL_AT", at.to_string());
    for variable in variables {
        command.env(variable, "1");
    }
    let output = command.output().unwrap();
    assert!(output.status.signal() == Some(9) || output.status.success(), "{output:?}");
    output.status.signal() == Some(9)
}

/// A kill at every step of a restore, and again at every third step of the
/// call that ends it.
fn kill_everywhere(variables: &[&str]) -> usize {
    let mut kills = 0;
    for at in 0.. {
        let machine = Machine::new();
        machine.host();
        if !killed(&machine, at, variables) {
            break;
        }
        kills += 1;
        for again in (0..).step_by(3) {
            if !killed(&machine, again, &["ODIN_TEST_RECOVERS"]) {
                break;
            }
            kills += 1;
        }
        let host = machine.host();
        machine_after(&machine, &host);
        machine.apply(&host).unwrap();
        assert_eq!(machine.which(), "first", "killed at step {at}");
    }
    kills
}

#[test]
fn a_kill_at_every_step_leaves_one_of_the_two_whole() {
    let kills = kill_everywhere(&[]);
    assert!(kills > 30, "{kills} kills");
}

#[test]
fn a_kill_at_every_step_of_a_failing_restore_does_so_too() {
    let kills = kill_everywhere(&["ODIN_TEST_FAILS"]);
    assert!(kills > 50, "{kills} kills");
}

#[test]
fn parts_are_restored_alone_and_beside() {
    let machine = Machine::new();
    let repository = machine.repository();
    let id = repository.resolve("latest").unwrap().id;
    let into = machine.scratch.path("elsewhere");
    let extracted = restore::extract(&repository, &id, &[], &into, &Silent).unwrap();
    assert_eq!(extracted.comparison.differences, 0);
    assert_same(&machine.scratch.path("first/volume"), &into.join("volume"));
    machine.assert_is("second");
    let again = restore::extract(&repository, &id, &[], &into, &Silent).unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");

    let only = ["token".to_owned()];
    let plan = restore::plan(
        &repository,
        &id,
        &only,
        Measured { bytes_per_second: Some(1), downtime_seconds: Some(9) },
    );
    let plan = plan.unwrap();
    assert_eq!((plan.staging_seconds, plan.downtime_seconds, plan.kept.len()), (Some(11), Some(9), 2));
    restore::apply(&repository, &plan, &machine.state(), &machine.host(), &Unhindered, &Silent).unwrap();
    assert_eq!(std::fs::read(machine.scratch.path("box/token")).unwrap(), b"first token");
    assert_same(&machine.scratch.path("second/volume"), &machine.scratch.path("box/volume"));
    let unknown = restore::plan(&repository, &id, &["nothing".to_owned()], Measured::default()).unwrap_err();
    assert!(unknown.to_string().contains("source nothing"), "{unknown}");
}

/// A target that is a mount point keeps its place; its children change.
#[test]
fn a_mount_point_is_restored_by_its_children_and_back() {
    let scratch = Scratch::new();
    let mount = scratch.path("volume");
    let tiny = crate::support::Tiny::mount(&mount, "16m");
    odd_tree_of(&mount.join("data"), 10_000);
    std::fs::write(mount.join("top"), "first").unwrap();
    let repository = Repository::open_or_init(&scratch.settings()).unwrap();
    let id = back_up(&repository, &[directory("volume", &mount)]).unwrap().snapshot.id;
    let first = strip_root(&mount);
    std::fs::remove_dir_all(mount.join("data")).unwrap();
    std::fs::write(mount.join("top"), "second").unwrap();
    std::fs::write(mount.join("other"), "second").unwrap();
    let second = strip_root(&mount);
    let names = Mutex::new(Vec::new());
    let note = |step: &str| {
        names.lock().unwrap().push(step.to_owned());
        Ok(())
    };
    let plan = restore::plan(&repository, &id, &[], Measured::default()).unwrap();
    assert_eq!(plan.pieces[0].method, restore::Method::Children);
    let state = scratch.path("state");
    let failing = FileHost::failing(&scratch.path("machine"), &["accept"]);
    let error = restore::apply(&repository, &plan, &state, &failing, &note, &Silent).unwrap_err();
    assert!(matches!(error, Error::RolledBack { .. }), "{error}");
    assert_eq!(strip_root(&mount), second);
    for name in names.into_inner().unwrap() {
        let fail = |step: &str| {
            if step == name { Err(Error::Stopped { step: step.to_owned() }) } else { Ok(()) }
        };
        let host = FileHost::failing(&scratch.path("machine"), &["accept"]);
        drop(restore::apply(&repository, &plan, &state, &host, &fail, &Silent));
        restore::recover(&state, &FileHost::new(&scratch.path("machine")), &Unhindered, &Silent).unwrap();
        let now = strip_root(&mount);
        assert!(now == second || now == first, "{name}: {:?}", now.keys());
        if now == first {
            std::fs::remove_dir_all(mount.join("data")).unwrap();
            std::fs::write(mount.join("top"), "second").unwrap();
            std::fs::write(mount.join("other"), "second").unwrap();
        }
    }
    let host = FileHost::new(&scratch.path("machine"));
    restore::apply(&repository, &plan, &state, &host, &Unhindered, &Silent).unwrap();
    assert_eq!(strip_root(&mount), first);
    drop(tiny);
}

/// What is in a mount point, without times that exchanging children moves, and
/// of changed files without the time they were changed at.
fn strip_root(mount: &Path) -> BTreeMap<PathBuf, Look> {
    let mut tree = look(mount);
    for name in ["", "top", "other"] {
        if let Some(look) = tree.get_mut(Path::new(name)) {
            look.mtime = (0, 0);
        }
    }
    tree
}
