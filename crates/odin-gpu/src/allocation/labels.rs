//! Labels of the node, as NVIDIA's GPU feature discovery gives them.
//!
//! Names and values: <https://github.com/NVIDIA/k8s-device-plugin>,
//! docs/gpu-feature-discovery/README.md and internal/lm. What needs the CUDA
//! runtime in a container, and the timestamp, are left out: a label that
//! changes every minute costs a write every minute.

use std::collections::BTreeMap;

use super::resources::{GPU, mig_resource};
use super::sharing::{MigStrategy, Sharing};
use super::{Gpu, MigDevice};

/// What labels say of the machine rather than of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Type of the machine, from its firmware.
    pub product: Option<String>,
    /// Version of the driver, as `595.91.07`.
    pub driver: Option<String>,
    /// Version of CUDA the driver offers, major and minor.
    pub cuda: Option<(u32, u32)>,
}

/// Labels of a node; none for a machine without GPUs.
#[must_use]
pub fn labels(machine: &Machine, gpus: &[Gpu], sharing: &Sharing) -> BTreeMap<String, String> {
    let mut labels = Labels(BTreeMap::new());
    let Some(first) = gpus.first() else { return labels.0 };
    machine_labels(&mut labels, machine);
    let capable = gpus.iter().any(|gpu| gpu.mig_capable || gpu.mig.is_some());
    labels.set("nvidia.com/mig.capable", capable);
    labels.set("nvidia.com/mps.capable", false);
    labels.set("nvidia.com/vgpu.present", false);
    let strategy = sharing.mig_strategy;
    if capable {
        labels.set("nvidia.com/mig.strategy", strategy.name());
    }
    let shared = sharing.replicas.values().any(|replicas| replicas.count > 1);
    labels.set("nvidia.com/gpu.sharing-strategy", if shared { "time-slicing" } else { "none" });

    let whole: Vec<&Gpu> =
        gpus.iter().filter(|gpu| gpu.mig.is_none() || strategy == MigStrategy::None).collect();
    // Of several models the first is named, as by NVIDIA's.
    let named = whole.first().copied().unwrap_or(first);
    resource_labels(&mut labels, GPU, sharing, whole.len(), &named.model.name);
    labels.set_known("nvidia.com/gpu.memory", named.model.memory_mib);
    if let Some((major, minor)) = named.model.compute {
        labels.set("nvidia.com/gpu.compute.major", major);
        labels.set("nvidia.com/gpu.compute.minor", minor);
        labels.set("nvidia.com/gpu.family", family(major, minor));
    }
    if strategy != MigStrategy::None {
        mig_labels(&mut labels, gpus, sharing);
    }
    labels.0
}

struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Sets a label; a value Kubernetes would refuse is made one it takes.
    fn set(&mut self, key: impl Into<String>, value: impl ToString) {
        self.0.insert(key.into(), label_value(&value.to_string()));
    }

    /// Sets a number that is known: zero stands for an answer NVML did not give.
    fn set_known(&mut self, key: impl Into<String>, value: u64) {
        if value > 0 {
            self.set(key, value);
        }
    }
}

fn machine_labels(labels: &mut Labels, machine: &Machine) {
    if let Some(product) = &machine.product {
        labels.set("nvidia.com/gpu.machine", product);
    }
    if let Some(driver) = &machine.driver {
        let mut parts = driver.split('.');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (major, minor, revision) = (part(), part(), part());
        labels.set("nvidia.com/cuda.driver-version.full", driver);
        for (prefix, third) in [("driver", "rev"), ("driver-version", "revision")] {
            labels.set(format!("nvidia.com/cuda.{prefix}.major"), &major);
            labels.set(format!("nvidia.com/cuda.{prefix}.minor"), &minor);
            labels.set(format!("nvidia.com/cuda.{prefix}.{third}"), &revision);
        }
    }
    if let Some((major, minor)) = machine.cuda {
        labels.set("nvidia.com/cuda.runtime-version.full", format!("{major}.{minor}"));
        for prefix in ["runtime", "runtime-version"] {
            labels.set(format!("nvidia.com/cuda.{prefix}.major"), major);
            labels.set(format!("nvidia.com/cuda.{prefix}.minor"), minor);
        }
    }
}

fn mig_labels(labels: &mut Labels, gpus: &[Gpu], sharing: &Sharing) {
    let mut profiles: BTreeMap<&str, (usize, &MigDevice, &Gpu)> = BTreeMap::new();
    for gpu in gpus {
        for part in gpu.mig.iter().flatten() {
            profiles.entry(&part.profile).or_insert((0, part, gpu)).0 += 1;
        }
    }
    for (profile, (count, part, gpu)) in profiles {
        let single = sharing.mig_strategy == MigStrategy::Single;
        let name = if single { GPU.to_owned() } else { mig_resource(profile) };
        resource_labels(labels, &name, sharing, count, &format!("{}-MIG-{profile}", gpu.model.name));
        labels.set_known(format!("{name}.memory"), part.memory_mib);
        labels.set_known(format!("{name}.multiprocessors"), part.multiprocessors.into());
        labels.set_known(format!("{name}.slices.gi"), part.gpu_slices.into());
        labels.set_known(format!("{name}.slices.ci"), part.compute_slices.into());
    }
}

