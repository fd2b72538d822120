//! Repository, sources, rights, space, lock and unit.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;

use super::place::{Place, Tiny, check, end};

/// `nobody`, who owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn passwords_and_repositories_that_are_not_right() {
    let place = Place::backed_up();
    place.write("wrong", "battery staple\n");
    place.write("empty", "");
    place.write("binary", b"\xff\xfe\x00");
    place.write("open", "correct horse\n");
    for name in ["wrong", "empty", "binary"] {
        place.set_mode(name, 0o600);
    }
    place.write("foreign/holiday.jpg", "x");
    let kept = ["repository", "foreign", "data"];
    let before = place.look(&kept);
    let wrong = "wrong password for repository";
    let none = "is not a backup repository";
    for (repository, password, words) in [
        ("repository", "wrong", [wrong, "hint: use the password"]),
        ("repository", "empty", ["its first line is empty", "chmod 600"]),
        ("repository", "binary", ["not text in UTF-8", "chmod 600"]),
        ("repository", "open", ["its mode is 644", "chmod 600"]),
        ("repository", "absent", ["No such file", "chmod 600"]),
        ("foreign", "password", [none, "holiday.jpg"]),
        ("data/file", "password", [none, "not a directory"]),
    ] {
        for verb in [
            &["backup", "list"][..],
            &["backup", "now"],
            &["backup", "check"],
            &["backup", "drill"],
            &["restore", "plan", "latest"],
            &["restore", "apply", "latest", "--to", "elsewhere"],
        ] {
            let (repository, password) = (place.text(repository), place.text(password));
            let which = ["--repository", &repository, "--password-file", &password];
            place.refused(&[verb, &which[..]].concat(), 1, &words);
        }
    }
    let (absent, password) = (place.text("absent"), place.text("password"));
    place.refused(
        &["backup", "list", "--repository", &absent, "--password-file", &password],
        1,
        &[&absent, none],
    );
    assert_eq!(place.look(&kept), before);
    assert!(!place.path("absent").exists() && !place.path("elsewhere").exists());
}

#[test]
fn what_is_asked_for_and_is_not_there() {
    let place = Place::backed_up();
    let before = place.look(&["repository", "data"]);
    place.refused(&["backup", "show", "ffff"], 1, &["no snapshot ffff", "odin backup list"]);
    place.refused(&["restore", "apply", "latest", "--only", "nothing", "--to", "x"], 1, &["source nothing"]);
    place.refused(
        &["restore", "apply", "latest", "--to", "data"],
        1,
        &["not empty", "is empty or not there"],
    );
    place.refused(&["backup", "copy", "usb"], 64, &["\"usb\"", "[[backup.copies]]"]);
    place.refused(&["plan"], 1, &["out/bundle", "SHA256SUMS", "No such file"]);
    assert_eq!(place.look(&["repository", "data"]), before);
    fs::remove_dir_all(place.path("data")).unwrap();
    place.refused(&["backup", "now"], 1, &["declared-data", &place.text("data"), "does not exist"]);
    place.write("data", "a file where a directory is declared");
    place.refused(&["backup", "now"], 1, &["declared-data", "is a file, not a directory"]);
}

#[test]
fn what_the_host_declares_of_its_own_is_read_as_strictly() {
    let place = Place::new();
    let file = place.text("state/site.toml");
    let shown = place.text("odin.toml");
    for (text, word) in [
        (&b"[host]\nrolle = \"agent\"\n"[..], "rolle"),
        (b"[host]\nname = 5\n", "name"),
        (b"[apply]\nprune-limit = 1000\n", "apply"),
        (b"\xff\xfe\x00", "UTF-8"),
    ] {
        place.write("state/site.toml", text);
        for arguments in [&["config", "check", &shown][..], &["backup", "list"], &["plan"]] {
            place.refused(arguments, 64, &[&file, word]);
        }
    }
}

