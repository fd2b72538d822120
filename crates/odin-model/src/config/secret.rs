//! Secrets by reference: the declaration names a file or asks for random bytes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Impossible, is_label, require_absolute};

/// `[[secrets]]`: one key of one Kubernetes Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secret {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret; several keys of one Secret are several tables.
    pub name: String,
    /// Key inside the Secret.
    pub key: String,
    /// File that holds the value, read when the Secret is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Number of random bytes to generate once and keep, 16 to 256; the value
    /// is their lower-case hexadecimal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<u16>,
}

/// Where the value of a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrigin<'a> {
    /// A file on the machine.
    File(&'a PathBuf),
    /// This many random bytes, generated once.
    Generate(u16),
}

impl Secret {
    /// The origin. A validated secret has exactly one; a file wins over
    /// random bytes because it can be restored by hand.
    #[must_use]
    pub fn origin(&self) -> Option<SecretOrigin<'_>> {
        self.file.as_ref().map(SecretOrigin::File).or_else(|| self.generate.map(SecretOrigin::Generate))
    }
}

pub(super) fn validate(secrets: &[Secret]) -> Result<(), Impossible> {
    let mut seen = BTreeSet::new();
    for secret in secrets {
        let name = format!("{}/{} {}", secret.namespace, secret.name, secret.key);
        if !is_label(&secret.namespace) {
            return Err(Impossible::new(
                "secrets.namespace",
                &secret.namespace,
                "must be the name of a namespace",
            ));
        }
        if !seen.insert((&secret.namespace, &secret.name, &secret.key)) {
            return Err(Impossible::new("secrets", name, "is declared twice"));
        }
        match (&secret.file, secret.generate) {
            (Some(file), None) => require_absolute("secrets.file", file)?,
            (None, Some(16..=256)) => {}
            (None, Some(bytes)) => {
                return Err(Impossible::new("secrets.generate", bytes, "must be 16 to 256 bytes"));
            }
            _ => {
                return Err(Impossible::new("secrets", name, "must have either `file` or `generate`"));
            }
        }
    }
    Ok(())
}
