use super::*;

#[test]
fn containers_are_found_in_every_form_of_cgroup() {
    let id = "4f1d2c".repeat(10) + "abcd";
    let cases = [
        (format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope\n"), true),
        (format!("12:cpu:/kubepods/besteffort/pod0f/{id}\n0::/\n"), true),
        (format!("0::/system.slice/crio-{id}.scope\n"), true),
        (format!("0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{id}\n"), true),
        ("0::/user.slice/session-1.scope\n".to_owned(), false),
        (format!("0::/kubepods/{}\n", &id[1..]), false),
        (String::new(), false),
    ];
    for (cgroup, found) in cases {
        assert_eq!(container_of(&cgroup), found.then(|| id.clone()), "{cgroup}");
    }
}

#[test]
fn a_name_with_brackets_hides_no_start_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let fields: Vec<String> = (3..=30).map(|field| format!("{field}")).collect();
    std::fs::write(directory.path().join("stat"), format!("7 (a b) c)) {}\n", fields.join(" ")))
        .expect("a file");
    assert_eq!(start_of(directory.path()).as_deref(), Some("22"));
}