#[test]
fn without_rights_nothing_is_done() {
    let place = Place::backed_up();
    let nobody = |arguments: &[&str]| end(place.command(arguments).uid(NOBODY).gid(NOBODY));
    let before = place.look(&["repository", "data", "state"]);
    place.set_mode("state", 0o700);
    let root = "run odin as root";
    for arguments in [&["backup", "now"][..], &["apply"], &["restore", "apply", "latest"]] {
        check("nobody", &nobody(arguments), 64, &["state/site.toml", "Permission denied", root]);
    }
    place.set_mode("state", 0o755);
    for arguments in [&["backup", "now"][..], &["apply"], &["restore", "apply", "latest"]] {
        check("nobody", &nobody(arguments), 1, &["run", "Permission denied", root]);
    }
    check("list", &nobody(&["backup", "list"]), 1, &["password", "Permission denied", "hint: "]);
    place.set_mode("odin.toml", 0o600);
    check("declaration", &nobody(&["plan"]), 64, &["odin.toml", "Permission denied", root]);
    assert_eq!(place.look(&["repository", "data", "state"]), before);
}

/// Root reads everything, so this one is nobody, and all but one file is its.
#[test]
fn a_source_that_cannot_be_read_makes_no_snapshot() {
    let place = Place::new();
    place.write("data/secret", "root's alone");
    place.set_mode("data/secret", 0o600);
    for name in ["state", "run", "repository"] {
        fs::create_dir(place.path(name)).unwrap();
        std::os::unix::fs::chown(place.path(name), Some(NOBODY), None).unwrap();
    }
    std::os::unix::fs::chown(place.path("password"), Some(NOBODY), None).unwrap();
    let nobody = |arguments: &[&str]| end(place.command(arguments).uid(NOBODY).gid(NOBODY));
    let words =
        ["could not be read", &place.text("data/secret"), "Permission denied", "no snapshot was written"];
    check("backup", &nobody(&["backup", "now"]), 1, &words);
    assert!(nobody(&["backup", "list"]).printed.contains("no snapshots"));
    place.set_mode("data/secret", 0o644);
    let ended = nobody(&["backup", "now"]);
    assert_eq!(ended.status, Some(0), "{}", ended.told);
}

