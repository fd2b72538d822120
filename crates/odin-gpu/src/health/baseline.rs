//! The baseline: the GPUs as they were when they were well, and what is worse
//! than that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::{Bad, FACTS, Fact};
use super::found::finding;
use super::{Facts, Finding, Gpu, Health, Verdict};
use crate::fleet::Known;
use crate::identity::Identity;
use crate::sample::State;

const RECORD: &str = "record it with `odin gpu health --record` when it is meant so";

/// The GPUs as they were recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Baseline {
    /// When.
    pub recorded: Timestamp,
    /// Version of the driver then.
    pub driver: String,
    /// The GPUs.
    pub gpus: Vec<Recorded>,
}

/// One GPU of a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded {
    /// Who it is.
    pub identity: Identity,
    /// What it had.
    pub facts: Facts,
}

impl Baseline {
    /// What is now, to be recorded; none while a GPU cannot be read.
    #[must_use]
    pub fn of(health: &Health, recorded: Timestamp) -> Option<Self> {
        let gpus = health
            .gpus
            .iter()
            .map(|gpu| Some(Recorded { identity: gpu.identity.clone()?, facts: gpu.facts.clone()? }));
        let gpus: Vec<Recorded> = gpus.collect::<Option<_>>()?;
        health.is_read().then(|| Self { recorded, driver: health.driver.clone(), gpus })
    }
}

impl Health {
    /// Everything that is not well, each with the UUID of its GPU; without one
    /// where it is about the machine.
    pub fn complaints(&self) -> impl Iterator<Item = (Option<&str>, &Finding)> {
        let of_gpus = self.gpus.iter().flat_map(|gpu| {
            let uuid = gpu.identity.as_ref().map(|identity| identity.uuid.as_str());
            gpu.findings.iter().map(move |found| (uuid, found))
        });
        let of_all = self.unavailable.iter().chain(&self.findings).map(|found| (None, found));
        of_gpus.chain(of_all).filter(|(_, found)| found.verdict != Verdict::Healthy)
    }

    /// The same verdicts, measured against one more baseline; what both find is
    /// told once.
    #[must_use]
    pub fn also_against(mut self, baseline: &Baseline) -> Self {
        if self.unavailable.is_some() {
            return self;
        }
        let mut gpus = self.gpus.clone();
        for gpu in &mut gpus {
            gpu.findings.clear();
        }
        let of_all = compare(&Ok(Some(baseline.clone())), &mut gpus);
        add(&mut self.findings, of_all);
        for (gpu, again) in self.gpus.iter_mut().zip(gpus) {
            add(&mut gpu.findings, again.findings);
            gpu.judge();
        }
        self
    }
}

fn add(found: &mut Vec<Finding>, more: Vec<Finding>) {
    for one in more {
        if !found.iter().any(|known| known.name == one.name && known.verdict >= one.verdict) {
            found.push(one);
        }
    }
}

/// When the baseline was recorded.
pub(super) fn recorded(known: &Known) -> Option<Timestamp> {
    known.as_ref().ok().and_then(Option::as_ref).map(|baseline| baseline.recorded)
}

/// Adds to each GPU what is worse than recorded; returns what is about all of
/// them.
pub(super) fn compare(known: &Known, gpus: &mut [Gpu]) -> Vec<Finding> {
    let baseline = match known {
        Ok(Some(baseline)) => baseline,
        Ok(None) => {
            return vec![finding(
                "no_baseline",
                Verdict::Healthy,
                "no baseline is recorded, so nobody knows what is less than it was".to_owned(),
                "`odin gpu health --record`, or leave it to odin-gpu.service once all GPUs are healthy",
            )];
        }
        Err(reason) => {
            return vec![finding(
                "baseline_unreadable",
                Verdict::Unknown,
                format!("nobody knows what is less than it was: {reason}"),
                "run as root; `odin gpu health --record` replaces a damaged baseline",
            )];
        }
    };
    for gpu in &mut *gpus {
        let (Some(identity), Some(facts)) = (&gpu.identity, &gpu.facts) else { continue };
        if let Some(recorded) = baseline.gpus.iter().find(|one| one.identity.uuid == identity.uuid) {
            gpu.findings.extend(worse(recorded, identity, facts));
        }
    }
    // Whoever has not told its name yet may be one that seems to be missing.
    if gpus.iter().any(|gpu| gpu.state == State::Starting) {
        return Vec::new();
    }
    let is_here = |uuid: &str| gpus.iter().filter_map(|gpu| gpu.identity.as_ref()).any(|id| id.uuid == uuid);
    let missing: Vec<&Identity> =
        baseline.gpus.iter().map(|one| &one.identity).filter(|id| !is_here(&id.uuid)).collect();
    let is_new = |gpu: &&Gpu| {
        gpu.identity.as_ref().is_some_and(|id| !baseline.gpus.iter().any(|one| one.identity.uuid == id.uuid))
    };
    let new: Vec<String> =
        gpus.iter().filter(is_new).filter_map(|gpu| gpu.identity.as_ref()).map(name).collect();
    let mut found = Vec::new();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|identity| name(identity)).collect();
        found.push(finding(
            "gpu_missing",
            Verdict::Failed,
            format!(
                "{} of {} recorded GPUs are not here: {}",
                missing.len(),
                baseline.gpus.len(),
                names.join("; ")
            ),
            "look for them with `lspci -d 10de:` and `journalctl -k`; reseat or replace what is gone; \
             `odin gpu health --record` when they were taken out on purpose",
        ));
    }
    if !new.is_empty() {
        let words = format!("{} GPUs are not in the baseline: {}", new.len(), new.join("; "));
        found.push(finding("not_recorded", Verdict::Healthy, words, RECORD));
    }
    found
}

fn name(identity: &Identity) -> String {
    format!("{} {} (serial {}, at {})", identity.name, identity.uuid, identity.serial, identity.pci_bus_id)
}

fn worse(recorded: &Recorded, identity: &Identity, facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = FACTS.iter().filter_map(|fact| worse_fact(fact, recorded, facts)).collect();
    if recorded.identity.serial != identity.serial {
        let words = format!("its serial is {}, it was {}", identity.serial, recorded.identity.serial);
        found.push(finding("serial_changed", Verdict::Degraded, words, RECORD));
    }
    found
}

fn worse_fact(fact: &Fact, recorded: &Recorded, facts: &Facts) -> Option<Finding> {
    let before = *recorded.facts.0.get(fact.name)?;
    let now = facts.0.get(fact.name).copied();
    let is_worse = match (fact.bad, now) {
        (Bad::Never, _) => false,
        // An error counter that is not told any more proves no error.
        (Bad::More, now) => now.is_some_and(|now| now > before),
        (Bad::Less, Some(now)) => now < before,
        (Bad::Less, None) => true,
    };
    let shown = |value: f64| format!("{:.0}", value * fact.shown);
    let now = now.map_or_else(|| "it does not tell its".to_owned(), shown);
    let words = format!("{now} {}, the baseline has {}", fact.words, shown(before));
    let name = format!("baseline_{}", fact.name.replace('-', "_"));
    is_worse.then(|| finding(&name, Verdict::Degraded, words, fact.next_step))
}

#[cfg(test)]
mod tests;
