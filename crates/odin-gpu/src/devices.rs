//! A [`Fleet`] as the device plugin sees it: who is there, how near to each
//! other, and who must not be given out.
//!
//! Everything but nearness comes from the samples and verdicts the fleet has
//! anyway, so nobody who looks waits for the driver, and a GPU that is given
//! out is one that `odin gpu health` calls well.

mod topology;

use std::sync::Arc;
use std::time::{Duration, Instant};

use odin_model::config::Degradation;

use crate::allocation::labels::Machine;
use crate::allocation::{Fault, Gpu, MigDevice, Model};
use crate::catalogue::CATALOGUE;
use crate::fleet::Fleet;
use crate::health::{self, Finding, Verdict};
use crate::sample::{Front, Instance, Sample, Slot};
use topology::Topology;

/// So many deadlines may pass before GPUs that were not all read are told of
/// all the same; each call that hangs is found out after one.
const DEADLINES: u32 = 3;

/// The GPUs of a fleet.
#[derive(Debug)]
pub struct Devices {
    fleet: Fleet,
    unhealthy_on: Vec<Degradation>,
    topology: Topology,
    machine: Machine,
    /// When every GPU was last read, or known not to answer.
    settled: Instant,
}

impl Devices {
    /// Begins to follow a fleet. A GPU that works and has one of these
    /// findings is not given out.
    #[must_use]
    pub fn of(fleet: &Fleet, unhealthy_on: &[Degradation]) -> Self {
        Self {
            fleet: fleet.clone(),
            unhealthy_on: unhealthy_on.to_vec(),
            topology: Topology::follow(fleet),
            machine: Machine { product: topology::product(), ..Machine::default() },
            settled: Instant::now(),
        }
    }

    /// Every GPU with the fault it has, if any; a GPU that never told who it
    /// is has no UUID. None while the library is opened or GPUs are read for
    /// the first time: what was seen before still counts.
    pub fn gpus(&mut self) -> Option<Result<Vec<Gpu>, Fault>> {
        let now = Instant::now();
        if self.fleet.is_settled() {
            self.settled = now;
        } else if now.saturating_duration_since(self.settled) < self.patience() {
            return None;
        }
        let slots = self.fleet.shared.slots().clone();
        let health = self.fleet.health();
        Some(match &health.unavailable {
            Some(finding) => Err(fault_of("Nvml", finding)),
            None => Ok(slots.iter().map(|slot| self.gpu(slot, &health.gpus)).collect()),
        })
    }

    /// What labels say of the machine; the driver as it was when it was last
    /// there.
    pub fn machine(&mut self) -> Machine {
        if let Ok(open) = self.fleet.shared.library().state.as_ref() {
            let cuda = open.cuda.split_once('.');
            self.machine.driver = Some(open.driver.clone());
            self.machine.cuda =
                cuda.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        }
        self.machine.clone()
    }

    fn patience(&self) -> Duration {
        self.fleet.shared.options.deadline * DEADLINES
    }

