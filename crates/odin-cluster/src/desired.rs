//! What is wanted: a bundle and the declared secrets, or an earlier state.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::bundle::{Bundle, Component};
use crate::object::{Declared, Gvk};

/// Name under which declared secrets appear in plan and inventory.
pub const SECRETS: &str = "secrets";

/// A secret of the declaration, with its values.
#[derive(Clone)]
pub struct DeclaredSecret {
    /// Namespace it goes to.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Type, `Opaque` when empty.
    pub kind: String,
    /// Values by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for DeclaredSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.data.keys().collect();
        write!(formatter, "DeclaredSecret({}/{} {keys:?})", self.namespace, self.name)
    }
}

impl DeclaredSecret {
    pub(crate) fn declared(&self) -> Result<Declared, String> {
        let data: BTreeMap<&String, ByteString> =
            self.data.iter().map(|(key, value)| (key, ByteString(value.clone()))).collect();
        let kind = if self.kind.is_empty() { "Opaque" } else { &self.kind };
        let labels = json!({"app.kubernetes.io/part-of": "odin", "app.kubernetes.io/component": SECRETS});
        Declared::new(
            SECRETS,
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": kind, "data": data,
                "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            }),
        )
    }
}

/// Everything that should be in the cluster.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Digest of the bundle it came from.
    pub digest: String,
    /// Components in the order of their waves.
    pub components: Vec<Component>,
    /// Objects in the order of components and kinds; secrets first.
    pub objects: Vec<Declared>,
}

impl Desired {
    /// Joins a bundle with the declared secrets.
    ///
    /// # Errors
    /// When a secret has no name, or has the name of an object of the bundle.
    pub fn new(bundle: &Bundle, secrets: &[DeclaredSecret]) -> Result<Self, crate::Error> {
        let refuse = |secret: &DeclaredSecret, reason: String| crate::Error::Blocked {
            reasons: vec![format!("secret {}/{}: {reason}", secret.namespace, secret.name)],
        };
        let mut seen: BTreeSet<_> = bundle.objects().iter().map(|object| object.key.clone()).collect();
        let mut objects = Vec::with_capacity(secrets.len() + bundle.objects().len());
        for secret in secrets {
            let object = secret.declared().map_err(|reason| refuse(secret, reason))?;
            if !seen.insert(object.key.clone()) {
                return Err(refuse(secret, "it is declared twice".to_owned()));
            }
            objects.push(object);
        }
        objects.extend(bundle.objects().iter().cloned());
        Ok(Self { digest: bundle.digest().to_owned(), components: bundle.components().to_vec(), objects })
    }

    /// Kinds of every object, without repetition.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Gvk> {
        self.objects.iter().map(|object| object.gvk.clone()).collect()
    }

    /// Whether the bundle defines a kind itself.
    #[must_use]
    pub fn defines(&self, gvk: &Gvk) -> bool {
        self.objects.iter().any(|object| {
            let text = |path: &str| object.value.pointer(path).and_then(Value::as_str);
            object.key.kind == "CustomResourceDefinition"
                && text("/spec/group") == Some(&gvk.group)
                && text("/spec/names/kind") == Some(&gvk.kind)
        })
    }
}
