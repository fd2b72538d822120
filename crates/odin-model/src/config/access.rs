//! Who may log in to the machine, as far as `odin` writes it.

mod key;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Impossible, require_absolute};

pub(super) use key::check as check_key;

/// `[access]`: where the keys of `site.toml` are written for sshd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Access {
    /// File that sshd reads (`AuthorizedKeysFile` of sshd_config(5)) and `odin
    /// host apply` writes; the keys of `site.toml` go nowhere when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
    /// The keys of `site.toml`; `odin.toml` cannot set them.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub authorized_keys: Vec<String>,
}

impl Access {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        self.keys_file.as_ref().map_or(Ok(()), |file| require_absolute("access.keys-file", file))
    }
}