fn resource_labels(labels: &mut Labels, name: &str, sharing: &Sharing, count: usize, product: &str) {
    let replicas = sharing.of(name);
    let shared = replicas.is_some_and(|replicas| replicas.count > 1 && replicas.rename.is_none());
    labels.set(format!("{name}.count"), count);
    labels.set(format!("{name}.replicas"), replicas.map_or(1, |replicas| replicas.count));
    if !product.is_empty() {
        let suffix = if shared { "-SHARED" } else { "" };
        labels.set(format!("{name}.product"), format!("{product}{suffix}"));
    }
}

/// Family by compute capability (CUDA programming guide, "Compute Capabilities").
fn family(major: u32, minor: u32) -> &'static str {
    match (major, minor) {
        (3, _) => "kepler",
        (5, _) => "maxwell",
        (6, _) => "pascal",
        (7, 0..=4) => "volta",
        (7, _) => "turing",
        (8, 9) => "ada-lovelace",
        (8, _) => "ampere",
        (9, _) => "hopper",
        (10..=12, _) => "blackwell",
        _ => "undefined",
    }
}

/// A text as the value of a label: at most 63 of letters, digits, `-`, `_` and
/// `.`, with a letter or digit at both ends.
fn label_value(text: &str) -> String {
    let edge = |at: char| !at.is_ascii_alphanumeric();
    let text: String = text
        .trim()
        .chars()
        .map(|at| if at.is_ascii_alphanumeric() || "-_.".contains(at) { at } else { '-' })
        .collect();
    let text: String = text.trim_start_matches(edge).chars().take(63).collect();
    text.trim_end_matches(edge).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::sharing::Replicas;
    use super::*;

    fn h100(index: u32, mig: Option<Vec<MigDevice>>) -> Gpu {
        let model = Model { name: "NVIDIA H100 80GB HBM3".into(), memory_mib: 81559, compute: Some((9, 0)) };
        Gpu { index, uuid: format!("GPU-{index}"), mig, mig_capable: true, model, ..Gpu::default() }
    }

    fn machine() -> Machine {
        Machine {
            product: Some("DGX H100 (rev. 2)".into()),
            driver: Some("595.91.07".into()),
            cuda: Some((13, 2)),
        }
    }

    fn lines(gpus: &[Gpu], sharing: &Sharing) -> Vec<String> {
        labels(&machine(), gpus, sharing)
            .into_iter()
            .map(|(key, value)| format!("{}={value}", key.trim_start_matches("nvidia.com/")))
            .collect()
    }

    #[test]
    fn whole_gpus_have_the_labels_of_feature_discovery() {
        let expected = "cuda.driver-version.full=595.91.07 cuda.driver-version.major=595 \
            cuda.driver-version.minor=91 cuda.driver-version.revision=07 cuda.driver.major=595 \
            cuda.driver.minor=91 cuda.driver.rev=07 cuda.runtime-version.full=13.2 \
            cuda.runtime-version.major=13 cuda.runtime-version.minor=2 cuda.runtime.major=13 \
            cuda.runtime.minor=2 gpu.compute.major=9 gpu.compute.minor=0 gpu.count=2 gpu.family=hopper \
            gpu.machine=DGX-H100--rev.-2 gpu.memory=81559 gpu.product=NVIDIA-H100-80GB-HBM3 \
            gpu.replicas=1 gpu.sharing-strategy=none mig.capable=true mig.strategy=mixed \
            mps.capable=false vgpu.present=false";
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(lines(&[h100(0, None), h100(1, None)], &Sharing::default()), expected);
        assert!(labels(&machine(), &[], &Sharing::default()).is_empty());
    }

    #[test]
    fn sharing_shows() {
        let mut sharing = Sharing::default();
        sharing.replicas.insert(GPU.into(), Replicas { count: 4, rename: None });
        let shown = lines(&[h100(0, None)], &sharing);
        for line in [
            "gpu.product=NVIDIA-H100-80GB-HBM3-SHARED",
            "gpu.replicas=4",
            "gpu.sharing-strategy=time-slicing",
        ] {
            assert!(shown.iter().any(|shown| shown == line), "{shown:?}");
        }
    }

    #[test]
    fn mig_devices_have_labels_of_their_profile() {
        let part = MigDevice {
            profile: "1g.10gb+me".into(),
            memory_mib: 9856,
            multiprocessors: 16,
            gpu_slices: 1,
            compute_slices: 1,
            ..MigDevice::default()
        };
        let shown = lines(&[h100(0, Some(vec![part.clone(), part]))], &Sharing::default());
        for line in [
            "gpu.count=0",
            "mig-1g.10gb.me.count=2",
            "mig-1g.10gb.me.memory=9856",
            "mig-1g.10gb.me.multiprocessors=16",
            "mig-1g.10gb.me.product=NVIDIA-H100-80GB-HBM3-MIG-1g.10gb-me",
            "mig-1g.10gb.me.slices.gi=1",
        ] {
            assert!(shown.iter().any(|shown| shown == line), "{line}: {shown:?}");
        }
    }

    #[test]
    fn any_text_becomes_a_value() {
        let rows = [
            ("NVIDIA A100-SXM4-80GB", "NVIDIA-A100-SXM4-80GB"),
            ("  (odd) ", "odd"),
            ("\u{fc}ber", "ber"),
            ("---", ""),
            ("", ""),
        ];
        for (text, value) in rows {
            assert_eq!(label_value(text), value);
        }
        assert_eq!(label_value(&format!("{}-b", "a".repeat(62))), "a".repeat(62));
    }
}
