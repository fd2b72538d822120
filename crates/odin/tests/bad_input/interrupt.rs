//! Ctrl-C and kills at any moment.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::bundle::{BUILD, sources};
use super::place::{Ended, Place, check};

const INTERRUPTED: i32 = 130;
/// Longest time an end may take; far beyond what it does.
const PATIENCE: Duration = Duration::from_secs(60);

fn send(signal: &str, child: &Child) {
    // One that ends meanwhile is not reaped yet, so its id is still its own.
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(mut child: Child, mut told: String) -> Ended {
    let began = Instant::now();
    let mut printed = String::new();
    child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut told)).transpose().unwrap();
    child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut printed)).transpose().unwrap();
    let status = child.wait().unwrap();
    assert!(began.elapsed() < PATIENCE, "it ended after {:?}", began.elapsed());
    Ended { status: status.code(), told, printed }
}

/// Sends a signal as soon as so many events were told.
fn at_event(place: &Place, arguments: &[&str], number: usize, signal: &str) -> Ended {
    let mut child = start(&mut place.command(&[&["--json"], arguments].concat()));
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    for _ in 0..=number {
        if reader.read_line(&mut told).unwrap() == 0 {
            break;
        }
    }
    send(signal, &child);
    reader.read_to_string(&mut told).unwrap();
    finish(child, told)
}

fn after(place: &Place, arguments: &[&str], delay: Duration, signal: &str) -> Ended {
    let mut child = start(&mut place.command(arguments));
    let began = Instant::now();
    while began.elapsed() < delay && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    if child.try_wait().unwrap().is_none() {
        send(signal, &child);
    }
    finish(child, String::new())
}

/// True where the signal came in time; then there is one error and one hint.
#[track_caller]
fn interrupted(ended: &Ended) -> bool {
    assert!(!ended.told.contains("panicked"), "{}", ended.told);
    match ended.status {
        Some(0) => false,
        Some(INTERRUPTED) => {
            let line = ended.told.lines().last().unwrap();
            let error: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(error["error"].as_str().unwrap().starts_with("interrupted"), "{line}");
            assert!(error["hint"].is_string(), "{line}");
            true
        }
        status => panic!("{status:?}: {}", ended.told),
    }
}

fn snapshots(place: &Place) -> usize {
    let listed: serde_json::Value = serde_json::from_str(&place.done(&["--json", "backup", "list"])).unwrap();
    listed.as_array().unwrap().len()
}

