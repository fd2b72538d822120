//! One declared secret, brought into the cluster by itself.
//!
//! A credential that rotates must not wait for an apply, and must not make one:
//! an apply puts everything back, also what a person changed or suspended on
//! purpose. The inventory is written before and after as an apply writes it, so
//! that a watch for drift begins again with the new value and never puts the
//! old one back. Generation, bundle, history and what undo needs stay as they
//! are.

use odin_model::event::{Silent, Verb};
use serde_json::Value;

use super::record::Record;
use super::run::Run;
use crate::Error;
use crate::cluster::{Cluster, Resource};
use crate::desired::{DeclaredSecret, Desired, SECRETS};
use crate::inventory::Inventory;
use crate::lease::{self, Lease};
use crate::object::Declared;
use crate::plan::{Action, Plan, Step, StepKind};
use crate::settings::Settings;

/// Whether the cluster has another value of a secret than the declared one.
/// False also where nothing was ever applied: the first apply takes it along.
///
/// # Errors
/// When the secret has no name, or the API server cannot be asked.
pub async fn lacks(cluster: &Cluster, secret: &DeclaredSecret, settings: &Settings) -> Result<bool, Error> {
    let object = declared(secret)?;
    let (inventory, _) = cluster.inventory(&settings.state_namespace).await?;
    Ok(!inventory.objects.is_empty() && !is_there(cluster, &object, &inventory).await?)
}

/// Brings a secret into the cluster. Fields that somebody else owns stay, and
/// are an error.
///
/// # Errors
/// When someone else applies, when the inventory cannot be written, or when the
/// API server refuses the secret.
pub async fn bring(cluster: &Cluster, secret: &DeclaredSecret, settings: &Settings) -> Result<(), Error> {
    let object = declared(secret)?;
    let lease = Lease::acquire(cluster, lease::NAME, settings).await?;
    let (inventory, version) = match cluster.inventory(&settings.state_namespace).await {
        Ok(found) => found,
        Err(error) => {
            lease.release().await;
            return Err(error);
        }
    };
    let desired =
        Desired { digest: inventory.digest.clone(), components: Vec::new(), objects: vec![object.clone()] };
    let plan = plan(&object, &inventory, version);
    let mut run = Run::new(cluster, &desired, &plan, settings, &Silent);
    run.lease = Some(lease);
    let done = under_lease(&mut run, &object).await;
    if let Some(lease) = run.lease.take() {
        lease.release().await;
    }
    done
}

async fn under_lease(run: &mut Run<'_>, object: &Declared) -> Result<(), Error> {
    let mut record = Record::read(run.cluster, run.settings, run.plan).await?;
    record.intend(run).await?;
    run.foundation().await?;
    record.conclude_alone(run).await?;
    match run.outcomes().get(&object.key) {
        Some(outcome) if outcome.verb != Verb::Failed => Ok(()),
        outcome => Err(Error::Api {
            action: format!("bring {} into the cluster", object.key),
            code: None,
            reason: outcome.map_or_else(|| "it was not come to".to_owned(), |outcome| outcome.detail.clone()),
        }),
    }
}

/// A plan for this object alone, of the generation that is in force.
fn plan(object: &Declared, inventory: &Inventory, version: Option<String>) -> Plan {
    let action = Action {
        object: object.key.clone(),
        verb: Verb::Configured,
        detail: String::new(),
        fields: Vec::new(),
        send: true,
        drifted: false,
        forget: false,
        live: None,
        entry: inventory.objects.get(&object.key).cloned(),
    };
    Plan {
        generation: inventory.generation,
        digest: inventory.digest.clone(),
        from_generation: inventory.generation,
        from_digest: inventory.digest.clone(),
        steps: vec![Step { name: SECRETS.to_owned(), kind: StepKind::Secrets, actions: vec![action] }],
        blocked: Vec::new(),
        resumes: false,
        inventory_version: version,
    }
}

/// Whether the cluster and the inventory have it as it is declared.
async fn is_there(cluster: &Cluster, object: &Declared, inventory: &Inventory) -> Result<bool, Error> {
    let is_known = inventory.objects.get(&object.key).is_some_and(|entry| entry.declared == object.hash);
    if !is_known {
        return Ok(false);
    }
    let live = cluster.get(&Resource::core("Secret", "secrets", true), &object.key).await;
    let live = live.map_err(|failure| failure.into_error(&format!("read {}", object.key), cluster))?;
    let data = |value: &Value| value.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    let live = live.as_ref().map(data).unwrap_or_default();
    // What others put beside it is theirs.
    Ok(data(&object.value).iter().all(|(key, value)| live.get(key) == Some(value)))
}

fn declared(secret: &DeclaredSecret) -> Result<Declared, Error> {
    secret.declared().map_err(|reason| Error::Blocked {
        reasons: vec![format!("secret {}/{}: {reason}", secret.namespace, secret.name)],
    })
}
