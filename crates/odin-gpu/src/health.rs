//! A verdict for each GPU: what is wrong, how that is known, what to do.
//!
//! Judging is a function of what was read and of the recorded [`Baseline`]; a
//! GPU that cannot be read is never healthy, and a machine on which no GPU is
//! counted is not healthy either.

mod baseline;
mod facts;
mod found;
mod words;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use baseline::{Baseline, Recorded};
pub use facts::Facts;

use crate::catalogue::CATALOGUE;
use crate::events::Xids;
use crate::exposition::View;
use crate::fleet::Fleet;
use crate::identity::Identity;
use crate::nvml::Unavailable;
use crate::sample::State;
use found::finding;

/// How well a GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong.
    Healthy,
    /// It works, and something should be done.
    Degraded,
    /// It must not be used.
    Failed,
    /// It cannot be read, so nobody knows.
    Unknown,
}

/// One thing that was found out. With the verdict *healthy* it is worth knowing
/// and nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Stable name.
    pub name: String,
    /// What it makes of the GPU, or of the machine.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub next_step: String,
    /// Whether a reset of the GPU is what takes it away. Said only where the
    /// driver asks for one or counts what one sets right, never for an XID
    /// alone: those are remembered after it.
    #[serde(default)]
    pub cured_by_reset: bool,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gpu {
    /// Index NVML gives it.
    pub index: u32,
    /// Who it is; none when it never told.
    pub identity: Option<Identity>,
    /// What it is doing.
    pub state: State,
    /// What a baseline records of it; none while it is not read.
    pub facts: Option<Facts>,
    /// Whether MIG mode is on; no while that is not read.
    #[serde(default)]
    pub mig: bool,
    /// The worst of its findings.
    pub verdict: Verdict,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// What the library is: `open`, or why not.
    pub library: String,
    /// Why there is no library to ask, and what to do about it.
    pub unavailable: Option<Finding>,
    /// Version of the driver; empty when nobody can tell.
    pub driver: String,
    /// When the baseline was recorded that the GPUs are measured against.
    pub baseline: Option<jiff::Timestamp>,
    /// The GPUs.
    pub gpus: Vec<Gpu>,
    /// What is about the machine and not about one GPU.
    pub findings: Vec<Finding>,
}

impl Health {
    /// Whether there are GPUs and everything is healthy.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.unavailable.is_none()
            && !self.gpus.is_empty()
            && self.gpus.iter().all(|gpu| gpu.verdict == Verdict::Healthy)
            && self.findings.iter().all(|finding| finding.verdict == Verdict::Healthy)
    }

    /// Whether every GPU was read, so that a baseline can be recorded.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.unavailable.is_none()
            && !self.gpus.is_empty()
            && self.gpus.iter().all(|gpu| gpu.identity.is_some() && gpu.facts.is_some())
    }
}

impl Gpu {
    /// Makes the verdict the worst of its findings.
    fn judge(&mut self) {
        self.verdict = self.findings.iter().map(|found| found.verdict).max().unwrap_or(Verdict::Healthy);
    }
}

impl Fleet {
    /// Judges every GPU as it is now.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = Instant::now();
        self.judge_all(&self.views(now), now)
    }

    /// Judges what one page shows.
    pub(crate) fn judge_all(&self, views: &[View], now: Instant) -> Health {
        let mut health = self.judge_library(now);
        health.gpus = views.iter().map(|view| self.judge(view, now)).collect();
        if health.unavailable.is_none() {
            health.findings.extend(found::of_count(&health.gpus, &health.driver));
            let baseline = self.baseline();
            health.baseline = baseline::recorded(&baseline);
            health.findings.extend(baseline::compare(&baseline, &mut health.gpus));
        }
        health.findings.extend(found::of_pods(&self.shared.pods()));
        health.gpus.iter_mut().for_each(Gpu::judge);
        health
    }

    fn judge_library(&self, now: Instant) -> Health {
        let library = self.shared.library();
        let reason = library.unavailable(now, self.shared.options.deadline);
        let open = library.state.as_ref().ok();
        let finding = |reason: &Unavailable| {
            finding(reason.name(), Verdict::Unknown, reason.to_string(), reason.hint())
        };
        Health {
            library: reason.as_ref().map_or("open", Unavailable::name).to_owned(),
            unavailable: reason.as_ref().map(finding),
            driver: open.map(|open| open.driver.clone()).unwrap_or_default(),
            baseline: None,
            gpus: Vec::new(),
            findings: open.and_then(|open| found::of_symbols(&open.session)).into_iter().collect(),
        }
    }

    fn judge(&self, view: &View, now: Instant) -> Gpu {
        let mut findings: Vec<Finding> = found::of_state(view).into_iter().collect();
        let read = |family: &str, labels: &str| {
            let value = *view.sample.as_ref()?.values.get(CATALOGUE.slot(family, labels)?)?;
            (!value.is_nan()).then_some(value)
        };
        findings.extend(found::of_numbers(&read));
        findings.extend(view.sample.iter().flat_map(|sample| found::of_rates(&sample.rates)));
        let identity = view.identity.as_ref().map(|labelled| labelled.identity.clone());
        if let Some(identity) = &identity {
            let counted = self.shared.events.counted();
            let theirs = counted.xids.iter().filter(|((uuid, ..), _)| *uuid == identity.uuid);
            let count = |xids: &Xids| xids.in_window_after(now, view.back_since);
            for ((_, number, _), xids) in theirs.filter(|(_, xids)| count(xids) > 0) {
                let found = found::of_xid(*number, count(xids));
                if !findings.iter().any(|finding| finding.name == found.name) {
                    findings.push(found);
                }
            }
        }
        let mig = read("odin_gpu_mig_enabled", r#"when="now""#).is_some_and(|on| on > 0.0);
        let facts = view.sample.as_ref().map(|sample| Facts::of(&sample.values));
        Gpu {
            index: view.index,
            identity,
            state: view.state,
            facts,
            mig,
            verdict: Verdict::Healthy,
            findings,
        }
    }
}
