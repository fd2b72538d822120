use super::*;

fn directory(name: &str, path: &str) -> Source {
    Source {
        name: name.into(),
        required: true,
        kind: Kind::Directory { path: path.into(), excludes: Vec::new() },
    }
}

fn only_directories(_: &Path) -> Result<Presence> {
    Ok(Presence::Directory)
}

#[test]
fn bad_declarations_are_refused_naming_the_source() {
    for (source, part) in [
        (directory("", "/etc"), "a name has"),
        (directory("Upper", "/etc"), "a name has"),
        (directory("a/b", "/etc"), "a name has"),
        (directory("..", "/etc"), "a name has"),
        (directory("rel", "etc"), "not absolute"),
        (
            Source { required: true, name: "f".into(), kind: Kind::File { path: "/etc".into() } },
            "directory, not a file",
        ),
        (Source { required: true, name: "r".into(), kind: Kind::File { path: "/".into() } }, "names no file"),
        (
            Source {
                required: true,
                name: "x".into(),
                kind: Kind::Directory { path: "/etc".into(), excludes: vec!["../x".into()] },
            },
            "exclude",
        ),
    ] {
        let error = plan(std::slice::from_ref(&source), only_directories).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(&source.name), "{error}");
    }
    let error = plan(&[directory("a", "/x"), directory("a", "/y")], only_directories).unwrap_err();
    assert!(error.to_string().contains("twice"));
}

#[test]
fn absent_sources_are_recorded_or_refused() {
    let absent = |_: &Path| Ok(Presence::Absent);
    let required = directory("tls", "/var/lib/rancher/k3s/server/tls");
    let error = plan(std::slice::from_ref(&required), absent).unwrap_err();
    assert!(error.to_string().contains("/var/lib/rancher/k3s/server/tls"), "{error}");
    assert!(error.hint().unwrap().contains("optional"));
    let optional = Source { required: false, ..required };
    let plan = plan(&[optional], absent).unwrap();
    assert!(!plan.sources[0].present);
}

#[test]
fn a_plan_is_sorted_by_name() {
    let plan = plan(&[directory("b", "/b"), directory("a", "/a")], only_directories).unwrap();
    let names: Vec<_> = plan.sources.iter().map(|planned| planned.source.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn an_etcd_command_must_know_where_to_write_and_must_write() {
    let scratch = tempfile::tempdir().unwrap();
    let into = scratch.path().join("snapshot");
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (command, part) in [
        (vec![], "empty"),
        (words("true"), "holds {}"),
        (words("true {}"), "wrote no snapshot"),
        (words("/nonexistent/etcdctl {}"), "No such file"),
        (words("ls /nonexistent-{}"), "exit status"),
    ] {
        let error = etcd::snapshot("etcd", &command, &into).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    etcd::snapshot("etcd", &words("cp /etc/hostname {}"), &into).unwrap();
    assert!(into.exists());
}

#[test]
fn volumes_are_let_go_on_whatever_happens() {
    struct Recorder(std::sync::Mutex<Vec<String>>);
    impl Hooks for Recorder {
        fn run(&self, volume: &VolumeOf<'_>, command: &[String]) -> std::result::Result<(), String> {
            self.0.lock().unwrap().push(format!("{} {}", volume.claim, command.join(" ")));
            if volume.claim == "bad" && command[0] == "freeze" { Err("no such pod".into()) } else { Ok(()) }
        }
    }
    let volume = |claim: &str| Source {
        name: claim.into(),
        required: true,
        kind: Kind::Volume {
            path: "/".into(),
            namespace: "n".into(),
            claim: claim.into(),
            before: Some(vec!["freeze".into()]),
            after: Some(vec!["thaw".into()]),
        },
    };
    let hooks = Recorder(std::sync::Mutex::new(Vec::new()));
    let plan = plan(&[volume("a"), volume("bad"), volume("c")], only_directories).unwrap();
    let observer = odin_model::event::Silent;
    let failed = prepare(&plan, Path::new("/nonexistent"), &hooks, &crate::steps::Unhindered, &observer);
    assert!(failed.is_err());
    drop(failed);
    assert_eq!(*hooks.0.lock().unwrap(), ["a freeze", "bad freeze", "a thaw"]);
}
