//! Writing the inventory, before and after.

use odin_model::event::Verb;
use serde_json::{Value, json};

use super::run::Run;
use crate::Error;
use crate::cluster::Cluster;
use crate::fields;
use crate::inventory::{self, DATA_KEY, Entry, Inventory, Past, Pending};
use crate::object::{Declared, annotations};
use crate::observe::{config_map, inventory_key};
use crate::plan::Plan;
use crate::settings::Settings;

/// Largest inventory a ConfigMap takes, with some room.
const LIMIT: usize = 1_000_000;

/// The inventory while an apply holds the lease.
pub(super) struct Record {
    inventory: Inventory,
    version: Option<String>,
    stored: Inventory,
}

impl Record {
    /// Reads the inventory and refuses a plan made for another one.
    pub(super) async fn read(cluster: &Cluster, settings: &Settings, plan: &Plan) -> Result<Self, Error> {
        let (inventory, version) = cluster.inventory(&settings.state_namespace).await?;
        if version != plan.inventory_version {
            return Err(Error::Stale { reason: "the inventory was written since".to_owned() });
        }
        Ok(Self { stored: inventory.clone(), inventory, version })
    }

    /// The inventory as it is in the cluster.
    pub(super) fn stored(&self) -> &Inventory {
        &self.stored
    }

    /// Writes down everything that may exist from now on.
    pub(super) async fn intend(&mut self, run: &Run<'_>) -> Result<(), Error> {
        let (plan, inventory) = (run.plan, &mut self.inventory);
        let mut next = inventory.clone();
        for object in &run.desired.objects {
            let known = next.objects.entry(object.key.clone()).or_default();
            if known.version.is_empty() {
                *known = planned(object);
            }
            // From here on the object may be the new one: the old digests
            // would make the next plan believe that nothing is left to do.
            if run.sends(&object.key) && known.declared != object.hash {
                known.declared.clear();
                known.owned.clear();
            }
        }
        let changes_bundle = plan.digest != next.digest || plan.generation != next.generation;
        if changes_bundle {
            next.pending = Some(Pending { generation: plan.generation, digest: plan.digest.clone() });
        }
        *inventory = next;
        self.write(run).await
    }

    /// Writes down what has become of objects of the generation in force, which
    /// stays it.
    pub(super) async fn conclude_alone(&mut self, run: &Run<'_>) -> Result<(), Error> {
        self.adopt(run);
        self.write(run).await
    }

    /// Takes note of the objects that are now as they are declared.
    fn adopt(&mut self, run: &Run<'_>) {
        let outcomes = run.outcomes();
        for object in &run.desired.objects {
            let Some(outcome) = outcomes.get(&object.key) else { continue };
            if let Some(live) = &outcome.live
                && matches!(outcome.verb, Verb::Created | Verb::Configured | Verb::Unchanged)
            {
                let owned = fields::owned_digest(live).unwrap_or_default();
                self.inventory.objects.insert(
                    object.key.clone(),
                    Entry { declared: object.hash.clone(), owned, ..planned(object) },
                );
            }
        }
    }

    /// Writes down what has become of it.
    pub(super) async fn conclude(&mut self, run: &Run<'_>) -> Result<(), Error> {
        self.adopt(run);
        let outcomes = run.outcomes();
        for key in run.forgotten() {
            self.inventory.objects.remove(&key);
        }
        if run.in_force() {
            self.inventory.generation = run.plan.generation;
            self.inventory.digest.clone_from(&run.plan.digest);
            self.inventory.pending = None;
        }
        if self.inventory != self.stored || run.plan.changes() > 0 {
            let count = |verb| outcomes.values().filter(|outcome| outcome.verb == verb).count();
            self.inventory.remember(Past {
                generation: run.plan.generation,
                digest: run.plan.digest.clone(),
                at: jiff::Timestamp::now(),
                created: count(Verb::Created),
                configured: count(Verb::Configured),
                deleted: count(Verb::Deleted),
                failed: count(Verb::Failed),
            });
        }
        self.write(run).await
    }

    /// Writes the inventory where it differs from what is stored.
    async fn write(&mut self, run: &Run<'_>) -> Result<(), Error> {
        if self.inventory == self.stored {
            return Ok(());
        }
        run.hold().await?;
        let namespace = run.settings.state_namespace.as_str();
        let refuse =
            |reason: String| Error::Inventory { name: format!("{namespace}/{}", inventory::NAME), reason };
        let text = serde_json::to_string(&self.inventory).map_err(|error| refuse(error.to_string()))?;
        if text.len() > LIMIT {
            let objects = self.inventory.objects.len();
            return Err(refuse(format!(
                "it would have {} bytes for {objects} objects, more than a ConfigMap holds",
                text.len()
            )));
        }
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": inventory::NAME, "namespace": namespace, "resourceVersion": self.version,
                "labels": {"app.kubernetes.io/part-of": "odin"},
            },
            "data": {DATA_KEY: text},
        });
        let (resource, key) = (config_map(), inventory_key(namespace));
        let written = match self.version {
            Some(_) => run.cluster.replace(&resource, &key, &body).await,
            None => run.cluster.create(&resource, Some(namespace), &body, false).await,
        };
        let stored = match written {
            Ok(stored) => stored,
            Err(failure) if failure.code() == Some(409) => self.own_write(run, &body).await?,
            Err(failure) => return Err(failure.into_error("write the inventory", run.cluster)),
        };
        self.version = stored.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        self.stored = self.inventory.clone();
        Ok(())
    }

    /// A write whose answer was lost shows as a conflict with itself.
    async fn own_write(&self, run: &Run<'_>, body: &Value) -> Result<Value, Error> {
        let found = run.cluster.get(&config_map(), &inventory_key(&run.settings.state_namespace)).await;
        match found.map_err(|failure| failure.into_error("read the inventory", run.cluster))? {
            Some(stored) if stored.get("data") == body.get("data") => Ok(stored),
            _ => Err(Error::Stale { reason: "the inventory was written by someone else".to_owned() }),
        }
    }
}

fn planned(object: &Declared) -> Entry {
    Entry {
        version: object.gvk.version.clone(),
        component: object.component.clone(),
        declared: String::new(),
        owned: String::new(),
        allow_prune: object.annotation(annotations::ALLOW_PRUNE) == Some("true"),
    }
}
