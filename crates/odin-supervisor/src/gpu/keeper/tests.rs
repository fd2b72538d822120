use std::sync::Mutex;

use odin_gpu::allocation::MigDevice;
use odin_gpu::allocation::labels::Machine;
use odin_gpu::allocation::sharing::MigStrategy;

use super::*;

/// GPUs as a test says.
#[derive(Clone, Debug)]
struct Told(Arc<Mutex<Result<Vec<Gpu>, Fault>>>);

impl Told {
    fn say(&self, seen: Result<Vec<Gpu>, Fault>) {
        *self.0.lock().expect("a lock") = seen;
    }
}

impl Inventory for Told {
    fn observe(&mut self) -> Option<Result<Vec<Gpu>, Fault>> {
        Some(self.0.lock().expect("a lock").clone())
    }

    fn machine(&mut self) -> Machine {
        Machine::default()
    }
}

fn gpu(index: u32) -> Gpu {
    Gpu { index, uuid: format!("GPU-{index}"), minor: Some(index), ..Gpu::default() }
}

fn specification(names: &[u32]) -> String {
    let devices: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
    format!(r#"{{"cdiVersion":"0.6.0","kind":"nvidia.com/gpu","devices":[{}]}}"#, devices.join(","))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("a time")
}

fn look(keeper: &mut Keeper<Told>, second: i64) -> (Offer, Vec<Change>) {
    keeper.look(at(second)).expect("GPUs that were read")
}

fn faults(offer: &Offer) -> Vec<Option<&str>> {
    let devices = offer.resources.iter().flat_map(|resource| &resource.devices);
    devices.map(|device| device.fault.as_ref().map(|fault| fault.reason.as_str())).collect()
}

#[test]
fn a_device_is_offered_once_a_specification_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let told = Told(Arc::new(Mutex::new(Ok(vec![gpu(0), gpu(1)]))));
    let directories = vec![directory.path().to_owned()];
    let mut keeper = Keeper::new(told, Sharing::default(), directories, SETTLE);
    let (offer, _) = look(&mut keeper, 0);
    assert_eq!(faults(&offer), [Some(NO_CDI_DEVICE), Some(NO_CDI_DEVICE)]);
    // The GPU itself is well: the node's condition must not say otherwise.
    assert!(offer.gpus.iter().all(|gpu| gpu.fault.is_none()));

    fs::write(directory.path().join("nvidia.json"), specification(&[0])).expect("a file");
    let (offer, _) = look(&mut keeper, 1);
    assert_eq!(faults(&offer), [None, Some(NO_CDI_DEVICE)]);
    fs::write(directory.path().join("nvidia.json"), specification(&[0, 1])).expect("a file");
    let (offer, _) = look(&mut keeper, 2);
    assert_eq!(faults(&offer), [None, None]);
    assert_eq!(offer.names["GPU-1"], "nvidia.com/gpu=1");

    fs::write(directory.path().join("nvidia.json"), "{").expect("a file");
    let (offer, _) = look(&mut keeper, 3);
    assert_eq!(faults(&offer), [Some(NO_CDI_DEVICE), Some(NO_CDI_DEVICE)]);
    assert!(offer.troubles[0].contains("nvidia.json"), "{:?}", offer.troubles);
}

#[test]
fn a_fault_counts_at_once_and_its_end_after_a_while() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("nvidia.json"), specification(&[0, 1])).expect("a file");
    let told = Told(Arc::new(Mutex::new(Ok(vec![gpu(0), gpu(1)]))));
    let mut keeper = Keeper::new(told.clone(), Sharing::default(), vec![directory.path().to_owned()], SETTLE);
    assert_eq!(faults(&look(&mut keeper, 0).0), [None, None]);
    // It vanished from NVML's list.
    told.say(Ok(vec![gpu(0)]));
    let (offer, changes) = look(&mut keeper, 1);
    assert_eq!(faults(&offer), [None, Some("GpuGone")]);
    assert_eq!(changes.len(), 1);
    told.say(Err(Fault::new("NvmlUnavailable", "the library is gone")));
    let (offer, changes) = look(&mut keeper, 2);
    assert_eq!(faults(&offer), [Some("NvmlUnavailable"); 2]);
    assert_eq!((changes.len(), offer.troubles.as_slice()), (2, &["the library is gone".to_owned()][..]));
    told.say(Ok(vec![gpu(0), gpu(1)]));
    assert_eq!(faults(&look(&mut keeper, 3).0), [Some("NvmlUnavailable"); 2]);
    let (offer, changes) = look(&mut keeper, 13);
    assert_eq!(faults(&offer), [None, None]);
    assert_eq!(changes.len(), 2);
}

#[test]
fn a_strategy_that_does_not_fit_offers_nothing_and_says_so() {
    let mut partitioned = gpu(1);
    partitioned.mig = Some(vec![MigDevice { profile: "1g.10gb".into(), ..MigDevice::default() }]);
    let told = Told(Arc::new(Mutex::new(Ok(vec![gpu(0), partitioned]))));
    let sharing = Sharing { mig_strategy: MigStrategy::Single, ..Sharing::default() };
    let (offer, _) = look(&mut Keeper::new(told, sharing, Vec::new(), SETTLE), 0);
    assert!(offer.resources.is_empty());
    assert!(offer.troubles[0].contains("single"), "{:?}", offer.troubles);
}
