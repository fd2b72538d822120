use super::*;
use crate::pods::Container;

fn allocation(pod: &str, device: &str) -> Allocation {
    Allocation {
        container: Container { namespace: "team".into(), pod: pod.into(), name: "main".into() },
        resource: "nvidia.com/gpu".into(),
        device: device.into(),
    }
}

fn gpu(uuid: &str, energy: f64, utilization: f64) -> Metered {
    Metered {
        uuid: uuid.into(),
        index: 0,
        instances: vec![("MIG-1".into(), 2)],
        energy: Some(energy),
        utilization: Some(utilization),
    }
}

fn account<'a>(accounts: &'a Accounts, pod: &str) -> &'a Account {
    &accounts.pods[&("team".to_owned(), pod.to_owned())]
}

#[test]
fn pods_that_share_a_gpu_share_its_time_and_energy() {
    let pods = Pods {
        allocations: vec![allocation("a", "GPU-1"), allocation("b", "GPU-1"), allocation("c", "MIG-1")],
        ..Pods::default()
    };
    let mut accounts = Accounts::default();
    let began = Instant::now();
    accounts.tick(&pods, &[gpu("GPU-1", 1000.0, 0.5)], began);
    accounts.tick(&pods, &[gpu("GPU-1", 1700.0, 0.5)], began + Duration::from_secs(10));
    for pod in ["a", "b"] {
        let account = account(&accounts, pod);
        assert_eq!((account.allocated_seconds, account.busy_seconds, account.joules), (5.0, 2.5, 350.0));
    }
    let sliced = account(&accounts, "c");
    assert!((sliced.allocated_seconds - 20.0 / 7.0).abs() < 1e-9, "{sliced:?}");
    assert!((sliced.joules - 200.0).abs() < 1e-9, "{sliced:?}");
}

#[test]
fn a_gap_in_the_readings_is_neither_billed_nor_idle() {
    let pods = Pods { allocations: vec![allocation("a", "GPU-1")], ..Pods::default() };
    let mut accounts = Accounts::default();
    let began = Instant::now();
    accounts.tick(&pods, &[gpu("GPU-1", 1000.0, 0.0)], began);
    assert_eq!(account(&accounts, "a").idle_since.len(), 1);
    let unread = Metered { energy: None, utilization: None, ..gpu("GPU-1", 0.0, 0.0) };
    accounts.tick(&pods, &[unread], began + Duration::from_secs(10));
    let after = account(&accounts, "a");
    assert_eq!((after.allocated_seconds, after.joules, after.idle_since.len()), (10.0, 0.0, 0));
}

#[test]
fn a_counter_that_was_set_back_draws_nothing() {
    let pods = Pods { allocations: vec![allocation("a", "0")], ..Pods::default() };
    let mut accounts = Accounts::default();
    let began = Instant::now();
    accounts.tick(&pods, &[gpu("GPU-1", 5000.0, 1.0)], began);
    accounts.tick(&pods, &[gpu("GPU-1", 10.0, 1.0)], began + Duration::from_secs(1));
    assert_eq!(account(&accounts, "a").joules, 0.0);
}

#[test]
fn accounts_of_pods_that_went_are_kept_for_a_last_scrape_and_then_dropped() {
    let pods = Pods { allocations: vec![allocation("a", "GPU-1")], ..Pods::default() };
    let mut accounts = Accounts::default();
    let began = Instant::now();
    accounts.tick(&pods, &[gpu("GPU-1", 0.0, 1.0)], began);
    accounts.tick(&Pods::default(), &[], began + Duration::from_secs(60));
    assert_eq!(accounts.pods.len(), 1);
    accounts.tick(&Pods::default(), &[], began + Duration::from_secs(700));
    assert!(accounts.pods.is_empty());
}

#[test]
fn workloads_are_read_from_the_names_of_pods() {
    let cases = [
        ("web-6d4cf56db6-x7k2p", "web"),
        ("train-big-0", "train-big"),
        ("agent-x7k2p", "agent"),
        ("notebook", "notebook"),
        ("my-notebook", "my-notebook"),
        ("job-abcde", "job-abcde"),
    ];
    for (pod, name) in cases {
        assert_eq!(workload(pod), name, "{pod}");
    }
}
