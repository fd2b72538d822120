use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::upgrade::decide::{self, Role, Wish};
use crate::upgrade::entries::Entry;
use crate::upgrade::generation::tests::generation;
use crate::upgrade::gpus::Before;
use crate::upgrade::record::{Kind, State};

/// A machine in memory, whose firmware boots what the loader was told.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    boot: u32,
    booted: PathBuf,
    entries: Vec<PathBuf>,
    default: String,
    oneshot: Option<String>,
    profile: PathBuf,
    kept: Vec<(Role, PathBuf)>,
    reboots: u32,
}

fn id(system: &Path) -> String {
    format!("{}.conf", system.file_name().expect("a name").to_string_lossy())
}

impl Fake {
    pub(crate) fn new(systems: &[&str]) -> Self {
        let path = |name: &&str| PathBuf::from(format!("/nix/store/{name}"));
        let entries: Vec<PathBuf> = systems.iter().map(path).collect();
        let inner = Inner {
            boot: 1,
            booted: entries[0].clone(),
            default: id(&entries[0]),
            profile: entries[0].clone(),
            entries,
            ..Inner::default()
        };
        Self { inner: Mutex::new(inner) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().expect("a lock"))
    }

    fn restart(&self) {
        self.with(|inner| {
            inner.boot += 1;
            let chosen = inner.oneshot.take().unwrap_or_else(|| inner.default.clone());
            let system = inner.entries.iter().find(|system| id(system) == chosen).expect("an entry");
            inner.booted = system.clone();
        });
    }
}

impl Machine for Fake {
    fn booted(&self) -> Result<Option<PathBuf>> {
        Ok(Some(self.with(|inner| inner.booted.clone())))
    }
    fn boot_id(&self) -> Result<String> {
        Ok(format!("boot-{}", self.with(|inner| inner.boot)))
    }
    fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.with(|inner| {
            let next = inner.oneshot.as_ref().unwrap_or(&inner.default);
            let entry = |system: &PathBuf| Entry {
                id: id(system),
                options: Some(format!("init={}/init", system.display())),
                is_default: id(system) == *next,
            };
            inner.entries.iter().map(entry).collect()
        }))
    }
    fn set_default(&self, id: &str) -> Result<()> {
        self.with(|inner| id.clone_into(&mut inner.default));
        Ok(())
    }
    fn set_oneshot(&self, id: Option<&str>) -> Result<()> {
        self.with(|inner| inner.oneshot = id.map(str::to_owned));
        Ok(())
    }
    fn generations(&self) -> Result<Vec<(u64, PathBuf)>> {
        Ok(self.with(|inner| (1..).zip(inner.entries.iter().cloned()).collect()))
    }
    fn profile(&self) -> Result<Option<PathBuf>> {
        Ok(Some(self.with(|inner| inner.profile.clone())))
    }
    fn point_profile(&self, system: &Path) -> Result<()> {
        self.with(|inner| system.clone_into(&mut inner.profile));
        Ok(())
    }
    fn keep(&self, role: Role, system: &Path) -> Result<()> {
        self.with(|inner| {
            inner.kept.retain(|(kept, _)| *kept != role);
            inner.kept.push((role, system.to_owned()));
        });
        Ok(())
    }
    fn kept(&self, role: Role) -> Result<Option<PathBuf>> {
        Ok(self.with(|inner| {
            inner.kept.iter().find(|(kept, _)| *kept == role).map(|(_, system)| system.clone())
        }))
    }
    fn install(&self, _system: &Path) -> Result<()> {
        Ok(())
    }
    fn reboot(&self) -> Result<()> {
        self.with(|inner| inner.reboots += 1);
        self.restart();
        Ok(())
    }
    fn free(&self, _path: &Path) -> Result<u64> {
        Ok(1 << 40)
    }
}

struct Says(std::result::Result<(), String>);

impl Ward for Says {
    fn judge(&self, _record: &Record) -> std::result::Result<(), String> {
        self.0.clone()
    }
    fn return_data(&self, _data: &DataReturn) -> std::result::Result<(), String> {
        Ok(())
    }
    fn cordon(&self, _cordoned: bool) -> Result<()> {
        Ok(())
    }
}