    fn gpu(&self, slot: &Arc<Slot>, judged: &[health::Gpu]) -> Gpu {
        let front = slot.front();
        let fault = judged
            .iter()
            .find(|gpu| gpu.index == slot.index)
            .and_then(|gpu| fault(&gpu.findings, &self.unhealthy_on));
        let Some(labelled) = &front.identity else {
            let silent = || Fault::new("GpuFailing", "it never told who it is");
            return Gpu { index: slot.index, fault: fault.or_else(|| Some(silent())), ..Gpu::default() };
        };
        let identity = &labelled.identity;
        let read = |family: &str, labels: &str| front.sample.as_deref()?.number(family, labels);
        let surroundings = self.topology.of(&identity.uuid);
        let mig = read("odin_gpu_mig_enabled", r#"when="now""#);
        let capability = |part: &str| small(read("odin_gpu_compute_capability", part));
        Gpu {
            index: identity.index,
            uuid: identity.uuid.clone(),
            minor: identity.minor,
            numa: surroundings.numa,
            mig: (mig == Some(1)).then(|| mig_devices(&front)),
            mig_capable: mig.is_some(),
            links: surroundings.links,
            model: Model {
                name: identity.name.clone(),
                memory_mib: read("odin_gpu_memory_total_bytes", "").unwrap_or_default() >> 20,
                compute: capability(r#"part="major""#).zip(capability(r#"part="minor""#)),
            },
            fault,
        }
    }
}

impl Sample {
    /// A whole number that was read.
    fn number(&self, family: &str, labels: &str) -> Option<u64> {
        whole(*self.values.get(CATALOGUE.slot(family, labels)?)?)
    }
}

fn mig_devices(front: &Front) -> Vec<MigDevice> {
    let instances = front.sample.iter().flat_map(|sample| &sample.instances);
    (0..).zip(instances).map(|(index, instance)| mig_device(index, instance)).collect()
}

fn mig_device(index: u32, instance: &Instance) -> MigDevice {
    let read = |family: &str, labels: &str| {
        let slot = CATALOGUE.slot(family, labels)?;
        let (_, value) = instance.values.iter().find(|(given, _)| *given == slot)?;
        whole(*value)
    };
    MigDevice {
        index,
        uuid: instance.uuid.clone(),
        profile: instance.profile.clone(),
        memory_mib: read("odin_gpu_mig_device_profile_memory_bytes", "").unwrap_or_default() >> 20,
        multiprocessors: small(read("odin_gpu_mig_device_multiprocessors", "")).unwrap_or_default(),
        gpu_slices: instance.slices,
        compute_slices: small(read("odin_gpu_mig_device_slices", r#"slice="compute_instance""#))
            .unwrap_or_default(),
    }
}

/// An integer that NVML gave; samples are floating point, and exact up to 2^53.
fn whole(value: f64) -> Option<u64> {
    if value.is_finite() { format!("{value:.0}").parse().ok() } else { None }
}

fn small(value: Option<u64>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

/// Why a GPU must not be given out: the gravest of its findings, the first of
/// several. Unlike the one that is told of by `odin gpu health`, a finding
/// about a GPU that works counts only where it was declared to.
fn fault(findings: &[Finding], unhealthy_on: &[Degradation]) -> Option<Fault> {
    let counts = |finding: &&Finding| match finding.verdict {
        Verdict::Failed | Verdict::Unknown => true,
        Verdict::Degraded => unhealthy_on.iter().any(|cause| cause.finding() == finding.name),
        Verdict::Healthy => false,
    };
    let worst = findings.iter().filter(counts).rev().max_by_key(|finding| finding.verdict)?;
    Some(fault_of("Gpu", worst))
}

/// A finding as Kubernetes writes it: `row_remap_failed` is `GpuRowRemapFailed`.
fn fault_of(prefix: &str, finding: &Finding) -> Fault {
    let mut reason = prefix.to_owned();
    for word in finding.name.split('_') {
        let mut letters = word.chars();
        reason.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        reason.push_str(letters.as_str());
    }
    Fault::new(reason, format!("{}; {}", finding.evidence, finding.next_step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, verdict: Verdict) -> Finding {
        Finding { name: name.into(), verdict, evidence: "seen".into(), next_step: "do".into() }
    }

    #[test]
    fn what_failed_counts_and_what_is_degraded_where_declared() {
        let thermal = [Degradation::HardwareThermal];
        type Row<'a> = (&'a [(&'a str, Verdict)], &'a [Degradation], Option<&'a str>);
        let rows: [Row<'_>; 7] = [
            (&[], &Degradation::DEFAULT, None),
            (&[("xid_13", Verdict::Healthy)], &Degradation::DEFAULT, None),
            (&[("hardware_thermal", Verdict::Degraded)], &Degradation::DEFAULT, None),
            (&[("hardware_thermal", Verdict::Degraded)], &thermal, Some("GpuHardwareThermal")),
            (
                &[("hardware_thermal", Verdict::Degraded), ("xid_79", Verdict::Failed)],
                &thermal,
                Some("GpuXid79"),
            ),
            (&[("lost", Verdict::Failed), ("xid_79", Verdict::Failed)], &[], Some("GpuLost")),
            (&[("lost", Verdict::Failed), ("hung", Verdict::Unknown)], &[], Some("GpuHung")),
        ];
        for (findings, unhealthy_on, reason) in rows {
            let all: Vec<Finding> = findings.iter().map(|(name, verdict)| finding(name, *verdict)).collect();
            let found = fault(&all, unhealthy_on);
            assert_eq!(found.as_ref().map(|fault| fault.reason.as_str()), reason, "{findings:?}");
            assert!(found.is_none_or(|fault| fault.message == "seen; do"));
        }
    }

    #[test]
    fn numbers_that_were_not_read_are_none() {
        let rows =
            [(f64::NAN, None), (f64::INFINITY, None), (0.0, Some(0)), (85_899_345_920.0, Some(80 << 30))];
        for (value, number) in rows {
            assert_eq!(whole(value), number);
        }
    }
}