fn noise(seed: u32) -> Vec<u8> {
    (0..400_000_u32).flat_map(|n| (n ^ seed).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Sources with steps of their own, so that there are events to be hit at.
fn with_databases() -> Place {
    let place = Place::new();
    let mut more = String::new();
    for name in ["one", "two", "three"] {
        place.write(&format!("databases/{name}"), "");
        let path = place.text(&format!("databases/{name}"));
        more += &format!("[[backup.sources]]\nname = \"{name}\"\nkind = \"sqlite\"\npath = \"{path}\"\n");
    }
    place.declare(&more);
    place
}

fn assert_sound(place: &Place, acknowledged: usize) {
    assert!(snapshots(place) >= acknowledged, "an acknowledged snapshot is lost");
    place.done(&["backup", "now"]);
    place.done(&["backup", "check", "--read-data"]);
    place.done(&["backup", "drill"]);
    assert!(!place.path("state/scratch/staging").exists(), "staging is left");
    assert!(fs::read_dir(place.path("repository/odin-partial")).map_or(0, Iterator::count) == 0);
}

#[test]
fn a_backup_ends_at_its_next_step_whenever_it_is_told_to() {
    let place = with_databases();
    let (mut acknowledged, mut hits) = (0, 0);
    for number in 0..14_u32 {
        place.write("data/noise", noise(number));
        let signal = if number % 2 == 0 { "INT" } else { "TERM" };
        let ended = at_event(&place, &["backup", "now"], usize::try_from(number).unwrap(), signal);
        if interrupted(&ended) {
            hits += 1;
        } else {
            acknowledged += 1;
        }
    }
    assert!(hits > 0, "every signal came too late");
    assert_sound(&place, acknowledged);
}

#[test]
fn a_backup_that_is_told_to_end_or_killed_at_random_loses_nothing() {
    let place = with_databases();
    let began = Instant::now();
    place.done(&["backup", "now"]);
    let lasted = |began: Instant| u64::try_from(began.elapsed().as_millis()).unwrap().max(50);
    let mut whole = lasted(began);
    let mut state = 20_261_123_u64;
    let (mut acknowledged, mut hits) = (1, 0);
    for round in 0..24_u32 {
        place.write("data/noise", noise(round));
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_millis((state >> 33) % (whole * 3 / 2));
        let signal = ["INT", "TERM", "KILL"][usize::try_from(round % 3).unwrap()];
        let began = Instant::now();
        let ended = after(&place, &["--json", "backup", "now"], delay, signal);
        match ended.status {
            Some(0) => {
                acknowledged += 1;
                // The first took longer, or the machine was busy then.
                whole = whole.min(lasted(began));
            }
            Some(_) => hits += usize::from(interrupted(&ended)),
            // By the signal itself: KILL, or the others before they are heard.
            None => hits += 1,
        }
    }
    assert!(hits >= 4, "{hits} hits within {whole} ms");
    assert_sound(&place, acknowledged);
}

#[test]
fn what_only_reads_is_left_at_once_and_works_again() {
    let place = with_databases();
    place.write("data/noise", noise(1));
    place.done(&["backup", "now"]);
    let kept = ["repository", "data", "databases"];
    let before = place.look(&kept);
    let to = ["restore", "apply", "latest", "--to", "restored"];
    let mut hits = 0;
    for verb in [&["backup", "check", "--read-data"][..], &["backup", "drill"], &to] {
        for (number, signal) in [(0, "INT"), (1, "TERM")] {
            hits += usize::from(interrupted(&at_event(&place, verb, number, signal)));
            let _may_be_whole = fs::remove_dir_all(place.path("restored"));
        }
        at_event(&place, verb, 0, "KILL");
    }
    assert!(hits > 0);
    let _may_be_whole = fs::remove_dir_all(place.path("restored"));
    // As a killed one leaves it.
    place.write("restored/.odin-partial/declared-data/file", "half");
    place.done(&to);
    assert_eq!(fs::read(place.path("restored/declared-data/noise")).unwrap(), noise(1));
    assert!(!place.path("restored/.odin-partial").exists());
    assert_sound(&place, 1);
    assert!(before.keys().all(|path| path.exists()), "something is lost");
}

/// A helm that says it began and goes on when it may.
fn slow() -> Place {
    let place = sources();
    place.done(&BUILD);
    let (began, go) = (place.text("began"), place.text("go"));
    place.program("helm", &format!("touch {began}; until [ -e {go} ]; do sleep 0.01; done"));
    place.write("objects.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    place
}

fn build_until_helm(place: &Place) -> Child {
    let child = start(&mut place.command(&BUILD));
    let deadline = Instant::now() + PATIENCE;
    while !place.path("began").exists() {
        assert!(Instant::now() < deadline, "helm was not called");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn a_build_that_is_told_to_end_keeps_the_earlier_bundle_and_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let place = slow();
        let before = place.look(&["out"]);
        let mut child = build_until_helm(&place);
        send(signal, &child);
        // It says that it heard before helm goes on.
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        reader.read_line(&mut told).unwrap();
        assert!(told.contains("ending cleanly"), "{told}");
        place.write("go", "");
        reader.read_to_string(&mut told).unwrap();
        let ended = finish(child, told);
        check(signal, &ended, INTERRUPTED, &["manifests/overlays/lab", "previous bundle is untouched"]);
        assert_eq!(place.look(&["out"]), before);
        place.done(&BUILD);
        assert!(place.path("out/bundle/one/configmap-n-other.yaml").exists());
    }
}

#[test]
fn what_a_killed_build_left_goes_with_the_next() {
    let place = slow();
    let before = place.look(&["out/bundle"]);
    let child = build_until_helm(&place);
    send("KILL", &child);
    place.write("go", "");
    finish(child, String::new());
    assert_eq!(place.look(&["out/bundle"]), before);
    assert!(place.path("out/.bundle.new").exists());
    place.done(&BUILD);
    assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 1);
    assert!(place.path("out/bundle/one/configmap-n-other.yaml").exists());
}
