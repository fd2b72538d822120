//! Applying: a plan in, a change set out, one attempt.
//!
//! The order of writes makes every moment safe to be killed at: the lease,
//! then the copies for undo, then the inventory with everything old and new,
//! then objects, then removals, then the inventory as it has become.

mod alone;
mod changeset;
mod diagnose;
mod gate;
mod object;
mod record;
mod run;

use std::collections::BTreeMap;
use std::time::Instant;

use odin_model::event::{Event, Observer, StepState};
use serde_json::Value;

pub use alone::{bring, lacks};
pub use changeset::{ChangeSet, ComponentResult, ComponentState, Entry, Unhealthy};

use crate::Error;
use crate::cluster::Cluster;
use crate::desired::Desired;
use crate::lease::Lease;
use crate::object::ObjectKey;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::undo::{self, UndoStore};
use record::Record;
use run::Run;

/// Carries out a plan.
///
/// Failures of objects and components are in the change set; they do not stop
/// what does not depend on them.
///
/// # Errors
/// When the plan is blocked or out of date, when someone else applies, when
/// undo copies or the inventory cannot be written, or when the lease is lost.
pub async fn apply(
    cluster: &Cluster,
    desired: &Desired,
    plan: &Plan,
    settings: &Settings,
    store: &dyn UndoStore,
    observer: &dyn Observer,
) -> Result<ChangeSet, Error> {
    apply_with_copies(cluster, desired, plan, settings, store, observer, BTreeMap::new()).await
}

/// [`apply`], with full copies of objects that are to be made again.
pub(crate) async fn apply_with_copies(
    cluster: &Cluster,
    desired: &Desired,
    plan: &Plan,
    settings: &Settings,
    store: &dyn UndoStore,
    observer: &dyn Observer,
    copies: BTreeMap<ObjectKey, Value>,
) -> Result<ChangeSet, Error> {
    if !plan.blocked().is_empty() {
        return Err(Error::Blocked { reasons: plan.blocked().to_vec() });
    }
    let began = Instant::now();
    let calls = cluster.api_calls();
    let mut run = Run::new(cluster, desired, plan, settings, observer);
    run.copies = copies;
    if !plan.converged() {
        observer.event(step("lease", StepState::Started));
        let lease = Lease::acquire(cluster, crate::lease::NAME, settings).await?;
        observer.event(step("lease", StepState::Done));
        let done = change(&mut run, lease, store).await;
        done?;
    } else {
        run.components().await;
    }
    let mut changes = run.into_changes();
    changes.api_calls = cluster.api_calls() - calls;
    changes.took = began.elapsed();
    Ok(changes)
}

async fn change(run: &mut Run<'_>, lease: Lease, store: &dyn UndoStore) -> Result<(), Error> {
    run.lease = Some(lease);
    let done = change_under_lease(run, store).await;
    if let Some(lease) = run.lease.take() {
        lease.release().await;
    }
    done
}

async fn change_under_lease(run: &mut Run<'_>, store: &dyn UndoStore) -> Result<(), Error> {
    let mut record = Record::read(run.cluster, run.settings, run.plan).await?;
    run.previous = undo::keep(store, record.stored(), run.desired, run.plan)?;
    record.intend(run).await?;
    run.observer.event(step("inventory", StepState::Done));
    run.foundation().await?;
    run.components().await;
    run.prune().await?;
    record.conclude(run).await?;
    if run.in_force() {
        undo::remember(store, run.desired, run.plan.generation)?;
    }
    Ok(())
}

fn step(name: &str, state: StepState) -> Event {
    Event::Step { name: name.to_owned(), state, detail: String::new() }
}
