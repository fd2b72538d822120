//! What should be there, as small as it can be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use super::pace::Pace;
use super::{Finding, explain};
use crate::desired::Desired;
use crate::fields;
use crate::inventory::Inventory;
use crate::object::{Gvk, ObjectKey};
use crate::observe::{config_map, inventory_key};

/// What a watch guards.
#[derive(Debug)]
pub struct Baseline {
    state_namespace: String,
    pub(super) inventory_version: Option<String>,
    pub(super) objects: BTreeMap<ObjectKey, Tracked>,
}

impl Baseline {
    /// Takes what is declared and was applied. `inventory` and `version` come
    /// from [`crate::Cluster::inventory`], read after the apply.
    #[must_use]
    pub fn new(
        desired: &Desired,
        inventory: &Inventory,
        version: Option<String>,
        state_namespace: &str,
    ) -> Self {
        let mut objects = BTreeMap::new();
        for object in &desired.objects {
            // What was never applied, or is declared otherwise by now, is
            // work for an apply.
            let Some(entry) =
                inventory.objects.get(&object.key).filter(|entry| entry.declared == object.hash)
            else {
                continue;
            };
            let tracked = Tracked {
                gvk: object.gvk.clone(),
                component: object.component.clone(),
                declared: object.value.to_string().into_boxed_str(),
                expected: entry.owned.clone(),
                fresh_from: 0,
                seen: false,
                in_flight: false,
                news: None,
                told: false,
                finding: None,
                pace: Pace::new(Instant::now()),
            };
            objects.insert(object.key.clone(), tracked);
        }
        Self { state_namespace: state_namespace.to_owned(), inventory_version: version, objects }
    }

    /// How many objects are guarded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether nothing is guarded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn inventory_key(&self) -> ObjectKey {
        inventory_key(&self.state_namespace)
    }

    /// Kinds to watch; ConfigMaps always, for the inventory is one.
    pub(super) fn kinds(&self) -> BTreeSet<Gvk> {
        let mut kinds: BTreeSet<Gvk> = self.objects.values().map(|tracked| tracked.gvk.clone()).collect();
        kinds.insert(config_map().gvk().clone());
        kinds
    }
}

/// One guarded object.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) gvk: Gvk,
    pub(super) component: String,
    /// The declared object as JSON text: a tenth of what a tree takes.
    pub(super) declared: Box<str>,
    /// Digest the owned fields should have.
    pub(super) expected: String,
    /// Events up to this version are older than the last repair.
    pub(super) fresh_from: u64,
    /// The present list has shown it.
    pub(super) seen: bool,
    pub(super) in_flight: bool,
    /// Version of the newest event since the last repair began.
    pub(super) news: Option<u64>,
    /// The present finding has been recorded as suspended.
    pub(super) told: bool,
    pub(super) finding: Option<Finding>,
    pub(super) pace: Pace,
}

impl Tracked {
    /// A repair begins; what is seen from now on is news.
    pub(super) fn begins(&mut self) {
        self.in_flight = true;
        self.finding = None;
        self.news = None;
    }

    /// It is not there.
    pub(super) fn deleted(&mut self) {
        self.news = Some(u64::MAX);
        self.told = false;
        self.finding = Some(Finding { manager: None, fields: Vec::new(), held: false });
    }

    /// It is there: is it as it should be?
    pub(super) fn compare(&mut self, live: &Value, version: u64) {
        // One on its way out is judged when it is gone.
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        self.news = Some(version);
        if fields::owned_digest(live).unwrap_or_default() == self.expected {
            self.finding = None;
            self.told = false;
            return;
        }
        let declared: Value = serde_json::from_str(&self.declared).unwrap_or_default();
        let finding = explain(&declared, live);
        let same = self
            .finding
            .as_ref()
            .is_some_and(|known| known.fields == finding.fields && known.held == finding.held);
        self.told = self.told && same;
        self.finding = Some(finding);
    }

    /// It was repaired and looks like this now.
    pub(super) fn settled(&mut self, live: &Value) {
        // What the server made of the declared fields this time is what they
        // are; insisting on an older form would repair for ever.
        self.expected = fields::owned_digest(live).unwrap_or_default();
        let version = live.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        self.fresh_from = version.and_then(|text| text.parse().ok()).unwrap_or(0);
        self.told = false;
        // Events overtake answers: what is newer than the repair stands.
        if self.news.is_none_or(|news| news <= self.fresh_from) {
            self.finding = None;
        }
    }

    /// It could not be repaired: it is tried again, later and later, unless it
    /// was seen to be otherwise meanwhile.
    pub(super) fn failed(&mut self, finding: Finding) {
        if self.news.is_none() {
            self.finding = Some(finding);
        }
    }

    pub(super) fn wants_repair(&self) -> bool {
        !self.in_flight && self.finding.as_ref().is_some_and(|finding| !finding.held)
    }
}
