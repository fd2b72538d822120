//! Going back one apply.
//!
//! Before a changed bundle is applied, the objects declared until then and a
//! full copy of every object that will be pruned are stored. Undo applies the
//! former set again and makes pruned objects anew from their copies.

mod store;

use std::collections::BTreeMap;

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use odin_model::event::{Observer, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use store::{DirectoryStore, MemoryStore, UndoStore};

use crate::Error;
use crate::apply::{ChangeSet, apply_with_copies};
use crate::bundle::Component;
use crate::cluster::{Cluster, Failure, Resource};
use crate::desired::{DeclaredSecret, Desired, SECRETS};
use crate::fields;
use crate::inventory::{Inventory, Past};
use crate::object::{Declared, ObjectKey};
use crate::observe::key_of;
use crate::plan::{self, Plan};
use crate::settings::Settings;

/// Copy of the set that is in force.
const APPLIED: &str = "applied.json";
/// Copy of the set before, with what was pruned.
const UNDO: &str = "undo.json";
/// Manager under which a copy is made anew or a list put back; it keeps no
/// field.
pub(crate) const MANAGER: &str = "odin-undo";

/// A set of declared objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Set {
    generation: u64,
    digest: String,
    components: Vec<Component>,
    objects: Vec<Stored>,
    /// Full copies of objects that were pruned.
    #[serde(default)]
    pruned: Vec<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    component: String,
    value: Value,
}

impl Set {
    fn of(desired: &Desired, generation: u64) -> Self {
        // Declared secrets have their values elsewhere and are given again.
        let lasting = desired.objects.iter().filter(|object| object.component != SECRETS);
        let stored =
            |object: &Declared| Stored { component: object.component.clone(), value: object.value.clone() };
        Self {
            generation,
            digest: desired.digest.clone(),
            components: desired.components.clone(),
            objects: lasting.map(stored).collect(),
            pruned: Vec::new(),
        }
    }
}

/// What an undo would do.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The former set.
    pub desired: Desired,
    /// The way to it.
    pub plan: Plan,
    settings: Settings,
    copies: BTreeMap<ObjectKey, Value>,
}

/// Plans to go back to the set before the last change.
///
/// # Errors
/// When there is nothing to go back to, or the cluster cannot be observed.
pub async fn prepare(
    cluster: &Cluster,
    store: &dyn UndoStore,
    secrets: &[DeclaredSecret],
    settings: &Settings,
) -> Result<Undo, Error> {
    let set = load(store, UNDO)?.ok_or(Error::NothingToUndo)?;
    let corrupt = |reason: String| Error::Undo {
        action: "read",
        name: UNDO.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    };
    let mut objects =
        secrets.iter().map(DeclaredSecret::declared).collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
    for stored in set.objects {
        objects.push(Declared::new(&stored.component, stored.value).map_err(corrupt)?);
    }
    let desired = Desired { digest: set.digest, components: set.components, objects };
    let settings = Settings { rollback: true, generation: set.generation, ..settings.clone() };
    let observation = cluster.observe(&desired, &settings.state_namespace).await?;
    let plan = plan::plan(&desired, &observation, &settings);
    let copies = set.pruned.into_iter().filter_map(|value| Some((key_of(&value)?, value)));
    let missing = copies.filter(|(key, _)| !observation.live.contains_key(key)).collect();
    Ok(Undo { desired, plan, settings, copies: missing })
}

/// Goes back to the set before the last change; a second undo goes forth
/// again.
///
/// # Errors
/// As [`crate::apply::apply`].
pub async fn undo(
    cluster: &Cluster,
    undo: Undo,
    store: &dyn UndoStore,
    observer: &dyn Observer,
) -> Result<ChangeSet, Error> {
    apply_with_copies(cluster, &undo.desired, &undo.plan, &undo.settings, store, observer, undo.copies).await
}

/// The last applies, newest last.
///
/// # Errors
/// When the inventory cannot be read.
pub async fn history(cluster: &Cluster, settings: &Settings) -> Result<Vec<Past>, Error> {
    Ok(cluster.inventory(&settings.state_namespace).await?.0.history)
}

/// Stores what is needed to come back, and returns how objects were declared
/// until now.
pub(crate) fn keep(
    store: &dyn UndoStore,
    inventory: &Inventory,
    desired: &Desired,
    plan: &Plan,
) -> Result<BTreeMap<ObjectKey, Value>, Error> {
    let applied = load(store, APPLIED)?.filter(|set| set.digest == inventory.digest);
    let mut before = match applied {
        Some(set) => set,
        None => reconstructed(inventory, desired, plan),
    };
    let previous = before
        .objects
        .iter()
        .filter_map(|stored| Some((key_of(&stored.value)?, stored.value.clone())))
        .collect();
    let changed = plan.digest != inventory.digest || plan.count(Verb::Deleted) > 0;
    if !inventory.digest.is_empty() && changed {
        // A second attempt at the same change must not lose the copies of the
        // first: its objects are gone.
        if let Some(earlier) = load(store, UNDO)?.filter(|set| set.digest == before.digest) {
            before.pruned = earlier.pruned;
        }
        let doomed = plan.actions().filter(|action| action.verb == Verb::Deleted);
        for live in doomed.filter_map(|action| action.live.as_ref()) {
            before.pruned.retain(|copy| key_of(copy) != key_of(&live.value));
            before.pruned.push(live.value.clone());
        }
        save(store, UNDO, &before)?;
    }
    Ok(previous)
}

