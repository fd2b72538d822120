use super::*;

#[test]
fn ids_of_every_plugin_name_their_device() {
    let cases = [
        ("GPU-8f3e", "GPU-8f3e"),
        ("GPU-8f3e::3", "GPU-8f3e"),
        ("MIG-1b2c::0", "MIG-1b2c"),
        ("nvidia3", "3"),
        ("3", "3"),
        ("nvidia-other", "nvidia-other"),
    ];
    for (id, device) in cases {
        assert_eq!(device_of(id), device, "{id}");
    }
}

#[test]
fn a_log_names_its_container() {
    let id = "ab".repeat(32);
    let (found, container) =
        container_of(&format!("train-0_team-a_worker-main-{id}.log")).expect("a container");
    assert_eq!(found, id);
    assert_eq!(
        container,
        Container { namespace: "team-a".into(), pod: "train-0".into(), name: "worker-main".into() }
    );
    for other in ["readme.txt", "a_b.log", "a_b_c.log", ""] {
        assert_eq!(container_of(other), None, "{other}");
    }
}

#[test]
fn what_was_told_is_kept_for_a_while() {
    let container = Container { namespace: "n".into(), pod: "p".into(), name: "c".into() };
    let allocation = Allocation { container, resource: "nvidia.com/gpu".into(), device: "GPU-1".into() };
    let mut pods = Pods::default();
    let began = Instant::now();
    pods.tell(vec![allocation], HashMap::new(), began);
    pods.refuse(Refused::Absent("gone".into()), began + Duration::from_secs(60));
    assert_eq!((pods.allocations.len(), pods.refused.is_some()), (1, true));
    pods.refuse(Refused::Absent("gone".into()), began + Duration::from_secs(600));
    assert!(pods.allocations.is_empty());
}
