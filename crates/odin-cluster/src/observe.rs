//! Looking at the cluster: one list a kind, never more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use crate::Error;
use crate::cluster::{Cluster, Resource};
use crate::desired::Desired;
use crate::inventory::{self, Inventory};
use crate::object::{Gvk, ObjectKey};
use crate::observation::{Live, Observation};

/// Lists in flight at once.
const CONCURRENCY: usize = 8;

impl Cluster {
    /// Looks at everything a plan for `desired` needs.
    ///
    /// ConfigMaps are listed first: the inventory is one of them and says
    /// which other kinds there are to look at.
    ///
    /// # Errors
    /// When anything cannot be listed. There is no partial observation: an
    /// object that could not be seen must not look like one that is gone.
    pub async fn observe(&self, desired: &Desired, state_namespace: &str) -> Result<Observation, Error> {
        let mut observation = Observation::default();
        let mut kinds = desired.kinds();
        let config_maps = Gvk::new("v1", "ConfigMap");
        let first = self.list_kind(&config_maps).await?.map(|(_, items)| items).unwrap_or_default();
        let stored = first.iter().find(|item| {
            item.pointer("/metadata/name").is_some_and(|name| name == inventory::NAME)
                && item.pointer("/metadata/namespace").is_some_and(|namespace| namespace == state_namespace)
        });
        if let Some(stored) = stored {
            (observation.inventory, observation.inventory_version) = read_inventory(stored, state_namespace)?;
        }
        kinds.extend(observation.inventory.kinds());
        kinds.remove(&config_maps);

        let wanted: BTreeSet<ObjectKey> = desired
            .objects
            .iter()
            .map(|object| object.key.clone())
            .chain(observation.inventory.objects.keys().cloned())
            .collect();
        keep(first, &wanted, &mut observation.live);
        let mut lists = stream::iter(kinds)
            .map(|gvk| async move { self.list_kind(&gvk).await.map(|found| (gvk, found)) })
            .buffer_unordered(CONCURRENCY);
        while let Some((gvk, found)) = lists.try_next().await? {
            match found {
                Some((_, items)) => keep(items, &wanted, &mut observation.live),
                None => {
                    observation.unserved.insert(gvk);
                }
            }
        }
        Ok(observation)
    }

    /// Reads the inventory alone.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub async fn inventory(&self, state_namespace: &str) -> Result<(Inventory, Option<String>), Error> {
        let found = self.get(&config_map(), &inventory_key(state_namespace)).await;
        match found.map_err(|failure| failure.into_error("read the inventory", self))? {
            Some(stored) => read_inventory(&stored, state_namespace),
            None => Ok((Inventory::default(), None)),
        }
    }

    /// Lists a kind; `None` when the API server does not serve it.
    async fn list_kind(&self, gvk: &Gvk) -> Result<Option<(Resource, Vec<Value>)>, Error> {
        let mut asked_again = false;
        loop {
            let Some(resource) = self.resource(gvk).await? else { return Ok(None) };
            match self.list(&resource, None).await {
                Ok(items) => return Ok(Some((resource, items))),
                // Its definition was removed since it was asked what is
                // served. Only a fresh answer can say so.
                Err(failure) if failure.code() == Some(404) && !asked_again => {
                    asked_again = true;
                    self.forget_served().await;
                }
                Err(failure) => return Err(failure.into_error(&format!("list {}", resource.plural()), self)),
            }
        }
    }
}

pub(crate) fn config_map() -> Resource {
    Resource::core("ConfigMap", "configmaps", true)
}

pub(crate) fn inventory_key(state_namespace: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: Some(state_namespace.to_owned()),
        name: inventory::NAME.to_owned(),
    }
}

fn read_inventory(stored: &Value, namespace: &str) -> Result<(Inventory, Option<String>), Error> {
    let refuse =
        |reason: String| Error::Inventory { name: format!("{namespace}/{}", inventory::NAME), reason };
    let text = stored.pointer("/data").and_then(|data| data.get(inventory::DATA_KEY)).and_then(Value::as_str);
    let text = text.ok_or_else(|| refuse(format!("it has no key {}", inventory::DATA_KEY)))?;
    let version = stored.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
    Ok((Inventory::parse(text).map_err(refuse)?, version))
}

/// Keeps what is wanted or owned and drops the rest at once: a cluster may
/// hold a lot that is none of ODIN's business.
fn keep(items: Vec<Value>, wanted: &BTreeSet<ObjectKey>, live: &mut BTreeMap<ObjectKey, Arc<Live>>) {
    for item in items {
        if let Some(key) = key_of(&item)
            && wanted.contains(&key)
        {
            live.insert(key, Arc::new(Live::new(item)));
        }
    }
}

/// Identity of an object from the cluster.
pub(crate) fn key_of(item: &Value) -> Option<ObjectKey> {
    let gvk = Gvk::of(item)?;
    let metadata = item.get("metadata")?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(ObjectKey { group: gvk.group, kind: gvk.kind, namespace: text("namespace"), name: text("name")? })
}
