//! Planning, by table: the geometry is that of an H100 (80 GB).

use std::collections::BTreeMap;

use super::*;

fn kind(name: &str, id: u32, slices: u32, most: u32, places: &[u32], size: u32) -> Kind {
    let memory_mib = u64::from(size) * 10_112;
    Kind { name: name.to_owned(), id, slices, most, memory_mib, places: places.to_vec(), size }
}

fn kinds() -> Vec<Kind> {
    vec![
        kind("1g.10gb", 19, 1, 7, &[0, 1, 2, 3, 4, 5, 6], 1),
        kind("1g.10gb+me", 20, 1, 1, &[0, 1, 2, 3, 4, 5, 6], 1),
        kind("1g.20gb", 15, 1, 4, &[0, 2, 4, 6], 2),
        kind("2g.20gb", 14, 2, 3, &[0, 2, 4], 2),
        kind("3g.40gb", 9, 3, 2, &[0, 4], 4),
        kind("4g.40gb", 5, 4, 1, &[0], 4),
        kind("7g.80gb", 0, 7, 1, &[0], 8),
    ]
}

fn instance(name: &str, start: u32) -> Instance {
    let kinds = kinds();
    Instance::whole(kinds.iter().find(|kind| kind.name == name).expect(name), start)
}

/// A GPU in MIG mode, or with places untold one whose mode is off.
fn gpu(mode: (bool, bool), instances: &[(&str, u32)]) -> Seen {
    let (current, pending) = mode;
    let mut kinds = kinds();
    if !current {
        kinds.iter_mut().for_each(|kind| (kind.places, kind.size) = (Vec::new(), 0));
    }
    Seen {
        index: 0,
        uuid: "GPU-a".to_owned(),
        model: "H100".to_owned(),
        mode: Some(Mode { current, pending }),
        kinds,
        instances: instances.iter().map(|(name, start)| instance(name, *start)).collect(),
        devices: vec!["MIG-a".to_owned()],
        users: Vec::new(),
    }
}

