use super::*;
use crate::fault::{Kind, Location};
use crate::refusal::Refusal;

#[test]
fn a_whole_scenario_is_read() {
    let scenario = Scenario::parse(include_str!("../../../../docs/reference/nvml-sim.toml")).unwrap();
    assert_eq!(scenario.count(), 4);
    assert_eq!(scenario.gpu(0).mig, Some(vec!["3g.40gb".into(), "1g.10gb".into()]));
    assert_eq!(scenario.gpu(0).process.len(), 2);
    assert_eq!(scenario.gpu(3), Gpu::default());
}

/// The reference page's example shows each fault once.
#[test]
fn every_fault_is_in_the_example() {
    let scenario = Scenario::parse(include_str!("../../../../docs/reference/nvml-sim.toml")).unwrap();
    let kinds: BTreeSet<String> = scenario.fault.iter().map(|fault| name(&fault.kind)).collect();
    assert_eq!(kinds.len(), 19, "{kinds:?}");
}

fn name(kind: &Kind) -> String {
    let text = format!("{kind:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn faults_have_what_is_common_and_what_is_their_own() {
    let text = "count = 2\n[[fault]]\ngpu = 1\nafter = 5\nfor = 2.5\nkind = 'ecc-single'\nrate = 3\nlocation = 'sram'\n\
                [[fault]]\nkind = 'fails'\nerror = 'gpu-is-lost'\n";
    let scenario = Scenario::parse(text).unwrap();
    let [first, second] = scenario.fault.as_slice() else { panic!("two faults") };
    assert_eq!((first.gpu, first.after, first.duration), (Some(1), 5.0, Some(2.5)));
    assert_eq!(first.kind, Kind::EccSingle { count: 1, rate: 3.0, location: Location::Sram });
    assert_eq!((second.gpu, second.after, second.duration), (None, 0.0, None));
    assert_eq!(second.kind, Kind::Fails { error: Refusal::GpuIsLost, calls: Vec::new() });
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let table = [
        ("count = 17", "count: 17 GPUs; at most 16"),
        ("count = 1\n[[gpu]]\n[[gpu]]", "gpu: 2 tables for 1 GPUs"),
        ("profile = 'k80'", "profile: no profile `k80`; there are a100, b200, h100, h200, l40s, t4"),
        ("count = 1\nspeed = 1", "unknown field `speed`"),
        ("[[gpu]]\nfan = 1", "unknown field `fan`"),
        ("[[gpu]]\nprocess = [{ name = 'x' }]", "missing field `pid`"),
        ("[[gpu]]\nmig = ['9g.90gb']", "gpu.0.mig: no instance `9g.90gb`; the model has 1g.10gb"),
        ("[[gpu]]\nprofile = 't4'\nmig = ['1g.10gb']", "the model has none"),
        ("[[gpu]]\nprocess = [{ pid = 1, instance = 0 }]", "gpu.0.process: only 0 MIG instances"),
        ("[[gpu]]\nprocess = [{ pid = 1, share = 2 }]", "gpu.0.process.share: a part of 1"),
        ("[[gpu]]\nuuid = 'GPU-1'\n[[gpu]]\nuuid = 'GPU-1'", "gpu.1.uuid: another GPU has it"),
        ("[[gpu]]\nload = 'high'", "a curve is a number or a table"),
        ("[[fault]]\nkind = 'lost'\ngpu = 0", "fault.0.gpu: there are 0 GPUs"),
        ("[[fault]]\nkind = 'lost'\ngpu = -1", "`gpu` is an index, 0 or higher"),
        ("[[fault]]\nkind = 'lost'\nafter = -1", "`after` is a number of seconds, 0 or more"),
        ("[[fault]]\nkind = 'lost'\nfor = 'ever'", "`for` is a number of seconds, 0 or more"),
        ("[[fault]]\nkind = 'tired'", "unknown variant `tired`"),
        ("[[fault]]\ngpu = 0", "missing field `kind`"),
        ("[[fault]]\nkind = 'xid'", "missing field `code`"),
        ("[[fault]]\nkind = 'xid'\ncode = 1\nrate = 2", "unknown field `rate`"),
        ("[[fault]]\nkind = 'fails'\nerror = 'sad'", "unknown variant `sad`"),
        ("count = [", "not a scenario"),
    ];
    for (text, reason) in table {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}:\n{error}");
    }
}

/// The reference page names each function that is always refused.
#[test]
fn the_page_lists_what_is_refused() {
    let source = include_str!("../abi/unsupported.rs");
    let page = include_str!("../../../../docs/reference/nvml-sim.md");
    let names: Vec<&str> = source.lines().map(str::trim).filter(|line| line.starts_with("nvml")).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/reference/nvml-sim.md: {missing:?}");
    assert!(
        page.contains(&format!("These {} answer", names.len())),
        "the page counts other than {}",
        names.len()
    );
}
