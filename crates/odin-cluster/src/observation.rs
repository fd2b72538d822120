//! What was seen in the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::fields;
use crate::inventory::Inventory;
use crate::object::{Gvk, ObjectKey, annotation};

/// One look at everything a plan needs.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The inventory; empty before the first apply.
    pub inventory: Inventory,
    /// Resource version of its ConfigMap; `None` when there is none yet.
    pub inventory_version: Option<String>,
    /// Objects that are wanted or in the inventory, and exist.
    pub live: BTreeMap<ObjectKey, Arc<Live>>,
    /// Kinds the API server does not serve.
    pub unserved: BTreeSet<Gvk>,
}

/// An object as it is in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The whole object.
    pub value: Value,
    /// Digest of the fields ODIN owns in it; `None` when it owns none.
    pub owned: Option<String>,
}

impl Live {
    /// Takes an object as a list or a watch gave it.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let owned = fields::owned_digest(&value);
        Self { value, owned }
    }

    /// Reads an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        annotation(&self.value, name)
    }

    /// Reads a text of its metadata.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get(name)?.as_str()
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn terminating(&self) -> bool {
        self.meta("deletionTimestamp").is_some()
    }
}
