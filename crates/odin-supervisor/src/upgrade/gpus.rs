//! The GPUs at an upgrade: as many, as fast and as well as before.
//!
//! Judged is what `odin gpu health` says: state, links, errors, XIDs since the
//! boot, and the recorded baseline. Beside it stand the GPUs as they were when
//! the generation was staged: where no baseline was recorded, the service would
//! record whatever the new generation left of them.

use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use odin_gpu::health::{Baseline, Finding, Health};
use odin_model::report::{Row, Verdict};
use serde::{Deserialize, Serialize};

use super::obstacles::row;
use crate::appliance::Appliance;
use crate::gpu;

/// Looks at the GPUs of the machine.
pub trait Gpus: Send + Sync {
    /// The verdicts on them; none where no GPUs are declared.
    ///
    /// # Errors
    /// In words, when nobody answers.
    fn look(&self) -> Result<Option<Health>, String>;
}

/// The GPUs as odin-gpu.service tells of them.
#[derive(Clone, Copy, Debug)]
pub struct OfService<'a>(pub &'a Appliance);

impl Gpus for OfService<'_> {
    fn look(&self) -> Result<Option<Health>, String> {
        if self.0.config.gpu.is_none() {
            return Ok(None);
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(gpu::health_for_upgrade(self.0)).map(Some)
        })
    }
}

/// The GPUs when a generation was staged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Before {
    /// What they had; none where they were not declared or not all read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What was not well already, which says nothing against the new one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<Complaint>,
}

/// One thing that is not well, by its stable names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Complaint {
    /// UUID of the GPU; none where it is about the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// Name of the finding.
    pub finding: String,
}

// The numbers of a baseline are never NaN: what is not told is not there.
impl Eq for Before {}

impl Hash for Before {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.baseline.as_ref().map(|baseline| baseline.recorded).hash(state);
        self.complaints.hash(state);
    }
}

impl Complaint {
    fn of((gpu, found): (Option<&str>, &Finding)) -> Self {
        Self { gpu: gpu.map(str::to_owned), finding: found.name.clone() }
    }
}

impl Before {
    /// The GPUs as they are now. Who cannot be asked is no way to measure
    /// another by.
    #[must_use]
    pub fn now(gpus: &dyn Gpus, now: Timestamp) -> Self {
        let Ok(Some(health)) = gpus.look() else { return Self::default() };
        Self {
            baseline: Baseline::of(&health, now),
            complaints: health.complaints().map(Complaint::of).collect(),
        }
    }
}

/// Whether the GPUs are as well as they were before.
pub(crate) fn judge(name: &str, gpus: &dyn Gpus, before: &Before) -> Row {
    match gpus.look() {
        Err(reason) => row(name, Verdict::Failed, reason),
        Ok(None) => row(name, Verdict::Absent, "[gpu] is not declared"),
        Ok(Some(health)) => {
            let count = health.gpus.len();
            match worse(before, health) {
                worse if worse.is_empty() => row(name, Verdict::Passed, format!("{count} GPUs")),
                worse => row(name, Verdict::Failed, format!("{}: `odin gpu health`", worse.join("; "))),
            }
        }
    }
}

/// What is not well and was before, each in words.
fn worse(before: &Before, now: Health) -> Vec<String> {
    let measured = match &before.baseline {
        Some(baseline) => now.also_against(baseline),
        None => now,
    };
    let is_new = |found: &(Option<&str>, &Finding)| !before.complaints.contains(&Complaint::of(*found));
    let words = |(gpu, found): (Option<&str>, &Finding)| match gpu {
        Some(uuid) => format!("{uuid}: {}", found.evidence),
        None => found.evidence.clone(),
    };
    measured.complaints().filter(is_new).map(words).collect()
}

#[cfg(test)]
mod tests;
