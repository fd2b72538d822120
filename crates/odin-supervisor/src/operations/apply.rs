//! Plan, apply, undo, history, and the suspension of drift repair.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use odin_cluster::apply::ChangeSet;
use odin_cluster::inventory::{Inventory, Past};
use odin_cluster::undo::DirectoryStore;
use odin_cluster::{Bundle, Cluster, Desired, Plan, Settings};
use odin_model::event::{Event, Observer, Verb};
use serde_json::json;

use super::{Apply, Outcome, STATE_NAMESPACE, Status};
use crate::Result;
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::lock::Lock;
use crate::records::Records;
use crate::{applies, bundle_in_force};

/// Everything one apply is decided on.
struct Prepared {
    cluster: Cluster,
    desired: Desired,
    plan: Plan,
    settings: Settings,
}

pub(super) async fn plan(appliance: &Appliance, options: &Apply) -> Result<Outcome> {
    let bundle = Bundle::open(bundle_dir(appliance, options))?;
    let Prepared { plan, .. } = prepare(appliance, &bundle, options).await?;
    let status = if plan.converged() { Status::Done } else { Status::Pending };
    Ok(Outcome::new(status, &plan, &plan))
}

pub(super) async fn apply(
    appliance: &Appliance,
    options: &Apply,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let _lock = Lock::take(&appliance.config.host, "apply", observer).await?;
    super::restore::take_up(appliance, observer).await?;
    let changes = apply_locked(appliance, options, observer).await?;
    Ok(outcome(&changes))
}

/// Applies under a lock the caller holds.
pub(super) async fn apply_locked(
    appliance: &Appliance,
    options: &Apply,
    observer: &dyn Observer,
) -> Result<ChangeSet> {
    let directory = bundle_dir(appliance, options);
    let bundle = Bundle::open(directory)?;
    let prepared = prepare(appliance, &bundle, options).await?;
    let store = DirectoryStore::new(&appliance.undo_dir());
    let changes = odin_cluster::apply::apply(
        &prepared.cluster,
        &prepared.desired,
        &prepared.plan,
        &prepared.settings,
        &store,
        observer,
    )
    .await?;
    remember(appliance, "apply", &changes, observer);
    if changes.applied() {
        bundle_in_force::keep(appliance, directory, changes.generation)?;
        // What is declared is wanted again. A restore applies the copy in force
        // and says nothing about what is declared.
        if options.bundle.is_none() {
            Records::of(appliance).set_undone(None)?;
        }
    }
    Ok(changes)
}

/// Keeps what was changed. A full disk must not make a failure of what is done.
fn remember(appliance: &Appliance, operation: &str, changes: &ChangeSet, observer: &dyn Observer) {
    if let Err(error) = applies::keep(appliance, operation, changes) {
        observer.event(Event::Warning { message: format!("what was changed is not kept: {error}") });
    }
}

pub(super) async fn undo(appliance: &Appliance, observer: &dyn Observer) -> Result<Outcome> {
    let _lock = Lock::take(&appliance.config.host, "undo", observer).await?;
    super::restore::take_up(appliance, observer).await?;
    let cluster = Cluster::connect(&appliance.config.host.kubeconfig).await?;
    // What was applied last has the default that receivers are put over.
    let bundle = match declared::has_receivers(appliance) {
        true => Some(Bundle::open(&appliance.bundle_in_force())?),
        false => None,
    };
    let secrets = declared::secrets(appliance, bundle.as_ref())?;
    let store = DirectoryStore::new(&appliance.undo_dir());
    // What an undo removes was shown by the apply that made it.
    let settings = Settings { confirmed: true, ..settings(appliance, &Apply::default()) };
    let undo = odin_cluster::undo::prepare(&cluster, &store, &secrets, &settings).await?;
    let (inventory, _) = cluster.inventory(STATE_NAMESPACE).await?;
    let undone = inventory.pending.map_or(inventory.digest, |pending| pending.digest);
    // Kept first: the daemon must not bring it back, also when this is cut off.
    Records::of(appliance).set_undone(Some(&undone))?;
    let changes = odin_cluster::undo::undo(&cluster, undo, &store, observer).await?;
    remember(appliance, "undo", &changes, observer);
    if changes.applied() && !bundle_in_force::go_back(appliance, &changes.digest, changes.generation)? {
        let message = "the bundle gone back to has no copy: until the next apply drift is repaired only \
                       where it agrees with the one undone"
            .to_owned();
        observer.event(Event::Warning { message });
    }
    Ok(outcome(&changes))
}