#[test]
fn a_full_disk_is_called_one_and_room_heals_it() {
    let place = Place::new();
    let noise: Vec<u8> = (0..500_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    place.write("data/noise", noise);
    place.done(&["backup", "now"]);
    let before = place.look(&["repository", "data"]);
    let small = Tiny::mount(&place.path("small"), "512k");
    let (repository, password) = (place.text("small/repository"), place.text("password"));
    let there = ["--repository", &repository, "--password-file", &password];
    let full = ["small", "hint: free "];
    place.refused(&[&["backup", "now"][..], &there].concat(), 1, &full);
    place.refused(&["restore", "apply", "latest", "--to", "small/restored"], 1, &full);
    let left = fs::read_dir(place.path("small/restored")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a part is left");
    let room = std::process::Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(place.path("small"))
        .status();
    assert!(room.unwrap().success());
    place.done(&[&["backup", "now"][..], &there].concat());
    place.done(&[&["backup", "check", "--read-data"][..], &there].concat());
    place.done(&["restore", "apply", "latest", "--to", "small/restored"]);
    assert_eq!(place.look(&["repository", "data"]), before);
    drop(small);
}

#[test]
fn a_full_state_directory_is_called_one_too() {
    let place = Place::new();
    let small = Tiny::mount(&place.path("state"), "16k");
    place.write("data/many", vec![b'x'; 100]);
    for number in 0..400 {
        place.write(&format!("data/{number}-with-a-name-that-fills-its-record"), number.to_string());
    }
    place.refused(&["backup", "now"], 1, &["state", "No space left", "hint: free space"]);
    drop(small);
    place.done(&["backup", "now"]);
    place.done(&["backup", "check", "--read-data"]);
}

#[test]
fn a_second_odin_is_told_who_is_first() {
    let place = Place::backed_up();
    let before = place.look(&["repository", "data"]);
    let lock = File::options().write(true).open(place.path("run/lock")).unwrap();
    lock.lock().unwrap();
    for arguments in [
        &["backup", "now"][..],
        &["backup", "check"],
        &["backup", "forget"],
        &["backup", "prune"],
        &["backup", "drill"],
        &["apply"],
        &["undo"],
        &["restore", "apply", "latest"],
        &["restore", "apply", "latest", "--to", "elsewhere"],
    ] {
        place.refused(arguments, 1, &["is at work: back up", "wait for it to end"]);
    }
    place.done(&["backup", "list"]);
    drop(lock);
    // Another program of the same repository, for example odin on another host.
    let lock = File::options().write(true).open(place.path("repository/odin.lock")).unwrap();
    lock.lock().unwrap();
    place.refused(&["backup", "now"], 1, &["is in use by process", "wait for the other"]);
    place.refused(&["backup", "prune"], 1, &["is in use by process", "wait for the other"]);
    drop(lock);
    assert_eq!(place.look(&["repository", "data"]), before);
    place.done(&["backup", "now"]);
}

#[test]
fn what_was_forgotten_is_freed_and_told_of_before() {
    let place = Place::new();
    place.declare("[backup.retention]\nlast = 1\ndaily = 0\nweekly = 0\nmonthly = 0\n");
    for day in 0_u8..3 {
        // No two chunks alike, and nothing to compress.
        let noise: Vec<u8> = (0..200_000_u32)
            .map(|at| at.wrapping_mul(2_654_435_761 + u32::from(day)).to_be_bytes()[1])
            .collect();
        place.write("data/noise", noise);
        place.done(&["backup", "now"]);
    }
    place.done(&["backup", "forget"]);
    let before = place.look(&["repository", "state/history"]);
    let planned = end(&mut place.command(&["backup", "prune", "--dry-run"]));
    assert_eq!(planned.status, Some(2), "{}", planned.told);
    assert!(planned.printed.contains("would be freed"), "{}", planned.printed);
    assert_eq!(place.look(&["repository", "state/history"]), before);
    let done = place.done(&["backup", "prune"]);
    assert!(done.contains(" freed; 1 snapshots"), "{done}");
    let bytes = |seen: &std::collections::BTreeMap<_, Vec<u8>>| seen.values().map(Vec::len).sum::<usize>();
    let after = place.look(&["repository"]);
    assert!(bytes(&after) + 10_000 < bytes(&before), "{done}");
    assert!(place.path("state/history/prune.json").exists());
    let again = place.done(&["backup", "prune", "--dry-run"]);
    assert!(again.starts_with("0 bytes of "), "{again}");
    place.done(&["backup", "check", "--read-data"]);
    place.done(&["restore", "apply", "latest", "--to", "restored"]);
    // A restic at work is named, and what to do about it.
    place.write(&format!("repository/locks/{}", "a".repeat(64)), "restic's");
    place.refused(&["backup", "prune"], 1, &["aaaa", "minutes ago", "restic unlock"]);
}

/// systemctl is in the place of systemd, which a machine of tests need not run.
#[test]
fn a_unit_that_is_not_there_is_named_before_anything_is_touched() {
    let place = Place::backed_up();
    place.write("data/file", "of the second day");
    let before = place.look(&["repository", "data"]);
    let calls = place.text("calls");
    place.program("systemctl", &format!("echo \"$*\" >> {calls}; echo not-found"));
    let words = ["no-such.service", "not-found", "k3s-unit"];
    place.refused(&["restore", "apply", "latest", "--local"], 1, &words);
    let asked = fs::read_to_string(place.path("calls")).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    place.program("systemctl", "echo 'no such bus' >&2; exit 1");
    place.refused(&["restore", "apply", "latest", "--local"], 1, &["no-such.service", "no such bus"]);
    assert_eq!(place.look(&["repository", "data"]), before);
    // No journal of a restore is left that would have to be ended first.
    place.done(&["backup", "now"]);
}
