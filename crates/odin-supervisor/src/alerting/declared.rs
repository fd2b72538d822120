//! The declared receivers as objects of the cluster: a Secret for
//! Alertmanager, and a mark on its pods, so that another configuration is
//! another pod and a bad one fails its gate.

use std::collections::BTreeMap;

use odin_cluster::object::Declared;
use odin_cluster::{Bundle, DeclaredSecret, Desired};
use odin_model::config::{ALERTMANAGER_SECRET, Alerting};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::configuration;
use crate::appliance::Appliance;
use crate::{Error, Result, secrets};

/// ConfigMap of the bundle with the default configuration.
const DEFAULT: &str = "alertmanager-default";
/// File of the configuration, in both.
const FILE: &str = "alertmanager.yml";
/// Annotation of Alertmanager's pods with the digest of the configuration. The
/// secrets are not in it: they are files beside it, read when they are needed.
const MARK: &str = "odin.local/receivers-sha256";

/// Everything that should be in the cluster: the bundle, the declared secrets,
/// and what the declared receivers make of both.
///
/// # Errors
/// When a secret cannot be had, or the bundle has no Alertmanager for the
/// declared receivers.
pub(crate) fn desired(appliance: &Appliance, bundle: &Bundle) -> Result<Desired> {
    let secrets = secrets(appliance, Some(bundle))?;
    let mut desired = Desired::new(bundle, &secrets)?;
    let (namespace, name) = ALERTMANAGER_SECRET;
    let ours = secrets.iter().find(|secret| secret.namespace == namespace && secret.name == name);
    if has_receivers(appliance)
        && let Some(configuration) = ours.and_then(|secret| secret.data.get(FILE))
    {
        mark(&mut desired, configuration)?;
    }
    Ok(desired)
}

/// The declared secrets with Alertmanager's; the bundle is needed only where
/// receivers are declared ([`has_receivers`]).
///
/// # Errors
/// As [`desired`].
pub(crate) fn secrets(appliance: &Appliance, bundle: Option<&Bundle>) -> Result<Vec<DeclaredSecret>> {
    let mut secrets = secrets::of(appliance)?;
    if has_receivers(appliance)
        && let (Some(alerting), Some(bundle)) = (&appliance.config.alerting, bundle)
    {
        secrets.push(secret(alerting, bundle)?);
    }
    Ok(secrets)
}

/// Whether Alertmanager gets another configuration than the bundle's.
pub(crate) fn has_receivers(appliance: &Appliance) -> bool {
    appliance.config.alerting.as_ref().is_some_and(|alerting| !alerting.receivers.is_empty())
}

/// The configuration that Alertmanager gets of a declaration.
///
/// # Errors
/// When the bundle has no default to put receivers over.
pub(crate) fn configuration_of(alerting: &Alerting, bundle: &Bundle) -> Result<String> {
    let refused = |reason: String| Error::Alerting {
        action: format!("make Alertmanager's configuration from the bundle {}", bundle.dir().display()),
        reason,
        hint: "declare receivers with a bundle that has the component alertmanager",
    };
    let (namespace, _) = ALERTMANAGER_SECRET;
    let default = object(bundle.objects(), "ConfigMap", namespace, DEFAULT)
        .and_then(|map| map.value.get("data")?.get(FILE)?.as_str())
        .ok_or_else(|| refused(format!("it has no {FILE} in a ConfigMap {namespace}/{DEFAULT}")))?;
    configuration::compose(default, alerting).map_err(refused)
}

fn secret(alerting: &Alerting, bundle: &Bundle) -> Result<DeclaredSecret> {
    let (namespace, name) = ALERTMANAGER_SECRET;
    let configuration = configuration_of(alerting, bundle)?;
    let mut data = BTreeMap::from([(FILE.to_owned(), configuration.into_bytes())]);
    for receiver in &alerting.receivers {
        for (secret, file) in receiver.files() {
            let value = secrets::read(file).map_err(|reason| Error::Secret {
                name: format!("alerting.receivers.{}.{secret}", receiver.name),
                reason,
            })?;
            data.insert(configuration::key(receiver, secret), value);
        }
    }
    Ok(DeclaredSecret { namespace: namespace.to_owned(), name: name.to_owned(), kind: String::new(), data })
}

/// Marks Alertmanager's pods, so that a changed configuration is a new one.
fn mark(desired: &mut Desired, configuration: &[u8]) -> Result<()> {
    let digest: String = Sha256::digest(configuration).iter().map(|byte| format!("{byte:02x}")).collect();
    let (namespace, _) = ALERTMANAGER_SECRET;
    let refused = |reason: &str| Error::Alerting {
        action: "give Alertmanager its configuration".to_owned(),
        reason: reason.to_owned(),
        hint: "declare receivers with a bundle that has the component alertmanager",
    };
    let found = desired.objects.iter_mut().find(|object| {
        object.key.kind == "StatefulSet"
            && object.key.name == "alertmanager"
            && object.key.namespace.as_deref() == Some(namespace)
    });
    let set = found.ok_or_else(|| refused("the bundle has no StatefulSet monitoring/alertmanager"))?;
    let mut value = set.value.clone();
    let Some(metadata) = value.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) else {
        return Err(refused("the StatefulSet monitoring/alertmanager has no metadata for its pods"));
    };
    if let Some(marks) =
        metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new())).as_object_mut()
    {
        marks.insert(MARK.to_owned(), digest.into());
    }
    *set = Declared::new(&set.component, value).map_err(|reason| refused(&reason))?;
    Ok(())
}

fn object<'a>(objects: &'a [Declared], kind: &str, namespace: &str, name: &str) -> Option<&'a Declared> {
    objects.iter().find(|object| {
        object.key.kind == kind
            && object.key.name == name
            && object.key.namespace.as_deref() == Some(namespace)
    })
}

#[cfg(test)]
mod tests;