pub(super) async fn history(appliance: &Appliance) -> Result<Outcome> {
    let cluster = Cluster::connect(&appliance.config.host.kubeconfig).await?;
    let past = odin_cluster::undo::history(&cluster, &settings(appliance, &Apply::default())).await?;
    Ok(Outcome::new(Status::Done, History(&past), &past))
}

pub(super) fn set_suspended(appliance: &Appliance, suspended: bool) -> Result<Outcome> {
    Records::of(appliance).set_suspended(suspended)?;
    let text = if suspended {
        "the repair of drift is suspended until `odin resume`"
    } else {
        "drift is repaired again"
    };
    Ok(Outcome::new(Status::Done, text, &json!({ "suspended": suspended })))
}

async fn prepare(appliance: &Appliance, bundle: &Bundle, options: &Apply) -> Result<Prepared> {
    let desired = declared::desired(appliance, bundle)?;
    let cluster = Cluster::connect(&appliance.config.host.kubeconfig).await?;
    let observation = cluster.observe(&desired, STATE_NAMESPACE).await?;
    let settings = Settings {
        generation: generation(&observation.inventory, &desired.digest),
        ..settings(appliance, options)
    };
    let plan = odin_cluster::plan::plan(&desired, &observation, &settings);
    Ok(Prepared { cluster, desired, plan, settings })
}

/// The number of what is applied: the same while the bundle is the same, else
/// above every number there was.
fn generation(inventory: &Inventory, digest: &str) -> u64 {
    match &inventory.pending {
        Some(pending) if pending.digest == digest => pending.generation,
        None if inventory.digest == digest => inventory.generation,
        _ => inventory.highest() + 1,
    }
}

pub(crate) fn settings(appliance: &Appliance, options: &Apply) -> Settings {
    let declared = &appliance.config.apply;
    Settings {
        state_namespace: STATE_NAMESPACE.to_owned(),
        holder: appliance.name(),
        prune_limit: options.prune_limit.unwrap_or(declared.prune_limit),
        confirmed: options.yes,
        allow_prune: declared.allow_prune.clone(),
        take_over: declared.take_over.clone(),
        ..Settings::default()
    }
}

fn bundle_dir<'a>(appliance: &'a Appliance, options: &'a Apply) -> &'a Path {
    options.bundle.as_deref().unwrap_or(&appliance.config.apply.bundle)
}

fn outcome(changes: &ChangeSet) -> Outcome {
    let status = if changes.succeeded() { Status::Done } else { Status::Failed };
    let mut counts: BTreeMap<Verb, usize> = BTreeMap::new();
    for entry in &changes.entries {
        *counts.entry(entry.verb).or_default() += 1;
    }
    Outcome::new(status, changes, &json!({ "counts": counts, "changes": changes }))
}

struct History<'a>(&'a [Past]);

impl fmt::Display for History<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(formatter, "nothing was applied yet");
        }
        writeln!(formatter, "generation  bundle    applied at            created configured deleted failed")?;
        for past in self.0 {
            writeln!(
                formatter,
                "{:<11} {:<9} {:<21} {:>7} {:>10} {:>7} {:>6}",
                past.generation,
                past.digest.get(..8).unwrap_or(&past.digest),
                past.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                past.created,
                past.configured,
                past.deleted,
                past.failed
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use odin_cluster::inventory::Pending;

    use super::*;

    #[test]
    fn the_generation_rises_with_each_change_only() {
        let mut inventory = Inventory::default();
        assert_eq!(generation(&inventory, "a"), 1);
        inventory.generation = 4;
        inventory.digest = "a".into();
        assert_eq!(generation(&inventory, "a"), 4);
        assert_eq!(generation(&inventory, "b"), 5);
        inventory.pending = Some(Pending { generation: 5, digest: "b".into() });
        assert_eq!(generation(&inventory, "b"), 5);
        assert_eq!(generation(&inventory, "a"), 6);
    }
}
