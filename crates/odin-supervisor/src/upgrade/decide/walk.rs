//! A walk through every state an upgrade can get into: the power goes before
//! every step, verdicts go either way, a person reboots at every rest.

use std::collections::HashSet;

use super::*;
use crate::upgrade::generation::tests::generation;

/// How the new generation behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum New {
    /// It panics before ODIN runs; `panic=10` reboots it.
    DoesNotBoot,
    /// It comes up and hangs at the verdict; the watchdog resets it.
    Hangs,
    /// It comes up and `odin` cannot run; its unit reboots, once.
    WithoutOdin,
    /// It comes up and cannot mount ODIN's state.
    Blind,
    /// Its verdict may go either way, each time it is asked.
    Comes,
}

/// How many times the power may go, and how many times a person reboots.
const CUTS: u8 = 2;
const REBOOTS: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    new: New,
    booted: PathBuf,
    boot: u32,
    default: PathBuf,
    /// What ODIN made the default.
    pinned: PathBuf,
    oneshot: Option<PathBuf>,
    armed: bool,
    trial_guard: bool,
    profile: PathBuf,
    /// What garbage collection leaves besides the profile's target.
    known_good: PathBuf,
    previous: Option<PathBuf>,
    record: Option<Record>,
    cordoned: bool,
    /// Good verdicts there were.
    good: bool,
    cuts: u8,
    reboots: u8,
    /// Boots since a person or a power cut caused one.
    by_itself: u8,
    /// Reboots that ODIN asked for, in all.
    asked: u8,
}

#[derive(Default)]
struct Walk {
    /// Where it was: the ways there are many, what follows is the same.
    seen: HashSet<(World, Answers, Vec<Step>)>,
    rests: usize,
    confirmed: usize,
    fell_back: usize,
}

fn old() -> PathBuf {
    "/nix/store/old".into()
}

fn new() -> PathBuf {
    "/nix/store/new".into()
}

impl World {
    fn seen(&self) -> Seen {
        let blind = self.new == New::Blind && self.booted == new();
        Seen {
            booted: self.booted.clone(),
            boot: format!("boot-{}", self.boot),
            booted_is_default: self.booted == self.default,
            another_is_default: self.booted != self.default,
            pinned: self.booted == self.pinned,
            state_exists: !blind,
            now: "2026-11-23T09:00:00Z".parse().expect("a time"),
        }
    }

    fn visible_record(&self) -> Option<&Record> {
        self.record.as_ref().filter(|_| self.seen().state_exists)
    }

    fn check(&self) {
        let rollback = self.record.as_ref().is_some_and(|record| record.kind == Kind::Rollback);
        assert!(
            self.default == old() || self.good || rollback,
            "the new entry is the default without a good verdict: {self:?}"
        );
        assert!(self.by_itself <= 2, "it reboots on its own: {self:?}");
        assert!(self.asked <= 1, "more than one reboot was asked for: {self:?}");
        for chosen in self.oneshot.iter().chain([&self.default]) {
            let kept = [Some(&self.profile), Some(&self.known_good), self.previous.as_ref()];
            assert!(kept.contains(&Some(chosen)), "what boots next may be collected: {self:?}");
        }
    }
}

impl Walk {
    /// The power comes: firmware, boot loader, and what comes up.
    fn power_on(&mut self, mut world: World) {
        world.boot += 1;
        world.booted = world.oneshot.take().unwrap_or_else(|| world.default.clone());
        world.check();
        // The loader has taken the entry of one boot, `odin-trial.service` has
        // not emptied the mark yet.
        self.cut(&world);
        world.trial_guard = std::mem::take(&mut world.armed);
        if world.booted == new() && world.new == New::DoesNotBoot {
            world.by_itself += 1;
            return self.power_on(world);
        }
        if world.booted == new() && world.new == New::WithoutOdin {
            if world.trial_guard {
                world.by_itself += 1;
                world.asked += 1;
                return self.power_on(world);
            }
            return self.rest(world);
        }
        self.steps(world, Answers::default(), Vec::new());
    }

    /// Carries out steps; when there are none, asks for the next.
    fn steps(&mut self, mut world: World, mut answers: Answers, mut left: Vec<Step>) {
        world.check();
        if !self.seen.insert((world.clone(), answers.clone(), left.clone())) {
            return;
        }
        if left.is_empty() {
            left = at_boot(world.visible_record(), &world.seen(), &answers);
            if left.is_empty() {
                return self.rest(world);
            }
        }
        self.cut(&world);
        match left.remove(0) {
            Step::Save(record) => world.record = Some(*record),
            Step::Default(system) => {
                world.default.clone_from(&system);
                world.pinned = system;
            }
            Step::Oneshot(system) => world.oneshot = Some(system),
            Step::NoOneshot => world.oneshot = None,
            Step::Arm => world.armed = true,
            Step::Disarm => world.armed = false,
            Step::Profile(system) => world.profile = system,
            Step::Keep(Role::KnownGood, system) => world.known_good = system,
            Step::Keep(Role::Previous, system) => world.previous = Some(system),
            Step::Cordon => world.cordoned = true,
            Step::Uncordon => world.cordoned = false,
            Step::Judge if world.new == New::Hangs && world.booted == new() => {
                world.by_itself += 1;
                return self.power_on(world);
            }
            Step::Judge => {
                let bad = Answers { verdict: Some(Err("no node".into())), ..answers.clone() };
                self.steps(world.clone(), bad, left.clone());
                answers.verdict = Some(Ok(()));
                world.good = true;
            }
            Step::ReturnData => {
                let failed = Answers { data: Some(Err("no space".into())), ..answers.clone() };
                self.steps(world.clone(), failed, left.clone());
                answers.data = Some(Ok(()));
            }
            Step::Reboot => {
                world.by_itself += 1;
                world.asked += 1;
                return self.power_on(world);
            }
        }
        self.steps(world, answers, left);
    }

