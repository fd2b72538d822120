use super::*;
use crate::upgrade::generation::tests::generation;
use crate::upgrade::record::tests::record;

fn seen(booted: &str, boot: &str) -> Seen {
    Seen {
        booted: format!("/nix/store/{booted}").into(),
        boot: boot.into(),
        booted_is_default: booted == "old",
        another_is_default: booted != "old",
        pinned: true,
        state_exists: true,
        now: "2026-11-23T09:00:00Z".parse().expect("a time"),
    }
}

fn booted() -> Record {
    Record { trial_boot: Some("boot-2".into()), ..record(State::Booted) }
}

/// The steps in words: what is done to what, and the state a save ends in.
fn words(steps: &[Step]) -> Vec<String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    steps
        .iter()
        .map(|step| match step {
            Step::Save(record) => format!("save {}", record.state),
            Step::Default(system) => format!("default {}", name(system).expect("a name")),
            Step::Oneshot(system) => format!("oneshot {}", name(system).expect("a name")),
            Step::Profile(system) => format!("profile {}", name(system).expect("a name")),
            Step::Keep(role, system) => format!("keep {} as {role:?}", name(system).expect("a name")),
            other => format!("{other:?}"),
        })
        .collect()
}

fn reason(steps: &[Step]) -> String {
    steps
        .iter()
        .find_map(|step| match step {
            Step::Save(record) => record.reason.clone(),
            _ => None,
        })
        .unwrap_or_default()
}

fn verdict(verdict: std::result::Result<(), &str>) -> Answers {
    Answers { verdict: Some(verdict.map_err(str::to_owned)), data: None }
}

fn wish(from: &str, to: &str) -> Wish {
    Wish {
        kind: Kind::Upgrade,
        from: generation(from, "1.35.6+k3s1"),
        to: generation(to, "1.35.8+k3s1"),
        snapshot: None,
        data: None,
        failed_before: Vec::new(),
        gpus: Before::default(),
    }
}

#[test]
fn staging_sets_the_way_back_before_the_way_on() {
    let now = seen("old", "boot-1").now;
    let steps = at_stage(None, &wish("old", "new"), "boot-1", now).expect("staged");
    let expected =
        ["keep old as KnownGood", "default old", "save staging", "Arm", "oneshot new", "save staged"];
    assert_eq!(words(&steps), expected);
}

#[test]
fn staging_is_refused_from_a_trial_and_after_a_fall_back() {
    let now = seen("old", "boot-1").now;
    for state in [State::Booted, State::FallingBack, State::Stranded] {
        let refusal = at_stage(Some(&record(state)), &wish("new", "newer"), "boot-2", now);
        assert_eq!(refusal, Err(Refusal::OnTrial), "{state}");
    }
    let fell = Record { reason: Some("no node".into()), ..record(State::FellBack) };
    let refusal = at_stage(Some(&fell), &wish("old", "new"), "boot-3", now);
    assert_eq!(refusal, Err(Refusal::GivenUp("no node".into())));
    // Another generation is another matter, and so is a person's word.
    assert!(at_stage(Some(&fell), &wish("old", "newer"), "boot-3", now).is_ok());
    let forgiven = Record { forgiven: true, ..fell.clone() };
    let steps = at_stage(Some(&forgiven), &wish("old", "new"), "boot-3", now).expect("staged");
    assert!(steps.iter().any(|step| matches!(step, Step::Save(record) if record.attempt == 2)), "{steps:?}");
    let rollback = Wish { kind: Kind::Rollback, ..wish("old", "new") };
    assert!(at_stage(Some(&fell), &rollback, "boot-3", now).is_ok());
}

#[test]
fn staging_twice_in_one_boot_is_one_attempt_and_keeps_the_snapshot() {
    let now = seen("old", "boot-1").now;
    let first = record(State::Staged);
    let steps = at_stage(Some(&first), &wish("old", "new"), "boot-1", now).expect("staged");
    let Some(Step::Save(again)) = steps.last() else { panic!("{steps:?}") };
    assert_eq!(**again, first);
}

#[test]
fn asking_for_the_running_generation_withdraws_what_was_staged() {
    let now = seen("old", "boot-1").now;
    let steps =
        at_stage(Some(&record(State::Staged)), &wish("old", "old"), "boot-1", now).expect("withdrawn");
    assert_eq!(words(&steps), ["default old", "NoOneshot", "Disarm", "save fell back"]);
    let steps = at_stage(None, &wish("old", "old"), "boot-1", now).expect("nothing");
    assert_eq!(words(&steps), ["default old", "NoOneshot", "Disarm"]);
}

