//! Resources, as the scheduler counts them, and the devices behind them.

use std::collections::BTreeMap;

use super::sharing::{MigStrategy, Replicas, Sharing};
use super::{Fault, Gpu, MigDevice};
use crate::cdi::Wanted;

/// Resource of whole GPUs.
pub const GPU: &str = "nvidia.com/gpu";

/// Something the scheduler can give out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As pods ask for it.
    pub name: String,
    /// Whether a container may have only one of them.
    pub only_one: bool,
    /// In the order of GPUs.
    pub devices: Vec<Device>,
}

/// One device as the kubelet counts it: a GPU, a MIG device, or a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Id in the kubelet's eyes: the UUID, or `UUID::N` for a replica, as
    /// NVIDIA's device plugin has it.
    pub id: String,
    /// UUID of the GPU or the MIG device behind it.
    pub uuid: String,
    /// UUID of the GPU it is on.
    pub gpu: String,
    /// Index of that GPU.
    pub gpu_index: u32,
    /// Index of the MIG device in it.
    pub mig_index: Option<u32>,
    /// Number of the GPU's device node.
    pub minor: Option<u32>,
    /// Memory node it is near.
    pub numa: Option<u32>,
    /// Why it must not be given out.
    pub fault: Option<Fault>,
}

impl Device {
    /// What to look for in the CDI specifications.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { uuid: &self.uuid, gpu_index: self.gpu_index, mig_index: self.mig_index, minor: self.minor }
    }

    fn whole(gpu: &Gpu) -> Self {
        Self {
            id: gpu.uuid.clone(),
            uuid: gpu.uuid.clone(),
            gpu: gpu.uuid.clone(),
            gpu_index: gpu.index,
            mig_index: None,
            minor: gpu.minor,
            numa: gpu.numa,
            fault: gpu.fault.clone(),
        }
    }

    fn part(gpu: &Gpu, mig: &MigDevice) -> Self {
        Self { id: mig.uuid.clone(), uuid: mig.uuid.clone(), mig_index: Some(mig.index), ..Self::whole(gpu) }
    }
}

/// Why the declared MIG strategy does not fit the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("migStrategy \"single\" needs MIG devices of one profile on every GPU: {0}")]
pub struct Mismatch(pub String);

/// The resources of a machine, by name.
///
/// # Errors
/// When the MIG strategy is `single` and the GPUs are not of one kind.
pub fn resources(gpus: &[Gpu], sharing: &Sharing) -> Result<Vec<Resource>, Mismatch> {
    let mut devices: BTreeMap<String, Vec<Device>> = BTreeMap::new();
    let mut add = |name: String, device: Device| devices.entry(name).or_default().push(device);
    let single = sharing.mig_strategy == MigStrategy::Single && uniform(gpus)?;
    for gpu in gpus {
        match &gpu.mig {
            Some(parts) if sharing.mig_strategy != MigStrategy::None => {
                for part in parts {
                    let name = if single { GPU.to_owned() } else { mig_resource(&part.profile) };
                    add(name, Device::part(gpu, part));
                }
            }
            _ => add(GPU.to_owned(), Device::whole(gpu)),
        }
    }
    Ok(devices.into_iter().map(|(name, devices)| shared(name, devices, sharing)).collect())
}

/// Resource of a MIG profile: `1g.10gb+me` is `nvidia.com/mig-1g.10gb.me`, as
/// a resource's name has no plus.
#[must_use]
pub fn mig_resource(profile: &str) -> String {
    format!("nvidia.com/mig-{}", profile.replace('+', "."))
}

fn shared(name: String, devices: Vec<Device>, sharing: &Sharing) -> Resource {
    let Some(Replicas { count, rename }) = sharing.of(&name).filter(|replicas| replicas.count > 1) else {
        return Resource { name, only_one: false, devices };
    };
    let devices = devices
        .into_iter()
        .flat_map(|device| {
            (0..*count)
                .map(move |replica| Device { id: format!("{}::{replica}", device.id), ..device.clone() })
        })
        .collect();
    let name = rename.clone().unwrap_or(name);
    Resource { name, only_one: sharing.fail_requests_greater_than_one, devices }
}

