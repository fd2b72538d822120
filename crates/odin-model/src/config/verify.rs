//! What acceptance is measured against.

use serde::{Deserialize, Serialize};

/// `[verify]`: objects of the bundle that `odin verify` tries things on.
///
/// A key that is absent makes its row *absent*, not passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Verify {
    /// Namespace with a ResourceQuota that must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_namespace: Option<String>,
    /// Namespace whose Pod Security level must refuse a privileged pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_namespace: Option<String>,
    /// Service account, `namespace/name`, that must be denied what it has no
    /// role for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_account: Option<String>,
    /// Namespaces that must have a default-deny NetworkPolicy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub isolated_namespaces: Vec<String>,
    /// Namespace in which a pod writes to a volume of the default storage
    /// class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_namespace: Option<String>,
}