#[test]
fn what_was_chosen_in_the_menu_becomes_the_default_once_the_other_is_kept() {
    let wish = Wish { kind: Kind::Rollback, ..wish("new", "old") };
    let steps = at_stay(&wish, "boot-4", seen("old", "boot-4").now);
    let expected =
        ["keep new as Previous", "keep old as KnownGood", "profile old", "default old", "save confirmed"];
    assert_eq!(words(&steps), expected);
    // Until then nothing is done by itself, and wherever the power goes among
    // them, the next boot needs no verdict.
    let before = Record { from: wish.to.clone(), to: wish.from.clone(), ..record(State::Confirmed) };
    let chosen =
        Seen { booted_is_default: false, another_is_default: true, pinned: false, ..seen("old", "boot-4") };
    assert_eq!(at_boot(Some(&before), &chosen, &Answers::default()), []);
    let next = at_boot(Some(&before), &seen("old", "boot-5"), &Answers::default());
    assert!(next.iter().all(|step| !matches!(step, Step::Judge | Step::Reboot)), "{next:?}");
}

#[test]
fn every_boot_has_its_steps() {
    let back = ["keep old as KnownGood", "default old", "NoOneshot", "profile old"];
    let falling = Record { reason: Some("no node".into()), state: State::FallingBack, ..booted() };
    let left = Record { left_boot: Some("boot-2".into()), ..falling.clone() };
    let stranded = Record { state: State::Stranded, ..left.clone() };
    let confirmed =
        ["keep old as Previous", "keep new as KnownGood", "profile new", "default new", "save confirmed"];
    let none = Answers::default();
    let cases: Vec<(Record, Seen, Answers, Vec<&str>, &str)> = vec![
        // Not rebooted yet.
        (record(State::Staged), seen("old", "boot-1"), none.clone(), vec![], ""),
        (record(State::Staging), seen("old", "boot-1"), none.clone(), vec![], ""),
        // The trial begins, whether or not the loader's word was recorded.
        (record(State::Staged), seen("new", "boot-2"), none.clone(), vec!["save booted"], ""),
        (record(State::Staging), seen("new", "boot-2"), none.clone(), vec!["save booted"], ""),
        (booted(), seen("new", "boot-2"), none.clone(), vec!["Judge"], ""),
        (booted(), seen("new", "boot-2"), verdict(Ok(())), confirmed.to_vec(), ""),
        (booted(), seen("new", "boot-2"), verdict(Err("no node")), vec!["save falling back"], "no node"),
        // It was reset, and somebody chose it again.
        (booted(), seen("new", "boot-3"), none.clone(), vec!["save booted"], ""),
        // It is given up.
        (
            falling.clone(),
            seen("new", "boot-2"),
            none.clone(),
            [&back[..], &["save falling back"]].concat(),
            "no node",
        ),
        (left.clone(), seen("new", "boot-2"), none.clone(), vec!["Reboot"], ""),
        // The power went before the old one was the default: it is left now.
        (
            falling.clone(),
            seen("new", "boot-3"),
            none.clone(),
            [&back[..], &["save falling back"]].concat(),
            "no node",
        ),
        (
            left,
            seen("new", "boot-3"),
            none.clone(),
            [&back[..], &["save stranded"]].concat(),
            "no node; the machine was rebooted and came up in it again",
        ),
        // The old one runs again.
        (falling, seen("old", "boot-3"), none.clone(), [&back[..], &["save fell back"]].concat(), "no node"),
        (stranded, seen("old", "boot-4"), none.clone(), [&back[..], &["save fell back"]].concat(), "no node"),
        (
            record(State::Staging),
            seen("old", "boot-2"),
            none.clone(),
            [&back[..], &["save fell back"]].concat(),
            "while it was being staged",
        ),
        (
            record(State::Staged),
            seen("old", "boot-2"),
            none.clone(),
            [&back[..], &["save fell back"]].concat(),
            "did not come up",
        ),
        (
            booted(),
            seen("old", "boot-3"),
            none.clone(),
            [&back[..], &["save fell back"]].concat(),
            "without a verdict",
        ),
        // A third one was chosen in the menu.
        (
            record(State::Staged),
            seen("third", "boot-2"),
            none.clone(),
            [&back[..], &["save fell back"]].concat(),
            "/nix/store/third was booted instead",
        ),
        // It has ended.
        (record(State::Confirmed), seen("new", "boot-3"), none.clone(), vec![], ""),
        (record(State::FellBack), seen("old", "boot-3"), none.clone(), vec![], ""),
        (record(State::FellBack), seen("new", "boot-3"), none.clone(), vec![], ""),
        (record(State::Stranded), seen("new", "boot-4"), none, vec![], ""),
    ];
    for (record, seen, answers, expected, why) in cases {
        let steps = at_boot(Some(&record), &seen, &answers);
        assert_eq!(words(&steps), expected, "{} in {:?}", record.state, seen.booted);
        assert!(reason(&steps).contains(why), "{} in {:?}: {}", record.state, seen.booted, reason(&steps));
    }
}

