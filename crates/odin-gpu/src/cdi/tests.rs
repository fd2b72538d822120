use super::*;

const UUID: &str = "GPU-6a1b0c4d-0000-4000-8000-000000000001";

fn specification(kind: &str, devices: &[(&str, &str)]) -> String {
    let devices: Vec<String> = devices
        .iter()
        .map(|(name, node)| {
            format!(r#"{{"name":"{name}","containerEdits":{{"deviceNodes":[{{"path":"{node}"}}]}}}}"#)
        })
        .collect();
    format!(r#"{{"cdiVersion":"0.6.0","kind":"{kind}","devices":[{}]}}"#, devices.join(","))
}

fn of(files: &[(usize, &str, &str)]) -> Specifications {
    let mut all = Specifications::default();
    for (priority, file, text) in files {
        all.add(*priority, Path::new(file), text);
    }
    all
}

fn gpu(minor: Option<u32>) -> Wanted<'static> {
    Wanted { uuid: UUID, gpu_index: 2, mig_index: None, minor }
}

#[test]
fn a_device_is_found_under_each_name_nvidia_ctk_writes() {
    let mig = Wanted { mig_index: Some(1), ..gpu(Some(2)) };
    for (wanted, name) in
        [(gpu(Some(2)), UUID), (gpu(Some(2)), "2"), (gpu(Some(2)), "gpu2"), (mig, "2:1"), (mig, "mig2:1")]
    {
        let all = of(&[(0, "a.json", &specification(GPU_KIND, &[(name, "/dev/nvidia2")]))]);
        assert_eq!(all.name_of(GPU_KIND, wanted), Ok(format!("nvidia.com/gpu={name}")));
    }
}

#[test]
fn a_uuid_wins_over_an_index() {
    let all =
        of(&[(0, "a.json", &specification(GPU_KIND, &[("2", "/dev/nvidia7"), (UUID, "/dev/nvidia2")]))]);
    assert_eq!(all.name_of(GPU_KIND, gpu(Some(2))), Ok(format!("nvidia.com/gpu={UUID}")));
}

#[test]
fn an_index_that_moved_is_not_used() {
    let all = of(&[(0, "a.json", &specification(GPU_KIND, &[("2", "/dev/nvidia3")]))]);
    assert!(matches!(
        all.name_of(GPU_KIND, gpu(Some(2))),
        Err(Unresolved::Stale { expected: 2, found: 3, .. })
    ));
    // Without a node in the specification, or a number from NVML, nothing contradicts.
    assert!(all.name_of(GPU_KIND, gpu(None)).is_ok());
    let none = of(&[(0, "a.json", &specification(GPU_KIND, &[("2", "/dev/nvidiactl")]))]);
    assert!(none.name_of(GPU_KIND, gpu(Some(2))).is_ok());
}

#[test]
fn a_later_directory_wins_and_equals_conflict() {
    let old = specification(GPU_KIND, &[("2", "/dev/nvidia9")]);
    let new = specification(GPU_KIND, &[("2", "/dev/nvidia2")]);
    for files in
        [[(0, "etc.json", &*old), (1, "run.json", &*new)], [(1, "run.json", &*new), (0, "etc.json", &*old)]]
    {
        assert!(of(&files).name_of(GPU_KIND, gpu(Some(2))).is_ok());
    }
    let both = of(&[(1, "a.json", &new), (1, "b.json", &new)]);
    let error = both.name_of(GPU_KIND, gpu(Some(2))).expect_err("a conflict");
    assert!(error.to_string().contains("a.json and by b.json"), "{error}");
}

#[test]
fn what_is_absent_says_what_was_looked_for() {
    let error = of(&[]).name_of(GPU_KIND, gpu(None)).expect_err("nothing there");
    assert_eq!(
        error.to_string(),
        format!(
            "no CDI specification names {UUID}: looked for nvidia.com/gpu={UUID}, nvidia.com/gpu=2, nvidia.com/gpu=gpu2"
        )
    );
}

#[test]
fn yaml_is_read_as_json_is() {
    let text = "cdiVersion: \"0.7.0\"\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n- name: all\ncontainerEdits:\n  env: [NVIDIA_VISIBLE_DEVICES=void]\n";
    let all = of(&[(0, "nvidia.yaml", text)]);
    assert_eq!(all.problems(), []);
    assert_eq!(all.count(GPU_KIND), 2);
    assert!(all.name_of(GPU_KIND, Wanted { gpu_index: 0, minor: Some(0), ..gpu(None) }).is_ok());
}

#[test]
fn a_bad_file_is_named_and_the_others_count() {
    let rows = [
        ("not json", "expected"),
        ("{}", "cdiVersion"),
        (r#"{"cdiVersion":"x","kind":"a/b","devices":[{"name":"0"}]}"#, "not a version"),
        (r#"{"cdiVersion":"0.6.0","kind":"gpu","devices":[{"name":"0"}]}"#, "vendor/class"),
        (r#"{"cdiVersion":"0.6.0","kind":"a.b/","devices":[{"name":"0"}]}"#, "vendor/class"),
        (r#"{"cdiVersion":"0.6.0","kind":"a.b/c","devices":[]}"#, "no devices"),
        (r#"{"cdiVersion":"0.6.0","kind":"a.b/c","devices":[{"name":"0 "}]}"#, "not the name"),
        (r#"{"cdiVersion":"0.6.0","kind":"a.b/c","devices":[{"name":"0"},{"name":"0"}]}"#, "twice"),
        (r#"{"cdiVersion":"0.6.0","kind":"a.b/c","devices":{"name":"0"}}"#, "sequence"),
    ];
    let good = specification(GPU_KIND, &[("2", "/dev/nvidia2")]);
    for (text, reason) in rows {
        let all = of(&[(0, "bad.json", text), (0, "good.json", &good)]);
        let problem = all.problems().first().expect("a problem");
        assert_eq!(problem.file, Path::new("bad.json"));
        assert!(problem.reason.contains(reason), "{text}: {}", problem.reason);
        assert!(all.name_of(GPU_KIND, gpu(Some(2))).is_ok());
    }
}

#[test]
fn directories_are_read_and_a_missing_one_is_empty() {
    let root = tempfile::tempdir().expect("a directory");
    let etc = root.path().join("etc");
    fs::create_dir_all(etc.join("nested.json")).expect("a directory");
    fs::write(etc.join("nvidia.json"), specification(GPU_KIND, &[("2", "/dev/nvidia2")])).expect("a file");
    fs::write(etc.join("notes.txt"), "not a specification").expect("a file");
    fs::write(etc.join("bytes.yaml"), [0xff, 0xfe]).expect("a file");
    let large = fs::File::create(etc.join("large.json")).expect("a file");
    large.set_len(MAXIMUM_BYTES + 1).expect("a sparse file");
    let all = Specifications::read(&[etc, root.path().join("run")]);
    assert_eq!(all.count(GPU_KIND), 1);
    assert_eq!(all.problems().len(), 2, "{:?}", all.problems());
    let file = Specifications::read(&[root.path().join("etc/nvidia.json")]);
    assert_eq!(file.problems().len(), 1, "a file is not a directory");
}
