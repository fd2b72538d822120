//! What pods had of the GPUs: seconds, energy, cost, and reserved but idle.
//!
//! A pod has a part of a GPU: all of it, the slices of its MIG device, or one
//! of as many equal parts as pods share it. Time counts from the moment the
//! kubelet says so; energy and work count only while the GPU is read, so a gap
//! in the readings is never billed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::instances::SLICES;
use crate::pods::{Allocation, Pods};

/// An account is kept so long after its pod went, so that a last scrape sees
/// its end.
const KEEP: Duration = Duration::from_secs(600);

/// A device as accounts need it.
#[derive(Clone, Debug)]
pub(crate) struct Metered {
    pub(crate) uuid: String,
    pub(crate) index: u32,
    /// Its MIG devices with their slices.
    pub(crate) instances: Vec<(String, u32)>,
    /// Joules since the driver was loaded; none when not read.
    pub(crate) energy: Option<f64>,
    /// Part of the last period in which it was busy; none when not read.
    pub(crate) utilization: Option<f64>,
}

/// What one pod had.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) allocated_seconds: f64,
    pub(crate) busy_seconds: f64,
    pub(crate) joules: f64,
    /// Since when each of its GPUs has had no work.
    pub(crate) idle_since: BTreeMap<String, Instant>,
    seen: Instant,
}

/// Accounts of all pods, by namespace and pod.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) pods: BTreeMap<(String, String), Account>,
    last: Option<Instant>,
    energy: BTreeMap<String, f64>,
}

/// A device of a container and the part of a GPU it is.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) allocation: &'a Allocation,
    pub(crate) gpu: &'a Metered,
    pub(crate) part: f64,
}

/// Every allocation with the GPU it is on and the part of it.
pub(crate) fn parts<'a>(pods: &'a Pods, gpus: &'a [Metered]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for gpu in gpus {
        let index = gpu.index.to_string();
        let whole = pods.of(&[gpu.uuid.as_str(), index.as_str()]);
        let sharing = f64::from(u32::try_from(whole.len()).unwrap_or(u32::MAX).max(1));
        parts.extend(whole.into_iter().map(|allocation| Part { allocation, gpu, part: 1.0 / sharing }));
        for (uuid, slices) in &gpu.instances {
            let theirs = pods.of(&[uuid.as_str()]);
            let sharing = f64::from(u32::try_from(theirs.len()).unwrap_or(u32::MAX).max(1));
            let part = f64::from(*slices) / SLICES / sharing;
            parts.extend(theirs.into_iter().map(|allocation| Part { allocation, gpu, part }));
        }
    }
    parts
}

impl Accounts {
    /// Adds what passed since the last call.
    pub(crate) fn tick(&mut self, pods: &Pods, gpus: &[Metered], now: Instant) {
        let passed = self.last.map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.last = Some(now);
        let mut drawn = BTreeMap::new();
        for gpu in gpus {
            if let Some(joules) = gpu.energy {
                let before = self.energy.insert(gpu.uuid.clone(), joules);
                // A counter that fell was set back by a driver that came anew.
                drawn.insert(gpu.uuid.clone(), before.map_or(0.0, |before| (joules - before).max(0.0)));
            }
        }
        for Part { allocation, gpu, part } in parts(pods, gpus) {
            let key = (allocation.container.namespace.clone(), allocation.container.pod.clone());
            let account = self.pods.entry(key).or_insert_with(|| Account::new(now));
            account.seen = now;
            account.allocated_seconds += passed * part;
            account.joules += drawn.get(&gpu.uuid).copied().unwrap_or_default() * part;
            match gpu.utilization {
                Some(utilization) if utilization > 0.0 => {
                    account.busy_seconds += passed * part * utilization;
                    account.idle_since.remove(&gpu.uuid);
                }
                Some(_) => {
                    account.idle_since.entry(gpu.uuid.clone()).or_insert(now);
                }
                // Nobody knows whether it works.
                None => {
                    account.idle_since.remove(&gpu.uuid);
                }
            }
        }
        self.pods.retain(|_, account| now.saturating_duration_since(account.seen) <= KEEP);
        for account in self.pods.values_mut().filter(|account| account.seen != now) {
            account.idle_since.clear();
        }
    }
}

impl Account {
    fn new(now: Instant) -> Self {
        Self {
            allocated_seconds: 0.0,
            busy_seconds: 0.0,
            joules: 0.0,
            idle_since: BTreeMap::new(),
            seen: now,
        }
    }
}

/// The workload of a pod, from the names controllers give: `web-6d4cf56db6-x7k2p`
/// is of `web`, `train-0` of `train`, `agent-x7k2p` of `agent`. A name of another
/// form is a workload of its own.
pub(crate) fn workload(pod: &str) -> &str {
    // Suffixes are made of this alphabet (k8s.io/apimachinery, util/rand).
    let random = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len())
            && part.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
    };
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return rest;
    }
    if !random(last, 5..=5) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((name, hash)) if random(hash, 8..=10) => name,
        _ => rest,
    }
}

#[cfg(test)]
mod tests;