fn staged(machine: &Fake, store: &Store) {
    let executor = Executor { machine, store };
    let wish = Wish {
        kind: Kind::Upgrade,
        from: generation("old", "1.35.6+k3s1"),
        to: generation("new", "1.35.8+k3s1"),
        snapshot: None,
        data: None,
        failed_before: Vec::new(),
        gpus: Before::default(),
    };
    let now = jiff::Timestamp::now();
    for step in decide::at_stage(None, &wish, "boot-1", now).expect("steps") {
        executor.perform(&step).expect("a step");
    }
}

#[test]
fn a_good_generation_becomes_the_default_and_the_old_one_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (machine, store) = (Fake::new(&["old", "new"]), Store::below(directory.path()));
    staged(&machine, &store);
    assert_eq!(machine.with(|inner| inner.default.clone()), "old.conf");
    machine.restart();
    let executor = Executor { machine: &machine, store: &store };
    let seen = executor.look().expect("seen").expect("booted");
    assert!(!seen.booted_is_default);
    let (ended, _) = executor.settle(&seen, &Says(Ok(())), decide::at_boot).expect("settled");
    assert_eq!(ended, Ended::AtRest);
    assert_eq!(store.load().expect("a record").map(|record| record.state), Some(State::Confirmed));
    assert_eq!(machine.with(|inner| inner.default.clone()), "new.conf");
    assert_eq!(machine.kept(Role::Previous).expect("one"), Some("/nix/store/old".into()));
    machine.restart();
    assert_eq!(machine.booted().expect("one"), Some("/nix/store/new".into()));
}

#[test]
fn a_bad_generation_is_left_by_one_reboot_and_the_reason_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (machine, store) = (Fake::new(&["old", "new"]), Store::below(directory.path()));
    staged(&machine, &store);
    machine.restart();
    let executor = Executor { machine: &machine, store: &store };
    let says = Says(Err("node box: not ready".into()));
    let seen = executor.look().expect("seen").expect("booted");
    let (ended, _) = executor.settle(&seen, &says, decide::at_boot).expect("settled");
    assert_eq!(ended, Ended::Rebooting);
    let seen = executor.look().expect("seen").expect("booted");
    assert_eq!(seen.booted, Path::new("/nix/store/old"));
    let (ended, _) = executor.settle(&seen, &says, decide::at_boot).expect("settled");
    assert_eq!(ended, Ended::AtRest);
    let record = store.load().expect("a record").expect("one");
    assert_eq!((record.state, record.reason.as_deref()), (State::FellBack, Some("node box: not ready")));
    assert_eq!(machine.profile().expect("one"), Some("/nix/store/old".into()));
    assert_eq!(machine.with(|inner| inner.reboots), 1);
}

#[test]
fn a_first_boot_pins_its_default_and_comes_to_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let (machine, store) = (Fake::new(&["first"]), Store::below(directory.path()));
    let executor = Executor { machine: &machine, store: &store };
    for pinned in [false, true] {
        let seen = executor.look().expect("seen").expect("booted");
        assert_eq!((seen.booted_is_default, seen.pinned), (true, pinned));
        let (ended, _) = executor.settle(&seen, &Says(Ok(())), decide::at_boot).expect("settled");
        assert_eq!(ended, Ended::AtRest);
        assert_eq!(store.default_entry().as_deref(), Some("first.conf"));
    }
    assert_eq!(machine.kept(Role::KnownGood).expect("one"), Some("/nix/store/first".into()));
}

#[test]
fn a_system_without_an_entry_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let (machine, store) = (Fake::new(&["old"]), Store::below(directory.path()));
    let executor = Executor { machine: &machine, store: &store };
    let error = executor.perform(&Step::Oneshot("/nix/store/new".into())).expect_err("no entry");
    assert!(error.to_string().contains("/nix/store/new"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("switch-to-configuration")), "{error:?}");
}
