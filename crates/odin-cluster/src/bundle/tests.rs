#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

const HEADER: &str = "format = 1\noverlay = \"test\"\n[[component]]\nname = \"one\"\nnamespace = \"default-here\"\ntimeout = \"2m\"\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map\ndata:\n  key: value\n";

/// Writes files with right sums.
fn write(dir: &Path, files: &[(&str, &[u8])]) {
    let mut sums = BTreeMap::new();
    for (path, bytes) in files {
        let full = dir.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, bytes).unwrap();
        sums.insert((*path).to_owned(), bytes.to_vec());
    }
    fs::write(dir.join("SHA256SUMS"), sums::render(&sums)).unwrap();
}

fn good(dir: &Path) {
    write(dir, &[("bundle.toml", HEADER.as_bytes()), ("one/map.yaml", MAP.as_bytes())]);
}

/// File and reason of the refusal.
fn refused(dir: &Path) -> (String, String) {
    match Bundle::open(dir) {
        Err(Error::Bundle { file, reason, .. }) => (file, reason),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_good_bundle_opens_and_says_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    let bundle = Bundle::open(dir.path()).unwrap();
    let object = &bundle.objects()[0];
    // The object names no namespace: that of its component is meant.
    assert_eq!(object.key.to_string(), "ConfigMap default-here/map");
    assert_eq!(bundle.digest().len(), 64);
    let shown = bundle.show().to_string();
    assert!(shown.contains("wave 0   one (gate 120 s): 1 ConfigMap"), "{shown}");
}

#[test]
fn what_was_changed_after_the_build_is_refused_by_name() {
    type Damage = fn(&Path);
    let table: [(&str, Damage, &str, &str); 10] = [
        (
            "tampered",
            |dir| fs::write(dir.join("one/map.yaml"), MAP.replace("value", "other")).unwrap(),
            "one/map.yaml",
            "checksum",
        ),
        (
            "truncated",
            |dir| fs::write(dir.join("one/map.yaml"), &MAP[..20]).unwrap(),
            "one/map.yaml",
            "checksum",
        ),
        ("emptied", |dir| fs::write(dir.join("one/map.yaml"), "").unwrap(), "one/map.yaml", "it is empty"),
        ("missing", |dir| fs::remove_file(dir.join("one/map.yaml")).unwrap(), "one/map.yaml", "missing"),
        ("extra", |dir| fs::write(dir.join("one/extra.yaml"), MAP).unwrap(), "one/extra.yaml", "not listed"),
        ("no sums", |dir| fs::remove_file(dir.join("SHA256SUMS")).unwrap(), "SHA256SUMS", "No such file"),
        (
            "cut sums",
            |dir| {
                let text = fs::read_to_string(dir.join("SHA256SUMS")).unwrap();
                fs::write(dir.join("SHA256SUMS"), &text[..text.len() - 5]).unwrap();
            },
            "SHA256SUMS",
            "truncated",
        ),
        (
            "sums as binary",
            |dir| fs::write(dir.join("SHA256SUMS"), [0xff, 0xfe]).unwrap(),
            "SHA256SUMS",
            "not text",
        ),
        (
            "outside",
            |dir| fs::write(dir.join("SHA256SUMS"), format!("{}  ../map.yaml\n", "0".repeat(64))).unwrap(),
            "SHA256SUMS",
            "not a file inside",
        ),
        (
            "link",
            |dir| std::os::unix::fs::symlink("map.yaml", dir.join("one/link.yaml")).unwrap(),
            "one/link.yaml",
            "symbolic link",
        ),
    ];
    for (name, damage, file, reason) in table {
        let dir = tempfile::tempdir().unwrap();
        good(dir.path());
        damage(dir.path());
        let found = refused(dir.path());
        assert_eq!(found.0, file, "{name}: {}", found.1);
        assert!(found.1.contains(reason), "{name}: {}", found.1);
        assert!(!lint(dir.path()).is_empty(), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refused(&dir.path().join("nowhere")).0, "SHA256SUMS");
}

#[test]
fn files_that_hold_no_good_object_are_refused_by_name() {
    let list = "apiVersion: v1\nkind: List\nitems: []\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {key: dmFsdWU=}\n";
    let huge = vec![b'#'; usize::try_from(FILE_LIMIT).unwrap() + 1];
    let table: [(&[u8], &str); 11] = [
        (b"\xff\xfe\x00", "not text"),
        (b"key: \x00", "zero"),
        (b"   \n", "it is empty"),
        (b"# only a comment\n", "no object"),
        (b"- a\n- b\n", "a list where an object belongs"),
        (b"a: [1\n", "one/bad.yaml"),
        (b"kind: ConfigMap\nmetadata: {name: a}\n", "no apiVersion"),
        (b"apiVersion: v1\nkind: ConfigMap\n", "no metadata.name"),
        (list.as_bytes(), "one object a document"),
        (secret.as_bytes(), "[[secrets]]"),
        (&huge, "more than"),
    ];
    for (bytes, reason) in table {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("bundle.toml", HEADER.as_bytes()), ("one/bad.yaml", bytes)]);
        let error = Bundle::open(dir.path()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("one/bad.yaml") && said.contains(reason), "{reason}: {said}");
        assert!(!said.contains('\n'), "one line: {said}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn two_objects_of_one_name_are_both_named() {
    let dir = tempfile::tempdir().unwrap();
    let twice = format!("{MAP}---\n{}", MAP.replace("name: map", "name: other"));
    let other = MAP.replace("name: map", "name: other\n  namespace: default-here");
    write(
        dir.path(),
        &[
            ("bundle.toml", HEADER.as_bytes()),
            ("one/a.yaml", twice.as_bytes()),
            ("one/b.yaml", other.as_bytes()),
        ],
    );
    let (file, reason) = refused(dir.path());
    assert_eq!(file, "one/b.yaml");
    assert_eq!(reason, "ConfigMap default-here/other is declared twice, also in one/a.yaml");
}

#[test]
fn a_header_that_is_wrong_says_where() {
    let component =
        |name: &str, rest: &str| format!("[[component]]\nname = \"{name}\"\nnamespace = \"n\"\n{rest}\n");
    let timed = "timeout = \"10s\"";
    let after = |name: &str, after: &str| component(name, &format!("{timed}\nafter = [\"{after}\"]"));
    let table = [
        (component("a", "timeout = \"10s\"\ncolour = \"red\""), "colour"),
        (component("a", ""), "timeout"),
        (component("a", "timeout = 10"), "expected a string"),
        (component("a", "timeout = \"soon\""), "component a: timeout \"soon\" is not a duration"),
        (component("a", "timeout = \"0s\""), "not between"),
        (component("A b", timed), "component name"),
        (component("a", timed) + &component("a", timed), "component a is declared twice"),
        (after("a", "ghost"), "component a comes after ghost, which is no component"),
        (
            after("a", "b") + &after("b", "c") + &after("c", "a"),
            "components wait for each other: a -> b -> c -> a",
        ),
        (after("a", "a"), "a -> a"),
        (String::from("format = 2\n"), "format"),
    ];
    for (text, reason) in table {
        let dir = tempfile::tempdir().unwrap();
        let header = if text.starts_with("format") {
            format!("{text}overlay = \"t\"\n")
        } else {
            format!("format = 1\noverlay = \"t\"\n{text}")
        };
        write(dir.path(), &[("bundle.toml", header.as_bytes())]);
        let (file, said) = refused(dir.path());
        assert_eq!(file, "bundle.toml");
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

#[test]
fn waves_follow_after_and_names() {
    let entry = |name: &str, after: &[&str]| manifest::Entry {
        name: name.to_owned(),
        namespace: "n".to_owned(),
        after: after.iter().map(|name| (*name).to_owned()).collect(),
        timeout: "90s".to_owned(),
        gate: true,
    };
    let entries =
        vec![entry("web", &["db", "base"]), entry("db", &["base"]), entry("side", &[]), entry("base", &[])];
    let waves: Vec<(usize, String)> = order::arrange(entries)
        .unwrap()
        .into_iter()
        .map(|component| (component.wave, component.name))
        .collect();
    let named: Vec<(usize, &str)> = waves.iter().map(|(wave, name)| (*wave, name.as_str())).collect();
    assert_eq!(named, [(0, "base"), (0, "side"), (1, "db"), (2, "web")]);
}

#[test]
fn durations_are_read_like_people_write_them() {
    let table = [
        ("30s", Some(30)),
        ("5m", Some(300)),
        ("1h30m", Some(5400)),
        ("", None),
        ("5", None),
        ("-5s", None),
        ("5d", None),
        ("99999999999999999999h", None),
    ];
    for (text, seconds) in table {
        assert_eq!(manifest::duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
    }
}

#[test]
fn lint_finds_what_applies_and_should_be_better() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pod\n  annotations: {odin.local/helth: Ready, odin.local/health: nonsense}\nspec:\n  containers:\n  - {name: main, image: example/app:latest, imagePullPolicy: Always}\n";
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("bundle.toml", HEADER.as_bytes()), ("one/pod.yaml", pod.as_bytes())]);
    let found: Vec<String> = lint(dir.path()).iter().map(ToString::to_string).collect();
    for wanted in [
        "no fixed tag",
        "imagePullPolicy Always",
        "requests no resources",
        "odin.local/helth",
        "CONDITION=STATUS",
        "namespace default-here",
        "part-of=odin",
    ] {
        assert!(found.iter().any(|line| line.contains(wanted)), "{wanted}: {found:#?}");
    }
    good(dir.path());
    fs::remove_file(dir.path().join("one/pod.yaml")).unwrap();
    assert_eq!(lint(dir.path()).iter().filter(|finding| finding.severity == Severity::Error).count(), 0);
}

mod building {

    use super::*;

    /// A helm that prints a chart's `objects.yaml`, a kubectl that prints what
    /// the base rendered: what `build` itself does is under test, not they.
    fn sources(dir: &Path) -> BuildOptions {
        let script = |name: &str, text: &str| {
            let path = dir.join(name);
            // Written by a child: what another test forks meanwhile would hold it
            // open, and what is open for writing cannot be run.
            let write = r#"printf '#!/bin/sh\nset -e\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
            let made = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(text).status();
            assert!(made.unwrap().success());
            path
        };
        let helm = script("helm", "cat \"$3/objects.yaml\"; echo \"# $*\"");
        let kubectl = script("kubectl", "cat \"$2/../../../base/one/rendered.yaml\"");
        let root = dir.join("manifests");
        for path in ["charts/one", "base/one", "overlays/lab/one", "overlays/lab/values"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(
            root.join("charts/one/objects.yaml"),
            format!("{MAP}---\n{}", MAP.replace("name: map", "name: \"a:b\"")),
        )
        .unwrap();
        let header = "format = 1\n[[component]]\nname = \"one\"\nchart = \"charts/one\"\nnamespace = \"n\"\ntimeout = \"1m\"\n[[component]]\nname = \"elsewhere\"\nchart = \"charts/none\"\nnamespace = \"n\"\ntimeout = \"1m\"\noverlays = [\"prod\"]\n";
        fs::write(root.join("bundle.toml"), header).unwrap();
        BuildOptions {
            overlay: root.join("overlays/lab"),
            with: Vec::new(),
            out: dir.join("out/bundle"),
            helm,
            kubectl,
        }
    }

    #[test]
    fn a_bundle_is_built_again_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let options = sources(dir.path());
        let first = build(&options).unwrap();
        assert_eq!((first.overlay(), first.components().len(), first.objects().len()), ("lab", 1, 2));
        assert!(options.out.join("one/configmap-n-a_b.yaml").is_file());
        let second = build(&BuildOptions { out: dir.path().join("other"), ..options.clone() }).unwrap();
        assert_eq!(first.digest(), second.digest());
        // It replaces an earlier bundle and leaves nothing beside it.
        build(&options).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    }

    #[test]
    fn an_optional_component_is_there_when_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let options = sources(dir.path());
        let path = dir.path().join("manifests/bundle.toml");
        let declared = fs::read_to_string(&path).unwrap();
        fs::write(&path, declared.replacen("timeout", "optional = true\ntimeout", 1)).unwrap();
        assert_eq!(build(&options).unwrap().components().len(), 0);
        let with = |name: &str| BuildOptions { with: vec![name.to_owned()], ..options.clone() };
        assert_eq!(build(&with("one")).unwrap().components().len(), 1);
        for unknown in ["two", "elsewhere"] {
            let said = build(&with(unknown)).unwrap_err().to_string();
            let wanted = format!("{unknown} is no optional component of this overlay (those are: one)");
            assert!(said.contains(&wanted), "{said}");
        }
        let other = "[[component]]\nname = \"other\"\nchart = \"c\"\nnamespace = \"n\"\nafter = [\"one\"]\ntimeout = \"1m\"\n";
        fs::write(&path, fs::read_to_string(&path).unwrap() + other).unwrap();
        let said = build(&options).unwrap_err().to_string();
        assert!(said.contains("other comes after one, which is optional: --with one"), "{said}");
    }

    #[test]
    fn what_fails_is_named_and_the_earlier_bundle_stays() {
        let dir = tempfile::tempdir().unwrap();
        let options = sources(dir.path());
        let first = build(&options).unwrap();
        let broken = BuildOptions { helm: dir.path().join("no-helm"), ..options.clone() };
        let said = build(&broken).unwrap_err().to_string();
        assert!(said.contains("helm template of component one: cannot run"), "{said}");
        fs::write(&options.kubectl, "#!/bin/sh\necho 'no such patch' >&2; exit 3\n").unwrap();
        let said = build(&options).unwrap_err().to_string();
        assert!(
            said.contains("kubectl kustomize of overlays/lab/one failed") && said.contains("no such patch"),
            "{said}"
        );
        fs::write(
            &options.kubectl,
            "#!/bin/sh\necho 'apiVersion: v1'; echo 'kind: List'; echo 'metadata: {name: a}'\n",
        )
        .unwrap();
        assert!(build(&options).unwrap_err().to_string().contains("one object a document"));
        assert_eq!(Bundle::open(&options.out).unwrap().digest(), first.digest());
    }

    #[test]
    fn a_directory_that_is_no_bundle_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let options = sources(dir.path());
        fs::create_dir_all(&options.out).unwrap();
        fs::write(options.out.join("letter.txt"), "dear").unwrap();
        let said = build(&options).unwrap_err().to_string();
        assert!(said.contains("is not a bundle, so it is not replaced"), "{said}");
        assert!(options.out.join("letter.txt").is_file());
    }
}
