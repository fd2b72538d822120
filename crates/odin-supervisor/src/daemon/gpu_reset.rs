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
use odin_gpu::mig::{Holder, Holders, holders};
use odin_model::config::{Action, Gpu as Declared};
use odin_model::event::Silent;

use super::Shared;
use crate::lock::Lock;
use crate::operations::gpu_reset::{self, Need, Record, Verdict};
use crate::records::Records;
use crate::{Result, gpu};
use plan::Decision;

/// How often the GPUs are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long a GPU may take to be well after its reset.
const CURED_WITHIN: Duration = Duration::from_secs(60);

/// Looks after the GPUs for ever, where a reset is declared; and until the end
/// of one that an earlier declaration began.
pub(super) async fn run(shared: Arc<Shared>) {
    let declared = shared.appliance.config.gpu.clone().unwrap_or_default();
    let is_declared = declared.remediation.actions.contains(&Action::Reset);
    let mut since = BTreeMap::new();
    let mut told = String::new();
    loop {
        let said = match look(&shared, &declared, is_declared, &mut since).await {
            Ok(said) => said,
            Err(error) => error.to_string(),
        };
        if said.is_empty() && !is_declared {
            return;
        }
        // What does not change is said once.
        if said != told && !said.is_empty() {
            tracing::warn!("{said}");
        }
        told = said;
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks once and does at most one thing; what it has to say.
async fn look(
    shared: &Shared,
    declared: &Declared,
    is_declared: bool,
    since: &mut BTreeMap<String, Instant>,
) -> Result<String> {
    gpu_reset::finish_what_was_cut_off(&shared.appliance).await?;
    if !is_declared || shared.restoring.load(Ordering::SeqCst) {
        return Ok(String::new());
    }
    let (need, mut said) = match decide(shared, declared, since).await? {
        Decision::Nothing { held } => return Ok(held.join("; ")),
        Decision::Reset { need, held } => (need, held),
    };
    let records = Records::of(&shared.appliance);
    if declared.remediation.dry_run {
        let record = Record::of(&need, Verdict::WouldBeDone);
        let before: Vec<Record> = records.lines(gpu_reset::FILE)?;
        if !before.iter().any(|before| before.is_like(&record)) {
            records.append(gpu_reset::FILE, &record)?;
        }
        return Ok(format!("{need} would be reset (gpu.remediation.dry-run)"));
    }
    let lock = Lock::take(&shared.appliance.config.host, "reset a GPU", &Silent).await?;
    // Whoever had the lock may have had a reason to; what is so now counts.
    let need = match decide(shared, declared, since).await? {
        Decision::Reset { need: still, .. } if still.uuid == need.uuid => still,
        _ => return Ok(String::new()),
    };
    tracing::warn!(gpu = %need, because = need.finding, "resetting a GPU");
    let held = || async { plan::why_had(&need, &holders_now(declared).await) };
    let mut record = gpu_reset::reset(&shared.appliance, &lock, &need, held).await?;
    drop(lock);
    if record.verdict == Verdict::Done && !is_cured(shared, &need.uuid).await {
        record.verdict = Verdict::NotCured;
    }
    records.append(gpu_reset::FILE, &record)?;
    since.remove(&need.uuid);
    said.insert(0, format!("{need}: {}", record.verdict));
    Ok(said.join("; "))
}

/// What is to be done as things are now.
async fn decide(
    shared: &Shared,
    declared: &Declared,
    since: &mut BTreeMap<String, Instant>,
) -> Result<Decision> {
    // A service that does not answer is told of by others.
    let Ok(health) = gpu::health_of_service(&shared.appliance).await else {
        return Ok(Decision::Nothing { held: Vec::new() });
    };
    let needs = needs(&health, since);
    if needs.is_empty() {
        return Ok(Decision::Nothing { held: Vec::new() });
    }
    let records: Vec<Record> = Records::of(&shared.appliance).lines(gpu_reset::FILE)?;
    let kubelet = holders_now(declared).await;
    Ok(plan::decide(&needs, &declared.remediation, &kubelet, &records, Timestamp::now()))
}

/// What pods have, or why the kubelet does not tell.
async fn holders_now(declared: &Declared) -> std::result::Result<Vec<Holder>, String> {
    match holders(&declared.pod_resources_socket).await {
        Holders::Told(holders) => Ok(holders),
        Holders::Absent(reason) | Holders::Unknown(reason) => Err(reason),
    }
}

/// GPUs that a reset would make well, with how long that has been so.
fn needs(health: &Health, since: &mut BTreeMap<String, Instant>) -> Vec<Need> {
    let now = Instant::now();
    let mut needs = Vec::new();
    for gpu in &health.gpus {
        let Some(identity) = &gpu.identity else { continue };
        let Some(finding) = gpu.findings.iter().find(|finding| finding.cured_by_reset) else { continue };
        let first = *since.entry(identity.uuid.clone()).or_insert(now);
        needs.push(Need {
            index: gpu.index,
            uuid: identity.uuid.clone(),
            finding: finding.name.clone(),
            is_cut: gpu.mig,
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