fn devices(wanted: &[(&str, u32)]) -> MigDevices {
    wanted.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn told(seen: &Seen, wanted: &[(&str, u32)]) -> String {
    match steps(seen, &Goal::Devices(devices(wanted))) {
        Ok(steps) => steps.iter().map(Step::to_string).collect::<Vec<_>>().join("; "),
        Err(problem) => format!("no: {problem}"),
    }
}

type Wanted = [(&'static str, u32)];

const ON: (bool, bool) = (true, true);
const OFF: (bool, bool) = (false, false);

#[test]
fn steps_lead_from_what_is_there_to_what_is_declared() {
    let cases: [(Seen, &Wanted, &str); 14] = [
        (gpu(OFF, &[]), &[], ""),
        (gpu(ON, &[]), &[], "switch MIG mode off"),
        (gpu((false, true), &[]), &[], "switch MIG mode off"),
        (
            gpu(ON, &[("3g.40gb", 0), ("1g.10gb", 4)]),
            &[],
            "destroy 3g.40gb at 0; destroy 1g.10gb at 4; switch MIG mode off",
        ),
        (
            gpu(OFF, &[]),
            &[("1g.10gb", 4), ("3g.40gb", 1)],
            "switch MIG mode on; create 4 x 1g.10gb, placed once MIG mode is on; \
             create 1 x 3g.40gb, placed once MIG mode is on",
        ),
        (gpu(ON, &[]), &[("3g.40gb", 1), ("1g.10gb", 1)], "create 3g.40gb at 0; create 1g.10gb at 4"),
        (gpu(ON, &[("1g.10gb", 3), ("3g.40gb", 4)]), &[("3g.40gb", 1), ("1g.10gb", 1)], ""),
        // What is wanted already stays where it is.
        (gpu(ON, &[("3g.40gb", 4)]), &[("3g.40gb", 1), ("1g.10gb", 1)], "create 1g.10gb at 0"),
        (
            gpu(ON, &[("3g.40gb", 4), ("2g.20gb", 0)]),
            &[("3g.40gb", 2)],
            "destroy 2g.20gb at 0; create 3g.40gb at 0",
        ),
        // Unless the rest fits only without it.
        (
            gpu(ON, &[("1g.10gb", 0)]),
            &[("4g.40gb", 1), ("1g.10gb", 1)],
            "destroy 1g.10gb at 0; create 4g.40gb at 0; create 1g.10gb at 4",
        ),
        // The only place of the 4g is taken by a 3g that could be elsewhere.
        (
            gpu(ON, &[("3g.40gb", 0)]),
            &[("4g.40gb", 1), ("3g.40gb", 1)],
            "destroy 3g.40gb at 0; create 4g.40gb at 0; create 3g.40gb at 4",
        ),
        (gpu((true, false), &[("7g.80gb", 0)]), &[("7g.80gb", 1)], "switch MIG mode on"),
        (
            gpu(ON, &[]),
            &[("1g.20gb", 4)],
            "create 1g.20gb at 0; create 1g.20gb at 2; create 1g.20gb at 4; create 1g.20gb at 6",
        ),
        (
            gpu(ON, &[]),
            &[("2g.20gb", 3), ("1g.10gb", 1)],
            "create 2g.20gb at 0; create 2g.20gb at 2; create 2g.20gb at 4; create 1g.10gb at 6",
        ),
    ];
    for (seen, wanted, expected) in cases {
        assert_eq!(told(&seen, wanted), expected, "{} -> {wanted:?}", seen.layout());
    }
}

#[test]
fn what_no_gpu_of_the_model_can_be_is_refused_in_one_sentence() {
    let cases: [(&Wanted, &str); 6] = [
        (
            &[("1g.5gb", 1)],
            "no: H100 has no profile 1g.5gb; it has 1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb",
        ),
        (&[("1g.10gb+me", 2)], "no: H100 takes 1 x 1g.10gb+me at most, not 2"),
        (&[("2g.20gb", 4)], "no: H100 takes 3 x 2g.20gb at most, not 4"),
        (&[("7g.80gb", 1), ("1g.10gb", 1)], "no: 1 x 1g.10gb, 1 x 7g.80gb need 8 compute slices; H100 has 7"),
        (
            &[("3g.40gb", 2), ("1g.10gb", 1)],
            "no: 1 x 1g.10gb, 2 x 3g.40gb need 91008 MiB of memory; H100 has 80896",
        ),
        (&[("1g.10gb", 3), ("1g.20gb", 1), ("3g.40gb", 1)], "no: 3 x 1g.10gb, 1 x 1g.20gb, 1 x 3g.40gb need"),
    ];
    for (wanted, expected) in cases {
        for mode in [ON, OFF] {
            let said = told(&gpu(mode, &[]), wanted);
            assert!(said.starts_with(expected), "{mode:?} {wanted:?}: {said}");
        }
    }
    let mut narrow = gpu(ON, &[]);
    narrow.kinds[0].places = vec![0];
    let odd = told(&narrow, &[("1g.10gb", 1), ("4g.40gb", 1)]);
    assert_eq!(odd, "no: 1 x 1g.10gb, 1 x 4g.40gb do not fit together on one H100");
    let without = Seen { mode: None, kinds: Vec::new(), ..gpu(OFF, &[]) };
    assert_eq!(told(&without, &[("1g.10gb", 1)]), "no: H100 has no MIG");
    assert_eq!(told(&without, &[]), "");
}

#[test]
fn going_back_makes_just_what_was_there() {
    let mut odd = instance("4g.40gb", 0);
    odd.compute = vec![Compute { start: 0, slices: 2 }, Compute { start: 2, slices: 1 }];
    let before = Layout { enabled: true, instances: vec![odd, instance("1g.10gb", 6)] };
    let goal = Goal::Layout(before.clone());
    let seen = gpu(ON, &[("4g.40gb", 0), ("1g.10gb", 5)]);
    let words: Vec<String> = steps(&seen, &goal).expect("steps").iter().map(Step::to_string).collect();
    assert_eq!(
        words,
        [
            "destroy 4g.40gb at 0",
            "destroy 1g.10gb at 5",
            "create 4g.40gb at 0 (2c, 1c)",
            "create 1g.10gb at 6"
        ]
    );
    let there = Seen { instances: before.instances, ..gpu(ON, &[]) };
    assert_eq!(steps(&there, &goal), Ok(Vec::new()));
    let off = gpu(OFF, &[]);
    let words: Vec<String> = steps(&off, &goal).expect("steps").iter().map(Step::to_string).collect();
    assert_eq!(words[0], "switch MIG mode on", "{words:?}");
}

#[test]
fn a_plan_names_every_gpu_and_who_is_in_the_way() {
    let other = Seen {
        index: 1,
        uuid: "GPU-b".to_owned(),
        model: "A100".to_owned(),
        users: vec!["process 7 (train)".to_owned()],
        ..gpu(ON, &[("7g.80gb", 0)])
    };
    let declared = BTreeMap::from([
        ("H100".to_owned(), devices(&[("7g.80gb", 1)])),
        ("B200".to_owned(), devices(&[("7g.180gb", 1)])),
    ]);
    let mut plan = plan(&[gpu(OFF, &[]), other.clone()], &declared);
    plan.is_used("GPU-b", "pod team-a/train-0 has MIG-a".to_owned());
    assert!(!plan.is_empty());
    let lost: Vec<u32> = plan.lost_by_silence().map(|gpu| gpu.index).collect();
    assert_eq!(lost, [1], "nobody said that the A100 is to lose what it has");
    assert_eq!(
        plan.to_string(),
        "GPU 0  H100  GPU-a: MIG off\n\
         \x20 switch MIG mode on\n\
         \x20   waits for a reset where another program has the GPU open\n\
         \x20 create 1 x 7g.80gb, placed once MIG mode is on\n\
         GPU 1  A100  GPU-b: 1 x 7g.80gb\n\
         \x20 destroy 7g.80gb at 0\n\
         \x20 switch MIG mode off\n\
         \x20   waits for a reset where another program has the GPU open\n\
         \x20 in use: process 7 (train)\n\
         \x20 in use: pod team-a/train-0 has MIG-a\n\
         note: no GPU here is of the model B200; here are: A100, H100\n"
    );
    let as_it_is = BTreeMap::from([("A100".to_owned(), devices(&[("7g.80gb", 1)]))]);
    let mut idle = super::plan(&[other], &as_it_is);
    idle.is_used("GPU-b", "pod team-a/train-0 has MIG-a".to_owned());
    assert!(idle.is_empty() && idle.gpus[0].busy.is_empty(), "a GPU that stays as it is may be used: {idle}");
    assert!(serde_json::to_value(&idle).is_ok_and(|value| value["gpus"][0]["now"]["enabled"] == true));
}
