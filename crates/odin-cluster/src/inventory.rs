//! The inventory: what ODIN owns in the cluster, kept in the cluster.
//!
//! It is written as the union of old and new before the first object is
//! created, and as what is really there after the last one was pruned. A crash
//! between the two leaves names that may not exist, never objects that nobody
//! remembers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Gvk, ObjectKey};

/// Name of the ConfigMap.
pub const NAME: &str = "odin-inventory";
/// Key in the ConfigMap.
pub const DATA_KEY: &str = "inventory.json";
/// The only format there is.
pub const FORMAT: u32 = 1;
/// Applies that are remembered.
pub const HISTORY_LENGTH: usize = 20;

/// Everything ODIN owns, and how it came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Inventory {
    /// Generation that is in force.
    pub generation: u64,
    /// Digest of the bundle that is in force; empty before the first.
    pub digest: String,
    /// An apply that began and has not ended well yet.
    pub pending: Option<Pending>,
    /// The objects.
    pub objects: BTreeMap<ObjectKey, Entry>,
    /// The last applies, newest last.
    pub history: Vec<Past>,
}

/// An apply that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its generation.
    pub generation: u64,
    /// Its bundle.
    pub digest: String,
}

/// One object of the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version it was applied in.
    pub version: String,
    /// Component it belonged to.
    pub component: String,
    /// Digest of the declared object; empty until it was applied.
    pub declared: String,
    /// Digest of the fields ODIN owned after that; empty until then.
    pub owned: String,
    /// Whether the declared object allowed its own prune.
    pub allow_prune: bool,
}

/// One apply of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Generation that was applied.
    pub generation: u64,
    /// Bundle that was applied.
    pub digest: String,
    /// When it ended.
    pub at: jiff::Timestamp,
    /// Objects created.
    pub created: usize,
    /// Objects changed.
    pub configured: usize,
    /// Objects removed.
    pub deleted: usize,
    /// Objects that failed or were skipped for a failure.
    pub failed: usize,
}

impl Inventory {
    /// The highest generation that was ever begun.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.pending.as_ref().map_or(self.generation, |pending| pending.generation.max(self.generation))
    }

    /// Adds an apply to the history and forgets the oldest.
    pub fn remember(&mut self, past: Past) {
        self.history.push(past);
        let surplus = self.history.len().saturating_sub(HISTORY_LENGTH);
        self.history.drain(..surplus);
    }

    /// Group, version and kind of every entry.
    pub fn kinds(&self) -> impl Iterator<Item = Gvk> + '_ {
        self.objects.iter().map(|(key, entry)| entry.gvk(key))
    }

    /// Reads the text of the ConfigMap.
    ///
    /// # Errors
    /// When it is not an inventory of a known format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| format!("{DATA_KEY}: {error}"))?;
        if wire.format == FORMAT { Ok(wire.into()) } else { Err(format!("its format is {}", wire.format)) }
    }
}

impl Entry {
    /// Group, version and kind of the entry's object.
    #[must_use]
    pub fn gvk(&self, key: &ObjectKey) -> Gvk {
        Gvk { group: key.group.clone(), version: self.version.clone(), kind: key.kind.clone() }
    }
}

/// The stored form: flat and short, because a ConfigMap holds one MiB.
#[derive(Serialize, Deserialize)]
struct Wire {
    format: u32,
    generation: u64,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    objects: Vec<WireEntry>,
    #[serde(default)]
    history: Vec<Past>,
}

#[derive(Serialize, Deserialize)]
struct WireEntry {
    /// `apiVersion`.
    a: String,
    /// Kind.
    k: String,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// Name.
    m: String,
    /// Component.
    c: String,
    /// Digest of the declared object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    d: String,
    /// Digest of the owned fields.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    o: String,
    /// May be pruned although protected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    p: bool,
}

impl From<Wire> for Inventory {
    fn from(wire: Wire) -> Self {
        let objects = wire.objects.into_iter().map(|entry| {
            let gvk = Gvk::new(&entry.a, &entry.k);
            let key = ObjectKey { group: gvk.group, kind: gvk.kind, namespace: entry.n, name: entry.m };
            let (component, declared, owned) = (entry.c, entry.d, entry.o);
            (key, Entry { version: gvk.version, component, declared, owned, allow_prune: entry.p })
        });
        Self {
            generation: wire.generation,
            digest: wire.digest,
            pending: wire.pending,
            objects: objects.collect(),
            history: wire.history,
        }
    }
}

impl From<Inventory> for Wire {
    fn from(inventory: Inventory) -> Self {
        let objects = inventory.objects.into_iter().map(|(key, entry)| WireEntry {
            a: entry.gvk(&key).api_version(),
            k: key.kind,
            n: key.namespace,
            m: key.name,
            c: entry.component,
            d: entry.declared,
            o: entry.owned,
            p: entry.allow_prune,
        });
        Self {
            format: FORMAT,
            generation: inventory.generation,
            digest: inventory.digest,
            pending: inventory.pending,
            objects: objects.collect(),
            history: inventory.history,
        }
    }
}
