//! Drift: what was applied is watched, and put back when someone changes it.
//!
//! One watch a kind. An object has drifted when the fields ODIN owns are not
//! those, or do not have the values, that the inventory remembers; a digest
//! tells, so of a thousand objects only digests and the declared text stay in
//! memory. The watch ends when the inventory changes: then another bundle is
//! in force, and the caller begins again with a new [`Baseline`].

mod baseline;
mod pace;
mod repair;

use std::collections::BTreeMap;
use std::time::Instant;

use futures::stream::{FuturesUnordered, SelectAll};
use futures::{Stream, StreamExt as _};
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_kind};
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch as flag};

pub use baseline::Baseline;

use crate::Error;
use crate::cluster::{Backoff, Cluster};
use crate::fields::{self, FieldChange};
use crate::object::{Gvk, ObjectKey, annotation, annotations};
use crate::observe::key_of;
use baseline::Tracked;
use repair::{Repair, Repaired};

/// Objects a page of the first list; small, because pages are whole objects.
const PAGE: u32 = 200;
/// Repairs in flight at once.
const REPAIRS: usize = 8;

/// One hand-made change and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DriftRecord {
    /// When it was handled.
    pub time: jiff::Timestamp,
    /// `Kind namespace/name`.
    pub object: String,
    /// Component of the object.
    pub component: String,
    /// Field manager that made the change; `None` for a deletion, which
    /// leaves no trace in the object.
    pub manager: Option<String>,
    /// Changed fields; empty for a deletion. Values of secrets are hashed.
    pub fields: Vec<FieldChange>,
    /// What was done.
    pub action: DriftAction,
}

/// What was done about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "reason", rename_all = "kebab-case")]
pub enum DriftAction {
    /// The declared fields have their values again.
    Repaired,
    /// Nothing, because repairing is suspended.
    Suspended,
    /// It could not be repaired; it is tried again.
    Failed(String),
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The inventory changed: begin again with a new baseline.
    Superseded,
    /// Nobody takes records any more.
    Unheard,
}

/// A change that was seen.
#[derive(Clone, Debug)]
struct Finding {
    manager: Option<String>,
    fields: Vec<FieldChange>,
    held: bool,
}

type Kinds =
    SelectAll<futures::stream::BoxStream<'static, (usize, Result<Event<DynamicObject>, watcher::Error>)>>;

/// Watches what is in force and repairs it until the inventory changes.
///
/// # Errors
/// When the kinds to watch cannot be found out. Watches that break are begun
/// again by themselves.
pub async fn watch(
    cluster: &Cluster,
    baseline: Baseline,
    suspended: flag::Receiver<bool>,
    records: mpsc::Sender<DriftRecord>,
) -> Result<Ended, Error> {
    let mut kinds = Vec::new();
    let mut streams: Kinds = SelectAll::new();
    for gvk in baseline.kinds() {
        let Some(resource) = cluster.resource(&gvk).await? else { continue };
        let api: Api<DynamicObject> = Api::all_with(cluster.client().clone(), resource.api());
        let index = kinds.len();
        kinds.push(gvk);
        streams.push(kind_stream(api).map(move |event| (index, event)).boxed());
    }
    let mut guard = Guard {
        cluster,
        inventory: baseline.inventory_key(),
        version: baseline.inventory_version.clone(),
        objects: baseline.objects,
        kinds,
        suspended,
        records,
        repairs: FuturesUnordered::new(),
    };
    guard.run(&mut streams).await
}

fn kind_stream(
    api: Api<DynamicObject>,
) -> impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>> + Send {
    watch_kind(api, watcher::Config::default().page_size(PAGE)).backoff(Backoff::new())
}

struct Guard<'a> {
    cluster: &'a Cluster,
    inventory: ObjectKey,
    version: Option<String>,
    objects: BTreeMap<ObjectKey, Tracked>,
    kinds: Vec<Gvk>,
    suspended: flag::Receiver<bool>,
    records: mpsc::Sender<DriftRecord>,
    repairs: FuturesUnordered<Repair<'a>>,
}

