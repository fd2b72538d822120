use super::*;

fn facts(pairs: &[(&str, f64)]) -> Facts {
    Facts(pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
}

fn gpu(uuid: &str, facts: Facts) -> Gpu {
    let identity = Identity {
        uuid: uuid.to_owned(),
        serial: format!("S-{uuid}"),
        name: "NVIDIA H100".to_owned(),
        ..Identity::default()
    };
    Gpu {
        index: 0,
        identity: Some(identity),
        state: State::Running,
        facts: Some(facts),
        mig: false,
        verdict: Verdict::Healthy,
        findings: Vec::new(),
    }
}

fn health(gpus: Vec<Gpu>) -> Health {
    Health {
        library: "open".to_owned(),
        unavailable: None,
        driver: "595.91".to_owned(),
        baseline: None,
        gpus,
        findings: Vec::new(),
    }
}

const WELL: &[(&str, f64)] =
    &[("pcie-width", 16.0), ("ecc-uncorrected", 2.0), ("ecc-corrected", 5.0), ("memory-bytes", 85e9)];

fn well() -> Baseline {
    let health = health(vec![gpu("GPU-a", facts(WELL)), gpu("GPU-b", facts(WELL))]);
    Baseline::of(&health, Timestamp::UNIX_EPOCH).expect("everything is read")
}

/// Names of what is found on the first GPU, and on all of them.
fn found(gpus: Vec<Gpu>) -> (Vec<String>, Vec<String>) {
    let mut gpus = gpus;
    let all = compare(&Ok(Some(well())), &mut gpus);
    let names = |found: &[Finding]| found.iter().map(|finding| finding.name.clone()).collect();
    (names(&gpus[0].findings), names(&all))
}

#[test]
fn each_change_for_the_worse_is_found_and_no_other() {
    let with = |name: &str, value: f64| {
        let mut facts = facts(WELL);
        facts.0.insert(name.to_owned(), value);
        facts
    };
    let without = |name: &str| {
        let mut facts = facts(WELL);
        facts.0.remove(name);
        facts
    };
    let cases = [
        (facts(WELL), None),
        (with("pcie-width", 8.0), Some("baseline_pcie_width")),
        (with("pcie-width", 32.0), None),
        (without("pcie-width"), Some("baseline_pcie_width")),
        (with("ecc-uncorrected", 3.0), Some("baseline_ecc_uncorrected")),
        (with("ecc-uncorrected", 0.0), None),
        (without("ecc-uncorrected"), None),
        (with("ecc-corrected", 500.0), None),
        (with("memory-bytes", 80e9), Some("baseline_memory_bytes")),
        // A fact that older baselines do not have.
        (with("nvlinks-active", 18.0), None),
    ];
    for (now, expected) in cases {
        let (of_gpu, of_all) = found(vec![gpu("GPU-a", now.clone()), gpu("GPU-b", facts(WELL))]);
        assert_eq!(of_gpu, expected.into_iter().collect::<Vec<_>>(), "{now:?}");
        assert!(of_all.is_empty(), "{of_all:?}");
    }
}

#[test]
fn who_is_missing_and_who_is_new_is_told() {
    let one = || gpu("GPU-a", facts(WELL));
    assert_eq!(found(vec![one()]).1, ["gpu_missing"]);
    assert_eq!(found(vec![one(), gpu("GPU-c", facts(WELL))]).1, ["gpu_missing", "not_recorded"]);
    assert_eq!(found(vec![one(), gpu("GPU-b", facts(WELL)), gpu("GPU-c", facts(WELL))]).1, ["not_recorded"]);
    // A GPU that hangs is here.
    let hung = Gpu { state: State::Hung, facts: None, ..gpu("GPU-b", Facts::default()) };
    assert_eq!(found(vec![one(), hung]).1, [""; 0]);
    // One that has not told who it is may be the one.
    let starting = Gpu { state: State::Starting, identity: None, facts: None, ..one() };
    assert_eq!(found(vec![one(), starting]).1, [""; 0]);
}

#[test]
fn without_a_baseline_it_is_said_and_with_a_damaged_one_nothing_is_well() {
    let verdict = |known: &Known| compare(known, &mut [])[0].verdict;
    assert_eq!(verdict(&Ok(None)), Verdict::Healthy);
    assert_eq!(verdict(&Err("damaged".to_owned())), Verdict::Unknown);
}

#[test]
fn another_serial_is_told() {
    let mut other = gpu("GPU-a", facts(WELL));
    other.identity.as_mut().expect("an identity").serial = "another".to_owned();
    assert_eq!(found(vec![other, gpu("GPU-b", facts(WELL))]).0, ["serial_changed"]);
}

#[test]
fn nothing_is_recorded_of_gpus_that_cannot_be_read() {
    let unread = Gpu { facts: None, ..gpu("GPU-a", Facts::default()) };
    assert_eq!(Baseline::of(&health(vec![unread]), Timestamp::UNIX_EPOCH), None);
    assert_eq!(Baseline::of(&health(Vec::new()), Timestamp::UNIX_EPOCH), None);
}

#[test]
fn a_baseline_survives_its_file() {
    let text = serde_json::to_string(&well()).expect("JSON");
    assert_eq!(serde_json::from_str::<Baseline>(&text).expect("a baseline"), well());
}

#[test]
fn one_more_baseline_finds_what_the_recorded_one_does_not() {
    let names = |health: &Health| -> Vec<(Option<String>, String)> {
        let owned = |(uuid, found): (Option<&str>, &Finding)| (uuid.map(str::to_owned), found.name.clone());
        health.complaints().map(owned).collect()
    };
    let on_a = |name: &str| (Some("GPU-a".to_owned()), name.to_owned());
    let slow = facts(&[("pcie-width", 8.0), ("ecc-uncorrected", 2.0), ("memory-bytes", 85e9)]);
    let now = health(vec![gpu("GPU-a", slow), gpu("GPU-b", facts(WELL))]);
    assert!(names(&now).is_empty());
    let measured = now.also_against(&well());
    assert_eq!(names(&measured), [on_a("baseline_pcie_width")]);
    assert_eq!(measured.gpus[0].verdict, Verdict::Degraded);
    assert_eq!(names(&measured.clone().also_against(&well())), [on_a("baseline_pcie_width")]);
    let alone = health(vec![gpu("GPU-a", facts(WELL))]).also_against(&well());
    assert_eq!(names(&alone), [(None, "gpu_missing".to_owned())]);
    let unavailable = Health {
        unavailable: Some(finding("missing", Verdict::Unknown, String::new(), "")),
        ..health(Vec::new())
    };
    assert_eq!(names(&unavailable.also_against(&well())), [(None, "missing".to_owned())]);
}
