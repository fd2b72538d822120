//! How the bundle is applied.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Impossible, require_absolute};

/// `[apply]`: the bundle and the limits of what applying it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Apply {
    /// Directory of the bundle in force.
    pub bundle: PathBuf,
    /// More removals than this in one apply stop and ask (`--prune-limit`).
    pub prune_limit: usize,
    /// Objects of protected kinds that may be pruned all the same, each
    /// `Kind/namespace/name` or `Kind/name`.
    pub allow_prune: Vec<String>,
    /// Objects whose fields are taken over from other field managers, each
    /// `Kind/namespace/name` or `Kind/name`.
    pub take_over: Vec<String>,
    /// Whether the daemon repairs hand-made changes of declared fields.
    pub repair_drift: bool,
}

impl Default for Apply {
    fn default() -> Self {
        Self {
            bundle: "/etc/odin/bundle".into(),
            prune_limit: 10,
            allow_prune: Vec::new(),
            take_over: Vec::new(),
            repair_drift: true,
        }
    }
}

impl Apply {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        require_absolute("apply.bundle", &self.bundle)?;
        for (key, list) in [("apply.allow-prune", &self.allow_prune), ("apply.take-over", &self.take_over)] {
            for entry in list {
                let parts: Vec<&str> = entry.split('/').collect();
                if !matches!(parts.len(), 2 | 3) || parts.iter().any(|part| part.is_empty()) {
                    return Err(Impossible::new(
                        key,
                        entry,
                        "must be \"Kind/namespace/name\", or \"Kind/name\" for what has no namespace",
                    ));
                }
            }
        }
        Ok(())
    }
}