/// Whether MIG is on everywhere with one profile; false where it is off
/// everywhere.
fn uniform(gpus: &[Gpu]) -> Result<bool, Mismatch> {
    let off = gpus.iter().filter(|gpu| gpu.mig.is_none()).count();
    if off == gpus.len() {
        return Ok(false);
    }
    if off > 0 {
        return Err(Mismatch(format!("{off} of {} GPUs have MIG mode off", gpus.len())));
    }
    let mut profiles: Vec<&str> =
        gpus.iter().flat_map(|gpu| gpu.mig.iter().flatten()).map(|part| part.profile.as_str()).collect();
    profiles.sort_unstable();
    profiles.dedup();
    if profiles.len() > 1 {
        return Err(Mismatch(format!("there are {}", profiles.join(", "))));
    }
    match gpus.iter().find(|gpu| gpu.mig.as_ref().is_some_and(Vec::is_empty)) {
        Some(gpu) => Err(Mismatch(format!("{} has no MIG device", gpu.uuid))),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sharing::Policy;
    use super::*;

    fn gpu(index: u32, mig: Option<&[&str]>) -> Gpu {
        let mig = mig.map(|profiles| {
            (0..)
                .zip(profiles)
                .map(|(part, profile)| MigDevice {
                    index: part,
                    uuid: format!("MIG-{index}-{part}"),
                    profile: (*profile).into(),
                    ..MigDevice::default()
                })
                .collect()
        });
        Gpu { index, uuid: format!("GPU-{index}"), minor: Some(index), mig, ..Gpu::default() }
    }

    fn ids(gpus: &[Gpu], sharing: &Sharing) -> Vec<(String, Vec<String>)> {
        resources(gpus, sharing)
            .expect("resources")
            .into_iter()
            .map(|resource| (resource.name, resource.devices.into_iter().map(|device| device.id).collect()))
            .collect()
    }

    fn strategy(mig_strategy: MigStrategy) -> Sharing {
        Sharing { mig_strategy, ..Sharing::default() }
    }

    fn row(name: &str, ids: &[&str]) -> (String, Vec<String>) {
        (name.into(), ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn mig_devices_become_resources_as_the_strategy_says() {
        let mixed = [gpu(0, None), gpu(1, Some(&["3g.40gb", "1g.10gb+me"])), gpu(2, Some(&[]))];
        assert_eq!(
            ids(&mixed, &strategy(MigStrategy::Mixed)),
            [
                row("nvidia.com/gpu", &["GPU-0"]),
                row("nvidia.com/mig-1g.10gb.me", &["MIG-1-1"]),
                row("nvidia.com/mig-3g.40gb", &["MIG-1-0"]),
            ]
        );
        assert_eq!(
            ids(&mixed, &strategy(MigStrategy::None)),
            [row("nvidia.com/gpu", &["GPU-0", "GPU-1", "GPU-2"])]
        );
        let same = [gpu(0, Some(&["1g.10gb", "1g.10gb"])), gpu(1, Some(&["1g.10gb"]))];
        assert_eq!(
            ids(&same, &strategy(MigStrategy::Single)),
            [row("nvidia.com/gpu", &["MIG-0-0", "MIG-0-1", "MIG-1-0"])]
        );
        assert_eq!(ids(&[gpu(0, None)], &strategy(MigStrategy::Single)), [row("nvidia.com/gpu", &["GPU-0"])]);
        assert_eq!(ids(&[], &strategy(MigStrategy::Mixed)), []);
    }

    #[test]
    fn single_is_refused_where_the_gpus_differ() {
        let rows = [
            (vec![gpu(0, None), gpu(1, Some(&["1g.10gb"]))], "1 of 2 GPUs have MIG mode off"),
            (vec![gpu(0, Some(&["1g.10gb", "2g.20gb"]))], "1g.10gb, 2g.20gb"),
            (vec![gpu(0, Some(&["1g.10gb"])), gpu(1, Some(&[]))], "GPU-1 has no MIG device"),
        ];
        for (gpus, reason) in rows {
            let error = resources(&gpus, &strategy(MigStrategy::Single)).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn replicas_are_devices_of_their_own_and_may_have_another_name() {
        let mut sharing = Sharing { policy: Policy::Distributed, ..Sharing::default() };
        sharing.fail_requests_greater_than_one = true;
        sharing.replicas.insert(GPU.into(), Replicas { count: 2, rename: None });
        let gpus = [gpu(0, None), gpu(1, None)];
        assert_eq!(
            ids(&gpus, &sharing),
            [row("nvidia.com/gpu", &["GPU-0::0", "GPU-0::1", "GPU-1::0", "GPU-1::1"])]
        );
        assert!(resources(&gpus, &sharing).expect("resources")[0].only_one);
        sharing
            .replicas
            .insert(GPU.into(), Replicas { count: 2, rename: Some("nvidia.com/gpu.shared".into()) });
        assert_eq!(ids(&gpus, &sharing)[0].0, "nvidia.com/gpu.shared");
        // One replica is no sharing.
        sharing
            .replicas
            .insert(GPU.into(), Replicas { count: 1, rename: Some("nvidia.com/gpu.shared".into()) });
        assert_eq!(ids(&gpus, &sharing), [row("nvidia.com/gpu", &["GPU-0", "GPU-1"])]);
        assert!(!resources(&gpus, &sharing).expect("resources")[0].only_one);
    }

    #[test]
    fn every_part_of_a_faulty_gpu_is_faulty() {
        let mut broken = gpu(0, Some(&["1g.10gb", "1g.10gb"]));
        broken.fault = Some(Fault::new("GpuLost", "it fell off the bus"));
        let all = resources(&[broken, gpu(1, None)], &Sharing::default()).expect("resources");
        let faulty = |name: &str| {
            let resource = all.iter().find(|resource| resource.name == name).expect("a resource");
            resource.devices.iter().filter(|device| device.fault.is_some()).count()
        };
        assert_eq!((faulty("nvidia.com/mig-1g.10gb"), faulty(GPU)), (2, 0));
    }
}
