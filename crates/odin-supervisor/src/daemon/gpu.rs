//! Nodes whose GPUs are not all well: taint, cordon, drain, as declared, and
//! back again when they are.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use odin_cluster::node_remedy::{self, Attempt, Policy, Result as Outcome};
use odin_cluster::{Cluster, Settings};
use odin_model::config::{Action, Remediation, Role};
use serde::Serialize;

use super::Shared;
use crate::operations::STATE_NAMESPACE;
use crate::records::Records;
use crate::{Error, Result};

/// How often the nodes are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// File of what was done, one JSON object a line.
const FILE: &str = "gpu-remedies.jsonl";

/// What was done, or would be.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Record<'a> {
    time: jiff::Timestamp,
    dry_run: bool,
    attempts: &'a [Attempt],
}

/// Looks after the nodes for ever; servers only. Where nothing is declared it
/// takes back what an earlier declaration had done, and ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let config = &shared.appliance.config;
    let declared = config.gpu.as_ref().map(|gpu| gpu.remediation.clone()).unwrap_or_default();
    if config.host.role == Role::Agent {
        return;
    }
    let policy = policy(&declared);
    let dry_run = declared.dry_run && !policy.is_nothing();
    let mut told = Told::default();
    loop {
        tokio::time::sleep(LOOK).await;
        if shared.restoring.load(std::sync::atomic::Ordering::SeqCst) {
            continue;
        }
        match look(&shared, &policy, dry_run, &mut told).await {
            Ok(true) if policy.is_nothing() => return,
            Ok(_) => {}
            Err(Error::Cluster(odin_cluster::Error::Held { holder, .. })) => {
                tracing::debug!(holder, "another server looks after nodes with faulty GPUs");
            }
            Err(error) => {
                // A cluster that is not there yet is no news every ten seconds.
                let reason = error.to_string();
                if reason != told.error {
                    tracing::warn!(%error, "nodes with faulty GPUs are not looked after; trying again");
                }
                told.error = reason;
            }
        }
    }
}

/// What was said last, so that what does not change is said once.
#[derive(Default)]
struct Told {
    attempts: Vec<Attempt>,
    held: Vec<(String, String)>,
    error: String,
}

/// Looks once; whether there was nothing to do.
async fn look(shared: &Shared, policy: &Policy, dry_run: bool, told: &mut Told) -> Result<bool> {
    let cluster = Cluster::connect(&shared.appliance.config.host.kubeconfig).await?;
    let settings = Settings {
        state_namespace: STATE_NAMESPACE.to_owned(),
        holder: shared.appliance.name(),
        ..Settings::default()
    };
    let (plan, attempts) = node_remedy::attempt(&cluster, &settings, policy, dry_run).await?;
    for (node, reason) in plan.held.iter().filter(|held| !told.held.contains(held)) {
        tracing::info!(node, reason, "a node with faulty GPUs is left alone for now");
    }
    let fresh: Vec<Attempt> = attempts
        .iter()
        .filter(|attempt| !told.attempts.iter().any(|old| same(old, attempt)))
        .cloned()
        .collect();
    for attempt in &fresh {
        tell(attempt);
    }
    if !fresh.is_empty() {
        let record = Record { time: jiff::Timestamp::now(), dry_run, attempts: &fresh };
        Records::of(&shared.appliance).append(FILE, &record)?;
    }
    *told = Told { attempts, held: plan.held, error: String::new() };
    Ok(plan.steps.is_empty())
}

/// The same thing with the same end; the version of the node does not count.
fn same(one: &Attempt, other: &Attempt) -> bool {
    one.step.to_string() == other.step.to_string() && one.result == other.result
}

fn tell(attempt: &Attempt) {
    let step = attempt.step.to_string();
    match &attempt.result {
        Outcome::Done => tracing::warn!(step, "done"),
        Outcome::WouldBeDone => tracing::warn!(step, "would be done (gpu.remediation.dry-run)"),
        Outcome::Blocked(reason) => tracing::warn!(step, reason, "a disruption budget forbids it for now"),
        Outcome::Failed(reason) => tracing::error!(step, reason, "failed"),
    }
}

fn policy(declared: &Remediation) -> Policy {
    let has = |action| declared.actions.contains(&action);
    Policy {
        taint: has(Action::Taint),
        cordon: has(Action::Cordon),
        drain: has(Action::Drain),
        after: SignedDuration::try_from(declared.after).unwrap_or(SignedDuration::MAX),
        maximum_nodes: usize::try_from(declared.maximum_nodes).unwrap_or(usize::MAX),
    }
}
