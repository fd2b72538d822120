//! Resets of this machine's GPUs, as declared: of those that a reset makes
//! well, once no pod has them.
//!
//! Every server and agent looks after its own. What was done is a record, and
//! from the records comes how often a GPU may still be reset today.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use odin_gpu::health::Health;
use odin_gpu::mig::{Holders, holders};
use odin_model::config::{Action, Gpu as Declared};
use odin_model::event::Silent;

use super::Shared;
use crate::operations::gpu_reset::{self, Need, Record, Verdict};
use crate::records::Records;
use crate::{Result, gpu};
use plan::Decision;

/// How often the GPUs are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long a GPU may take to be well after its reset.
const CURED_WITHIN: Duration = Duration::from_secs(60);

/// Looks after the GPUs for ever, where a reset is declared.
pub(super) async fn run(shared: Arc<Shared>) {
    let Some(declared) = shared.appliance.config.gpu.clone() else { return };
    if !declared.remediation.actions.contains(&Action::Reset) {
        return;
    }
    if let Err(error) = gpu_reset::finish_what_was_cut_off(&shared.appliance).await {
        tracing::error!(%error, "a reset of a GPU was cut off, and odin-gpu.service may be stopped");
    }
    let mut since = BTreeMap::new();
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if shared.restoring.load(Ordering::SeqCst) {
            continue;
        }
        let said = match look(&shared, &declared, &mut since).await {
            Ok(said) => said,
            Err(error) => error.to_string(),
        };
        // What does not change is said once.
        if said != told && !said.is_empty() {
            tracing::warn!("{said}");
        }
        told = said;
    }
}

/// Looks once and does at most one thing; what it has to say.
async fn look(shared: &Shared, declared: &Declared, since: &mut BTreeMap<String, Instant>) -> Result<String> {
    let policy = &declared.remediation;
    // A service that does not answer is told of by others.
    let Ok(health) = gpu::health_of_service(&shared.appliance).await else { return Ok(String::new()) };
    let needs = needs(&health, since);
    if needs.is_empty() {
        return Ok(String::new());
    }
    let kubelet = match holders(&declared.pod_resources_socket).await {
        Holders::Told(holders) => Ok(holders),
        Holders::Absent(reason) | Holders::Unknown(reason) => Err(reason),
    };
    let records: Vec<Record> = Records::of(&shared.appliance).lines(gpu_reset::FILE)?;
    let decision = plan::decide(&needs, policy, &kubelet, &records, Timestamp::now());
    let (need, held) = match decision {
        Decision::Nothing { held } => return Ok(held.join("; ")),
        Decision::Reset { need, held } => (need, held),
    };
    if policy.dry_run {
        let record = Record::of(&need, Verdict::WouldBeDone);
        if !records.iter().rev().any(|before| before.is_like(&record)) {
            Records::of(&shared.appliance).append(gpu_reset::FILE, &record)?;
        }
        return Ok(format!("{need} would be reset (gpu.remediation.dry-run)"));
    }
    tracing::warn!(gpu = %need, because = need.finding, "resetting a GPU");
    let mut record = gpu_reset::reset(&shared.appliance, &need, &Silent).await?;
    if record.verdict == Verdict::Done && !is_cured(shared, &need.uuid).await {
        record.verdict = Verdict::NotCured;
    }
    Records::of(&shared.appliance).append(gpu_reset::FILE, &record)?;
    since.remove(&need.uuid);
    let mut said = vec![format!("{need}: {}", record.verdict)];
    said.extend(held);
    Ok(said.join("; "))
}

/// GPUs that a reset would make well, with how long that has been so.
fn needs(health: &Health, since: &mut BTreeMap<String, Instant>) -> Vec<Need> {
    let now = Instant::now();
    let mut needs = Vec::new();
    for gpu in &health.gpus {
        let Some(identity) = &gpu.identity else { continue };
        let Some(finding) = gpu.findings.iter().find(|finding| finding.cured_by_reset) else {
            since.remove(&identity.uuid);
            continue;
        };
        let first = *since.entry(identity.uuid.clone()).or_insert(now);
        needs.push(Need {
            index: gpu.index,
            uuid: identity.uuid.clone(),
            finding: finding.name.clone(),
            lasted: now.saturating_duration_since(first),
        });
    }
    since.retain(|uuid, _| needs.iter().any(|need| need.uuid == *uuid));
    needs
}

/// Whether the service says, within its time, that the GPU needs no reset now.
async fn is_cured(shared: &Shared, uuid: &str) -> bool {
    let deadline = Instant::now() + CURED_WITHIN;
    loop {
        let health = gpu::health_of_service(&shared.appliance).await;
        let gpus = health.map(|health| health.gpus).unwrap_or_default();
        let is = |gpu: &&odin_gpu::health::Gpu| gpu.identity.as_ref().is_some_and(|one| one.uuid == uuid);
        if let Some(gpu) = gpus.iter().find(is)
            && gpu.state == odin_gpu::State::Running
            && !gpu.findings.iter().any(|finding| finding.cured_by_reset)
        {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
