use std::os::unix::fs::symlink;

use super::*;

pub(crate) fn generation(name: &str, k3s: &str) -> Generation {
    Generation {
        system: format!("/nix/store/{name}").into(),
        number: Some(if name == "old" { 4 } else { 5 }),
        bundle: Some(format!("{name}-bundle")),
        parts: Parts { k3s: Some(k3s.into()), kernel: Some("6.18.49".into()), ..Parts::default() },
    }
}

fn system(root: &Path) -> PathBuf {
    let system = root.join("nix/store/aaaa-nixos-system-box");
    fs::create_dir_all(system.join("bin")).expect("a directory");
    fs::create_dir_all(system.join("etc/odin")).expect("a directory");
    fs::write(system.join("bin/switch-to-configuration"), "").expect("a file");
    system
}

#[test]
fn the_modules_file_tells_the_versions() {
    let root = tempfile::tempdir().expect("a directory");
    let system = system(root.path());
    fs::write(
        system.join(FILE),
        r#"{"nixos":"26.05.1","kernel":"6.18.49","driver":"595.71.05","systemd":"259.1","k3s":"1.35.6+k3s1"}"#,
    )
    .expect("a file");
    let read = Generation::read(&system, Some(7)).expect("a generation");
    assert_eq!(read.parts.driver.as_deref(), Some("595.71.05"));
    assert_eq!(read.k3s_minor(), Some("1.35"));
    assert_eq!(read.name(), "generation 7");
    fs::write(system.join(FILE), r#"{"kernle":"6.18.49"}"#).expect("a file");
    let error = Generation::read(&system, None).expect_err("a misspelt key");
    assert!(error.to_string().contains("generation.json"), "{error}");
}

#[test]
fn a_closure_without_the_file_is_read_by_its_links() {
    let root = tempfile::tempdir().expect("a directory");
    let system = system(root.path());
    let store = root.path().join("nix/store");
    for (target, link) in [
        ("bbbb-linux-6.18.49/bzImage", "kernel"),
        ("cccc-systemd-259.1", "systemd"),
        ("dddd-k3s-1.35.6+k3s1/bin/k3s", "sw/bin/k3s"),
    ] {
        let target = store.join(target);
        fs::create_dir_all(&target).expect("a directory");
        let link = system.join(link);
        fs::create_dir_all(link.parent().expect("a parent")).expect("a directory");
        symlink(target, link).expect("a link");
    }
    fs::write(system.join("nixos-version"), "26.05.20260903\n").expect("a file");
    let parts = Generation::read(&system, None).expect("a generation").parts;
    assert_eq!(parts.kernel.as_deref(), Some("6.18.49"));
    assert_eq!(parts.systemd.as_deref(), Some("259.1"));
    assert_eq!(parts.k3s.as_deref(), Some("1.35.6+k3s1"));
    assert_eq!(parts.nixos.as_deref(), Some("26.05.20260903"));
    assert_eq!(parts.driver, None);
}

#[test]
fn what_is_no_system_is_refused_by_name() {
    let root = tempfile::tempdir().expect("a directory");
    let error = Generation::read(root.path(), None).expect_err("no system");
    assert!(error.to_string().contains("switch-to-configuration"), "{error}");
    let error = Generation::read(&root.path().join("absent"), None).expect_err("nothing");
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn only_what_a_running_machine_cannot_take_needs_a_reboot() {
    let old = generation("old", "1.35.6+k3s1");
    let cases: [(Parts, &[(&str, bool)]); 4] = [
        (old.parts.clone(), &[]),
        (Parts { k3s: Some("1.35.8+k3s1".into()), ..old.parts.clone() }, &[("k3s", false)]),
        (Parts { k3s: Some("1.36.2+k3s1".into()), ..old.parts.clone() }, &[("k3s", true)]),
        (
            Parts { kernel: Some("6.18.53".into()), driver: Some("595".into()), ..old.parts.clone() },
            &[("kernel", true), ("driver", true)],
        ),
    ];
    for (parts, expected) in cases {
        let new = Generation { parts, ..old.clone() };
        let found: Vec<(String, bool)> =
            changes(&old, &new).into_iter().map(|change| (change.part, change.reboot.is_some())).collect();
        let found: Vec<(&str, bool)> = found.iter().map(|(part, reboot)| (part.as_str(), *reboot)).collect();
        assert_eq!(found, expected);
    }
}
