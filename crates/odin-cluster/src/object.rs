//! Identity and order of objects.

use std::fmt;

use serde_json::Value;

use crate::fields;

/// Identity of an object: everything but its version, which may change while
/// the object stays the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Namespace, for objects that live in one.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{} {namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{} {}", self.kind, self.name),
        }
    }
}

/// Group and version and kind, as requests need them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group, empty for the core group.
    pub group: String,
    /// Version, for example `v1`.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl fmt::Display for Gvk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.kind, self.version)?;
        if self.group.is_empty() { Ok(()) } else { write!(formatter, ".{}", self.group) }
    }
}

impl Gvk {
    /// Reads `apiVersion` and `kind` of an object.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let api_version = value.get("apiVersion")?.as_str()?;
        let kind = value.get("kind")?.as_str()?.to_owned();
        Some(Self::new(api_version, &kind))
    }

    /// Splits an `apiVersion`.
    #[must_use]
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Joins group and version again.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// An object as the bundle, or the declaration of secrets, wants it.
#[derive(Clone, PartialEq)]
pub struct Declared {
    /// Identity.
    pub key: ObjectKey,
    /// Group, version and kind.
    pub gvk: Gvk,
    /// Component it belongs to.
    pub component: String,
    /// Every declared field.
    pub value: Value,
    /// Digest of the declared fields.
    pub hash: String,
}

impl fmt::Debug for Declared {
    // Without the value: it may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Declared({}, {})", self.key, self.hash)
    }
}

impl Declared {
    /// Takes an object apart; the error says what is missing.
    ///
    /// # Errors
    /// When `apiVersion`, `kind` or `metadata.name` are missing.
    pub fn new(component: &str, value: Value) -> Result<Self, String> {
        let gvk = Gvk::of(&value).ok_or("no apiVersion or kind")?;
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("/metadata/name").ok_or("no metadata.name")?.to_owned();
        let namespace = text("/metadata/namespace").map(str::to_owned);
        let key = ObjectKey { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace, name };
        let hash = fields::digest(&value);
        Ok(Self { key, gvk, component: component.to_owned(), value, hash })
    }

    /// Reads one of the object's own annotations.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        annotation(&self.value, name)
    }
}

/// Reads an annotation of any object.
#[must_use]
pub fn annotation<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

/// Annotations that ODIN honours.
pub mod annotations {
    /// On a live object: drift is not repaired and apply leaves it alone.
    pub const SUSPEND: &str = "odin.local/suspend";
    /// Declared on a protected kind: it may be pruned.
    pub const ALLOW_PRUNE: &str = "odin.local/allow-prune";
    /// Declared: conflicts with other field managers are won by force.
    pub const TAKE_OVER: &str = "odin.local/take-over";
    /// Declared on a custom resource: `CONDITION=STATUS`, or `none`.
    pub const HEALTH: &str = "odin.local/health";
}

/// Kinds that hold data, or take what holds data with them.
#[must_use]
pub fn is_protected(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("", "Namespace" | "PersistentVolumeClaim" | "PersistentVolume")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// Whether other objects cannot exist before this one.
#[must_use]
pub fn is_foundation(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// Place of a kind inside a component: lower first, prune the other way round.
#[must_use]
pub fn rank(key: &ObjectKey) -> u8 {
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        // What limits or identifies pods must be there before the first pod.
        ("", "ServiceAccount" | "ResourceQuota" | "LimitRange")
        | ("networking.k8s.io", "NetworkPolicy" | "IngressClass")
        | ("scheduling.k8s.io" | "node.k8s.io" | "storage.k8s.io", _) => 2,
        ("rbac.authorization.k8s.io", _) => 3,
        ("", "ConfigMap" | "Secret") => 4,
        ("", "PersistentVolume" | "PersistentVolumeClaim") => 5,
        ("", "Service") => 6,
        ("apps" | "batch", _) | ("", "Pod" | "ReplicationController") => 7,
        ("policy" | "autoscaling" | "networking.k8s.io", _) => 8,
        // A webhook that comes before its pods refuses everything after it.
        ("admissionregistration.k8s.io", _) => 11,
        ("apiregistration.k8s.io", _) => 10,
        _ => 9,
    }
}

/// Whether an object of this kind is outside every namespace; `None` for
/// kinds this crate does not know.
#[must_use]
pub fn is_cluster_scoped(group: &str, kind: &str) -> Option<bool> {
    match group {
        "" => Some(matches!(kind, "Namespace" | "Node" | "PersistentVolume")),
        "rbac.authorization.k8s.io" => Some(kind.starts_with("ClusterRole")),
        "certificates.k8s.io"
        | "apiextensions.k8s.io"
        | "apiregistration.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "admissionregistration.k8s.io"
        | "flowcontrol.apiserver.k8s.io" => Some(true),
        "storage.k8s.io" => Some(kind != "CSIStorageCapacity"),
        "networking.k8s.io" => Some(matches!(kind, "IngressClass" | "ServiceCIDR" | "IPAddress")),
        "apps" | "batch" | "autoscaling" | "policy" | "coordination.k8s.io" | "discovery.k8s.io" => {
            Some(false)
        }
        _ => None,
    }
}