impl Guard<'_> {
    async fn run(&mut self, streams: &mut Kinds) -> Result<Ended, Error> {
        loop {
            let due = self.next_due();
            let pause = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into());
            let ended = tokio::select! {
                Some((kind, event)) = streams.next() => self.take(kind, event).await,
                Some(done) = self.repairs.next() => self.settle(done).await,
                Ok(()) = self.suspended.changed() => None,
                () = pause, if due.is_some() => None,
                else => return Ok(Ended::Unheard),
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
            if let Some(ended) = self.start_repairs().await {
                return Ok(ended);
            }
        }
    }

    /// Takes one event of a watch.
    async fn take(
        &mut self,
        kind: usize,
        event: Result<Event<DynamicObject>, watcher::Error>,
    ) -> Option<Ended> {
        match event {
            Ok(Event::Init) => {
                let gvk = self.kinds[kind].clone();
                self.of_kind(&gvk).for_each(|tracked| tracked.seen = false);
                None
            }
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let version = object.resource_version().and_then(|text| text.parse().ok()).unwrap_or(0);
                self.look(kind, &object, version)
            }
            // Only a list that came to its end shows what is missing.
            Ok(Event::InitDone) => {
                let gvk = self.kinds[kind].clone();
                self.of_kind(&gvk).filter(|tracked| !tracked.seen).for_each(Tracked::deleted);
                None
            }
            Ok(Event::Delete(object)) => {
                let key = self.key(kind, &object);
                if key == self.inventory {
                    return Some(Ended::Superseded);
                }
                if let Some(tracked) = self.objects.get_mut(&key) {
                    tracked.deleted();
                }
                None
            }
            Err(error) => {
                tracing::debug!(kind = %self.kinds[kind], %error, "a watch broke and begins again");
                None
            }
        }
    }

    fn of_kind(&mut self, gvk: &Gvk) -> impl Iterator<Item = &mut Tracked> {
        let gvk = gvk.clone();
        self.objects.values_mut().filter(move |tracked| tracked.gvk == gvk)
    }

    fn key(&self, kind: usize, object: &DynamicObject) -> ObjectKey {
        let gvk = &self.kinds[kind];
        ObjectKey {
            group: gvk.group.clone(),
            kind: gvk.kind.clone(),
            namespace: object.namespace(),
            name: object.name_any(),
        }
    }

    /// Compares an object with what it should be.
    fn look(&mut self, kind: usize, object: &DynamicObject, version: u64) -> Option<Ended> {
        let key = self.key(kind, object);
        if key == self.inventory {
            return (object.resource_version() != self.version).then_some(Ended::Superseded);
        }
        let tracked = self.objects.get_mut(&key)?;
        tracked.seen = true;
        if version <= tracked.fresh_from {
            return None;
        }
        let mut live = serde_json::to_value(object).ok()?;
        // Items of a list carry no type of their own.
        if let Some(map) = live.as_object_mut() {
            map.insert("apiVersion".to_owned(), tracked.gvk.api_version().into());
            map.insert("kind".to_owned(), tracked.gvk.kind.clone().into());
        }
        tracked.compare(&live, version);
        None
    }

    /// When the next repair that had to wait is due.
    fn next_due(&self) -> Option<Instant> {
        if *self.suspended.borrow() || self.repairs.len() >= REPAIRS {
            return None;
        }
        let waiting = self.objects.values().filter(|tracked| tracked.wants_repair());
        waiting.map(|tracked| tracked.pace.due()).min()
    }

    async fn start_repairs(&mut self) -> Option<Ended> {
        let (now, all_held) = (Instant::now(), *self.suspended.borrow_and_update());
        let mut told = Vec::new();
        for (key, tracked) in &mut self.objects {
            let Some(finding) = tracked.finding.clone().filter(|_| !tracked.in_flight) else { continue };
            if all_held || finding.held {
                if !tracked.told {
                    tracked.told = true;
                    told.push(record(key, tracked, &finding, DriftAction::Suspended));
                }
            } else if tracked.pace.due() <= now && self.repairs.len() < REPAIRS {
                tracked.begins();
                let inventory = (self.inventory.clone(), self.version.clone());
                self.repairs.push(repair::start(self.cluster, key, tracked, finding, inventory));
            }
        }
        self.tell(told).await
    }

    /// Takes the end of a repair.
    async fn settle(&mut self, done: Repaired) -> Option<Ended> {
        let Repaired { key, finding, outcome } = done;
        let tracked = self.objects.get_mut(&key)?;
        tracked.in_flight = false;
        tracked.pace.repaired(Instant::now());
        let told = match outcome {
            Err(repair::Stopped::Superseded) => return Some(Ended::Superseded),
            Ok(live) => {
                tracked.settled(&live);
                record(&key, tracked, &finding, DriftAction::Repaired)
            }
            Err(repair::Stopped::Failed(reason)) => {
                let told = record(&key, tracked, &finding, DriftAction::Failed(reason));
                tracked.failed(finding);
                told
            }
        };
        self.tell(vec![told]).await
    }

    async fn tell(&mut self, records: Vec<DriftRecord>) -> Option<Ended> {
        for record in records {
            if self.records.send(record).await.is_err() {
                return Some(Ended::Unheard);
            }
        }
        None
    }
}

fn record(key: &ObjectKey, tracked: &Tracked, finding: &Finding, action: DriftAction) -> DriftRecord {
    DriftRecord {
        time: jiff::Timestamp::now(),
        object: key.to_string(),
        component: tracked.component.clone(),
        manager: finding.manager.clone(),
        fields: finding.fields.clone(),
        action,
    }
}

/// Puts a difference into words.
fn explain(declared: &Value, live: &Value) -> Finding {
    // Seen from the live side: from what was declared to what it became.
    let fields: Vec<FieldChange> =
        fields::changes(declared, live).into_iter().map(FieldChange::reversed).collect();
    let paths: Vec<String> = fields.iter().map(|change| change.path.clone()).collect();
    let manager = fields::owner(live, &paths).map(|owner| owner.manager);
    let held = annotation(live, annotations::SUSPEND) == Some("true");
    debug_assert!(key_of(live).is_some());
    Finding { manager, fields, held }
}
