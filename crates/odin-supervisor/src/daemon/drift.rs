//! Drift: what was applied is watched, put back and recorded.

use std::sync::Arc;
use std::time::Duration;

use odin_cluster::drift::{Baseline, DriftAction, DriftRecord};
use odin_cluster::{Bundle, Cluster};
use tokio::sync::{mpsc, watch};

use super::Shared;
use crate::Result;
use crate::alerting::declared;
use crate::operations::STATE_NAMESPACE;
use crate::records::Records;

/// Pause after a watch that could not be begun.
const AGAIN: Duration = Duration::from_secs(5);
/// Records that may wait to be written.
const BACKLOG: usize = 256;
/// File of the records, one JSON object a line.
const FILE: &str = "drift.jsonl";

/// Watches for ever; begins again whenever another bundle is in force.
pub(super) async fn run(shared: Arc<Shared>) {
    let (sender, mut received) = mpsc::channel::<DriftRecord>(BACKLOG);
    let keeper = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Some(record) = received.recv().await {
            keep(&keeper, &record);
        }
    });
    let held = watch::channel(is_held(&shared)).0;
    let mut changed = shared.changed.subscribe();
    loop {
        held.send_replace(is_held(&shared));
        let watched = tokio::select! {
            watched = watch_once(&shared, held.subscribe(), sender.clone()) => watched,
            // Another bundle, or another word about suspension.
            _ = changed.changed() => continue,
        };
        if let Err(error) = watched {
            tracing::warn!(%error, "drift is not watched; trying again");
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                _ = changed.changed() => {}
            }
        }
    }
}

fn is_held(shared: &Shared) -> bool {
    !shared.appliance.config.apply.repair_drift
        || shared.restoring.load(std::sync::atomic::Ordering::SeqCst)
        || Records::of(&shared.appliance).is_suspended()
}

async fn watch_once(
    shared: &Shared,
    held: watch::Receiver<bool>,
    records: mpsc::Sender<DriftRecord>,
) -> Result<()> {
    let appliance = &shared.appliance;
    let directory = appliance.bundle_in_force();
    if !directory.exists() {
        // Nothing was applied yet; an apply wakes the caller.
        return std::future::pending().await;
    }
    let bundle = Bundle::open(&directory)?;
    let desired = declared::desired(appliance, &bundle)?;
    let cluster = Cluster::connect(&appliance.config.host.kubeconfig).await?;
    let (inventory, version) = cluster.inventory(STATE_NAMESPACE).await?;
    let baseline = Baseline::new(&desired, &inventory, version, STATE_NAMESPACE);
    tracing::info!(objects = baseline.len(), generation = inventory.generation, "watching for drift");
    drop((desired, inventory, bundle));
    odin_cluster::drift::watch(&cluster, baseline, held, records).await?;
    Ok(())
}

fn keep(shared: &Shared, record: &DriftRecord) {
    let (action, reason) = match &record.action {
        DriftAction::Repaired => ("repaired", ""),
        DriftAction::Suspended => ("suspended", ""),
        DriftAction::Failed(reason) => ("failed", reason.as_str()),
    };
    shared.metrics.drift(action);
    tracing::warn!(
        object = record.object,
        manager = record.manager.as_deref().unwrap_or("unknown"),
        fields = record.fields.len(),
        action,
        reason,
        "drift"
    );
    if let Err(error) = Records::of(&shared.appliance).append(FILE, record) {
        tracing::error!(%error, "cannot keep a record of drift");
    }
}