    fn cut(&mut self, world: &World) {
        if world.cuts > 0 {
            self.power_on(World { cuts: world.cuts - 1, by_itself: 0, ..world.clone() });
        }
    }

    /// Nothing moves: what must be true then, and a person who reboots.
    fn rest(&mut self, world: World) {
        self.rests += 1;
        let record = world.record.as_ref().expect("it was staged");
        assert_eq!(world.booted, world.default, "another one than the chosen runs: {world:?}");
        match record.state {
            State::Confirmed => {
                self.confirmed += 1;
                assert_eq!(world.default, new(), "{world:?}");
                assert_eq!(world.profile, new(), "{world:?}");
            }
            State::FellBack => {
                self.fell_back += 1;
                assert!(record.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "{world:?}");
                assert_eq!(world.default, old(), "{world:?}");
                assert_eq!(world.profile, old(), "{world:?}");
                let due = record.data.as_ref().is_some_and(|data| data.state == DataState::Due);
                assert!(!due, "data was forgotten: {world:?}");
            }
            // Waits for its reboot, in the boot it was staged in.
            State::Staging | State::Staged => assert_eq!(world.booted, old(), "{world:?}"),
            // Only a boot loader that does not do what it is told strands it.
            State::Booted | State::FallingBack | State::Stranded => {
                panic!("it rests without an end: {world:?}");
            }
        }
        self.cut(&world);
        if world.reboots > 0 {
            self.power_on(World { reboots: world.reboots - 1, by_itself: 0, ..world });
        }
    }
}

fn walk(behaviour: New, kind: Kind, data: Option<DataReturn>, k3s: &str) -> Walk {
    let from = generation("old", "1.35.6+k3s1");
    let wish = Wish {
        kind,
        from,
        to: generation("new", k3s),
        snapshot: Some("aaaa".into()),
        data,
        failed_before: Vec::new(),
        gpus: Before::default(),
    };
    let world = World {
        new: behaviour,
        booted: old(),
        boot: 1,
        default: old(),
        pinned: old(),
        oneshot: None,
        armed: false,
        trial_guard: false,
        // nixos-rebuild has set it before the loader's hook runs.
        profile: new(),
        // Pinned at the first boot.
        known_good: old(),
        previous: None,
        record: None,
        cordoned: false,
        good: false,
        cuts: CUTS,
        reboots: REBOOTS,
        by_itself: 0,
        asked: 0,
    };
    let steps = at_stage(None, &wish, "boot-1", world.seen().now).expect("staged");
    let mut walk = Walk::default();
    // Power that goes before the first record leaves a machine without one.
    let first = steps.iter().position(|step| matches!(step, Step::Save(_))).expect("a record");
    let mut begun = world;
    for step in &steps[..=first] {
        if let Step::Save(record) = step {
            begun.record = Some((**record).clone());
        }
    }
    walk.steps(begun, Answers::default(), steps[first + 1..].to_vec());
    walk
}

#[test]
fn whatever_happens_the_machine_comes_to_rest_and_says_why() {
    let due =
        |datastore_only| Some(DataReturn { snapshot: "aaaa".into(), datastore_only, state: DataState::Due });
    for behaviour in [New::DoesNotBoot, New::Hangs, New::WithoutOdin, New::Blind, New::Comes] {
        for k3s in ["1.35.8+k3s1", "1.36.2+k3s1"] {
            let upgrade = walk(behaviour, Kind::Upgrade, None, k3s);
            assert!(upgrade.rests > 10 && upgrade.fell_back > 0, "{behaviour:?}");
            assert_eq!(upgrade.confirmed > 0, behaviour == New::Comes, "{behaviour:?}");
            for data in [None, due(true), due(false)] {
                assert!(walk(behaviour, Kind::Rollback, data, k3s).rests > 10, "{behaviour:?}");
            }
        }
    }
}

/// The new entry, in the boot of this number, with the old one the default.
fn seen(boot: u32) -> Seen {
    Seen {
        booted: new(),
        boot: format!("boot-{boot}"),
        booted_is_default: false,
        another_is_default: true,
        pinned: true,
        state_exists: true,
        now: "2026-11-23T09:00:00Z".parse().expect("a time"),
    }
}

#[test]
fn a_loader_that_ignores_its_default_is_rebooted_once() {
    // The firmware lost its variables and boots the new entry again and again.
    let mut world_record = crate::upgrade::record::tests::record(State::Staged);
    let mut reboots = 0;
    for boot in 2..10 {
        let mut answers = Answers::default();
        loop {
            let steps = at_boot(Some(&world_record), &seen(boot), &answers);
            if steps.is_empty() {
                break;
            }
            let mut rebooted = false;
            for step in steps {
                match step {
                    Step::Save(record) => world_record = *record,
                    Step::Judge => answers.verdict = Some(Err("no node".into())),
                    Step::Reboot => rebooted = true,
                    _ => {}
                }
            }
            if rebooted {
                reboots += 1;
                break;
            }
        }
    }
    assert_eq!(reboots, 1);
    assert_eq!(world_record.state, State::Stranded);
    // Somebody chooses the old one in the menu.
    let back = Seen { booted: old(), boot: "boot-10".into(), ..seen(9) };
    let steps = at_boot(Some(&world_record), &back, &Answers::default());
    assert!(matches!(steps.last(), Some(Step::Save(record)) if record.state == State::FellBack), "{steps:?}");
}
