//! One repair.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::Finding;
use super::baseline::Tracked;
use crate::cluster::{Cluster, Patience};
use crate::object::{Gvk, ObjectKey};
use crate::observe::config_map;

/// A repair is tried again soon; it need not insist.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(5) };

/// A repair under way.
pub(super) type Repair<'a> = BoxFuture<'a, Repaired>;

/// A repair that ended.
pub(super) struct Repaired {
    pub(super) key: ObjectKey,
    /// What it was about.
    pub(super) finding: Finding,
    pub(super) outcome: Result<Value, Stopped>,
}

/// Why a repair did not happen.
pub(super) enum Stopped {
    /// Another bundle is in force.
    Superseded,
    /// The API server refused it or was away.
    Failed(String),
}

/// Begins to put an object back.
pub(super) fn start<'a>(
    cluster: &Cluster,
    key: &ObjectKey,
    tracked: &Tracked,
    finding: Finding,
    inventory: (ObjectKey, Option<String>),
) -> Repair<'a> {
    let cluster = cluster.with_patience(PATIENCE);
    let (key, gvk, declared) = (key.clone(), tracked.gvk.clone(), tracked.declared.clone());
    async move {
        let outcome = repair(&cluster, &key, &gvk, &declared, &inventory).await;
        Repaired { key, finding, outcome }
    }
    .boxed()
}

async fn repair(
    cluster: &Cluster,
    key: &ObjectKey,
    gvk: &Gvk,
    declared: &str,
    (inventory, version): &(ObjectKey, Option<String>),
) -> Result<Value, Stopped> {
    let failed = |reason: String| Stopped::Failed(reason);
    // Watches of different kinds are not ordered: the object's event may come
    // before that of the apply that changed it.
    let present =
        cluster.get(&config_map(), inventory).await.map_err(|failure| failed(failure.reason().to_owned()))?;
    let has = present
        .as_ref()
        .and_then(|stored| stored.pointer("/metadata/resourceVersion"))
        .and_then(Value::as_str);
    if has != version.as_deref() {
        return Err(Stopped::Superseded);
    }
    let value: Value = serde_json::from_str(declared).map_err(|error| failed(error.to_string()))?;
    let resource = cluster.resource(gvk).await.map_err(|error| failed(error.to_string()))?;
    let resource = resource.ok_or_else(|| failed(format!("the API server does not serve {gvk}")))?;
    cluster.overrule(&resource, key, &value).await.map_err(|failure| failed(failure.reason().to_owned()))
}