#[test]
fn without_a_record_the_default_is_pinned_and_a_hidden_trial_ends() {
    let cases = [
        (seen("old", "boot-1"), vec![]),
        (Seen { pinned: false, ..seen("old", "boot-1") }, vec!["keep old as KnownGood", "default old"]),
        // Chosen in the menu, with nothing on trial.
        (Seen { pinned: false, ..seen("new", "boot-1") }, vec![]),
        // The state cannot be seen: only a trial is not the default.
        (Seen { state_exists: false, ..seen("new", "boot-1") }, vec!["Reboot"]),
        // No default is told: a reboot might lead here again.
        (Seen { state_exists: false, another_is_default: false, ..seen("new", "boot-1") }, vec![]),
        (
            Seen { state_exists: false, pinned: false, ..seen("old", "boot-1") },
            vec!["keep old as KnownGood", "default old"],
        ),
    ];
    for (seen, expected) in cases {
        assert_eq!(words(&at_boot(None, &seen, &Answers::default())), expected, "{seen:?}");
    }
}

#[test]
fn the_datastore_goes_back_only_with_another_minor_and_is_left_cordoned() {
    let mut record = booted();
    record.to.parts.k3s = Some("1.36.2+k3s1".into());
    let steps = at_boot(Some(&record), &seen("old", "boot-3"), &Answers::default());
    let Some(Step::Save(fell)) = steps.last() else { panic!("{steps:?}") };
    let due = DataReturn { snapshot: "aaaa".into(), datastore_only: true, state: DataState::Due };
    assert_eq!(fell.data, Some(due));
    let there = seen("old", "boot-3");
    assert_eq!(words(&at_boot(Some(fell), &there, &Answers::default())), ["ReturnData"]);
    let back = Answers { data: Some(Ok(())), verdict: None };
    let steps = at_boot(Some(fell), &there, &back);
    assert_eq!(words(&steps), ["Cordon", "save fell back"]);
    let Some(Step::Save(done)) = steps.last() else { panic!("{steps:?}") };
    assert_eq!(at_boot(Some(done), &there, &back), []);
    assert_eq!(
        words(&by_hand(Some(done), &there, &Answers::default(), false)),
        ["Uncordon", "save fell back"]
    );
    // It never ran, or no snapshot was taken: the datastore stays.
    let staged = Record { state: State::Staged, ..record.clone() };
    let steps = at_boot(Some(&staged), &seen("old", "boot-3"), &Answers::default());
    assert!(matches!(steps.last(), Some(Step::Save(record)) if record.data.is_none()), "{steps:?}");
    let bare = Record { snapshot: None, ..record };
    let steps = at_boot(Some(&bare), &seen("old", "boot-3"), &Answers::default());
    assert!(reason(&steps).contains("no snapshot was taken"), "{}", reason(&steps));
}

#[test]
fn a_rollback_stays_whatever_the_verdict_and_brings_its_data() {
    let due = DataReturn { snapshot: "bbbb".into(), datastore_only: false, state: DataState::Due };
    let record = Record { kind: Kind::Rollback, data: Some(due), ..booted() };
    let there = seen("new", "boot-2");
    assert_eq!(words(&at_boot(Some(&record), &there, &Answers::default())), ["ReturnData"]);
    let answers = Answers { data: Some(Ok(())), verdict: Some(Err("one pod".into())) };
    let steps = at_boot(Some(&record), &there, &answers);
    assert_eq!(words(&steps), ["save booted"]);
    let Some(Step::Save(returned)) = steps.last() else { panic!("{steps:?}") };
    let steps = at_boot(Some(returned), &there, &answers);
    assert_eq!(words(&steps).last().map(String::as_str), Some("save confirmed"));
    assert!(!words(&steps).contains(&"Cordon".to_owned()), "{steps:?}");
    assert_eq!(reason(&steps), "one pod");
    // A return that failed is told, and pods wait for a person.
    let failed = Answers { data: Some(Err("no space".into())), verdict: Some(Ok(())) };
    let steps = at_boot(Some(&record), &there, &failed);
    let Some(Step::Save(returned)) = steps.last() else { panic!("{steps:?}") };
    let steps = at_boot(Some(returned), &there, &failed);
    assert_eq!(words(&steps)[4..], ["Cordon", "save confirmed"]);
}

#[test]
fn a_person_confirms_what_runs_and_may_insist() {
    let stranded = Record { state: State::Stranded, ..booted() };
    let there = seen("new", "boot-3");
    assert_eq!(words(&by_hand(Some(&stranded), &there, &Answers::default(), false)), ["Judge"]);
    assert_eq!(by_hand(Some(&stranded), &there, &verdict(Err("no node")), false), []);
    let steps = by_hand(Some(&stranded), &there, &verdict(Err("no node")), true);
    assert!(reason(&steps).contains("although: no node"), "{steps:?}");
    assert_eq!(by_hand(Some(&stranded), &seen("old", "boot-3"), &Answers::default(), true), []);
    assert_eq!(by_hand(None, &there, &Answers::default(), true), []);
}