/// Stores the set that is in force from now on.
pub(crate) fn remember(store: &dyn UndoStore, desired: &Desired, generation: u64) -> Result<(), Error> {
    let known = load(store, APPLIED)?;
    if known.is_some_and(|set| set.digest == desired.digest && set.generation == generation) {
        return Ok(());
    }
    save(store, APPLIED, &Set::of(desired, generation))
}

/// Without the local copy, what ODIN owns in the live objects is what it
/// declared.
fn reconstructed(inventory: &Inventory, desired: &Desired, plan: &Plan) -> Set {
    let mut objects = Vec::new();
    for action in plan.actions() {
        let (Some(live), Some(entry)) = (&action.live, &action.entry) else { continue };
        let Some(owned) = fields::managed(&live.value) else { continue };
        if entry.component == SECRETS {
            continue;
        }
        let mut value = fields::extract(&live.value, owned);
        if let Some(map) = value.as_object_mut() {
            map.insert("apiVersion".to_owned(), entry.gvk(&action.object).api_version().into());
            map.insert("kind".to_owned(), action.object.kind.clone().into());
            let metadata = map.entry("metadata").or_insert_with(|| json!({}));
            metadata["name"] = action.object.name.clone().into();
            if let Some(namespace) = &action.object.namespace {
                metadata["namespace"] = namespace.clone().into();
            }
        }
        objects.push(Stored { component: entry.component.clone(), value });
    }
    let (generation, digest) = (inventory.generation, inventory.digest.clone());
    Set { generation, digest, components: desired.components.clone(), objects, pruned: Vec::new() }
}

/// Makes a pruned object again as it was, fields of others included.
pub(crate) async fn recreate(
    cluster: &Cluster,
    resource: &Resource,
    key: &ObjectKey,
    copy: &Value,
) -> Result<(), Error> {
    let mut body = copy.clone();
    strip(&mut body);
    let path = Request::new(resource.path(key.namespace.as_deref()));
    let params = PostParams { dry_run: false, field_manager: Some(MANAGER.to_owned()) };
    let request = path.create(&params, body.to_string().into_bytes()).map_err(|error| error.to_string());
    match cluster.call::<Value>(request).await {
        Ok(_) => Ok(()),
        // It exists, or what it held (an address, a volume) is not to be had
        // any more: the declared fields alone are applied next.
        Err(failure) if matches!(failure.code(), Some(409 | 422)) => Ok(()),
        Err(failure) => Err(failure.into_error(&format!("make {key} again from its copy"), cluster)),
    }
}

/// Takes the copy's manager off an object: it would keep fields alive that the
/// bundle drops later.
pub(crate) async fn disown(
    cluster: &Cluster,
    resource: &Resource,
    key: &ObjectKey,
    live: Value,
) -> Result<Value, Failure> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let others: Vec<&Value> =
        entries.into_iter().flatten().filter(|entry| entry["manager"] != MANAGER).collect();
    let version = live.pointer("/metadata/resourceVersion");
    let patch = json!({"metadata": {"managedFields": others, "resourceVersion": version}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let path = Request::new(resource.path(key.namespace.as_deref()));
    let request = path.patch(&key.name, &params, &Patch::Merge(&patch)).map_err(|error| error.to_string());
    match cluster.call(request).await {
        // Its controllers were faster; co-owned fields are harmless until the
        // bundle drops one.
        Err(failure) if matches!(failure.code(), Some(404 | 409)) => Ok(live),
        other => other,
    }
}

/// Takes away what belongs to the life an object had before.
fn strip(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "ownerReferences",
            "selfLink",
        ] {
            metadata.remove(name);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations
                .retain(|name, _| !name.starts_with("pv.kubernetes.io/") && !name.starts_with("volume."));
        }
    }
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        match kind.as_str() {
            // Its volume went with it.
            "PersistentVolumeClaim" => drop(spec.remove("volumeName")),
            // The controller gives a job its own selector and labels.
            "Job" => {
                spec.remove("selector");
                if let Some(labels) = spec
                    .get_mut("template")
                    .and_then(|template| template.pointer_mut("/metadata/labels"))
                    .and_then(Value::as_object_mut)
                {
                    labels.retain(|name, _| !name.ends_with("controller-uid"));
                }
            }
            _ => {}
        }
    }
}

fn load(store: &dyn UndoStore, name: &str) -> Result<Option<Set>, Error> {
    let fail = |source| Error::Undo { action: "read", name: name.to_owned(), source };
    let Some(bytes) = store.get(name).map_err(fail)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| fail(error.into()))
}

fn save(store: &dyn UndoStore, name: &str, set: &Set) -> Result<(), Error> {
    let fail = |source| Error::Undo { action: "write", name: name.to_owned(), source };
    let bytes = serde_json::to_vec(set).map_err(|error| fail(error.into()))?;
    store.put(name, &bytes).map_err(fail)
}
