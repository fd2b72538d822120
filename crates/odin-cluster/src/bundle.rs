//! Bundles: what the build rendered and the supervisor applies.
//!
//! A bundle is a directory: one directory a component, one object a file,
//! `bundle.toml` and `SHA256SUMS`. The sums are checked before anything else
//! is read, so nothing of a tampered or truncated bundle is ever applied. The
//! digest of `SHA256SUMS` names the bundle.

mod build;
mod lint;
mod manifest;
mod order;
mod sums;
mod workplace;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use build::{BuildOptions, build, build_unless};
pub use lint::{Finding, Severity, lint};

use crate::Error;
use crate::object::{Declared, ObjectKey, is_cluster_scoped};

/// Largest file a bundle may hold. The API server takes 3 MiB at most; what is
/// above this limit is a mistake and is not even read.
pub const FILE_LIMIT: u64 = 8 * 1024 * 1024;

/// A component: objects that become ready together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Name, also of its directory.
    pub name: String,
    /// Namespace of objects that name none.
    pub namespace: String,
    /// Components that must be healthy first.
    pub after: Vec<String>,
    /// How long its objects may take to become healthy.
    pub timeout: Duration,
    /// Whether later components wait for its health.
    pub gate: bool,
    /// Place in the order, 0 first.
    pub wave: usize,
}

/// A bundle that was read and checked.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    digest: String,
    overlay: String,
    components: Vec<Component>,
    objects: Vec<Declared>,
}

impl Bundle {
    /// Reads and checks a bundle.
    ///
    /// # Errors
    /// When a file is missing, not listed, changed, too large, unreadable or
    /// not what a bundle holds; the error names the file.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let files = sums::read(dir)?;
        let digest = files.digest.clone();
        let header = manifest::parse(dir, &files)?;
        let components = order::waves(dir, header.components)?;
        let objects = read_objects(dir, &files, &components)?;
        Ok(Self { dir: dir.to_owned(), digest, overlay: header.overlay, components, objects })
    }

    /// Directory it was read from.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// SHA-256 of its `SHA256SUMS`: the name of the bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Overlay it was rendered from.
    #[must_use]
    pub fn overlay(&self) -> &str {
        &self.overlay
    }

    /// Components in the order of their waves; by name inside a wave.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Every object, in the order of components, kinds and names.
    #[must_use]
    pub fn objects(&self) -> &[Declared] {
        &self.objects
    }

    /// Describes the bundle in a few lines.
    #[must_use]
    pub fn show(&self) -> Contents<'_> {
        Contents { bundle: self }
    }
}

/// What `odin bundle show` prints.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    bundle: &'a Bundle,
}

impl fmt::Display for Contents<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bundle = self.bundle;
        writeln!(formatter, "digest   {}", bundle.digest)?;
        writeln!(formatter, "overlay  {}", bundle.overlay)?;
        writeln!(formatter, "objects  {}", bundle.objects.len())?;
        for component in &bundle.components {
            let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
            for object in bundle.objects.iter().filter(|object| object.component == component.name) {
                *kinds.entry(&object.key.kind).or_default() += 1;
            }
            let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            write!(formatter, "wave {}   {}", component.wave, component.name)?;
            if !component.after.is_empty() {
                write!(formatter, " after {}", component.after.join(", "))?;
            }
            let gate = if component.gate { "gate" } else { "no gate" };
            writeln!(formatter, " ({gate} {} s): {}", component.timeout.as_secs(), kinds.join(", "))?;
        }
        Ok(())
    }
}

fn read_objects(dir: &Path, files: &sums::Files, components: &[Component]) -> Result<Vec<Declared>, Error> {
    let refuse =
        |file: &str, reason: String| Error::Bundle { dir: dir.to_owned(), file: file.to_owned(), reason };
    let mut parsed = Vec::new();
    for (path, bytes) in &files.contents {
        if path == manifest::FILE {
            continue;
        }
        let component = path.split_once('/').map(|(first, _)| first);
        let Some(component) = component.and_then(|name| components.iter().find(|known| known.name == name))
        else {
            return Err(refuse(path, "it belongs to no component of bundle.toml".to_owned()));
        };
        for value in yaml::parse(bytes).map_err(|reason| refuse(path, reason))? {
            parsed.push((path.as_str(), component, value));
        }
    }
    let scopes = custom_scopes(parsed.iter().map(|(_, _, value)| value));
    let mut seen: BTreeMap<ObjectKey, &str> = BTreeMap::new();
    let mut objects = Vec::with_capacity(parsed.len());
    for (path, component, mut value) in parsed {
        check_object(&value).map_err(|reason| refuse(path, reason))?;
        default_namespace(&mut value, &component.namespace, &scopes);
        let object = Declared::new(&component.name, value).map_err(|reason| refuse(path, reason))?;
        if let Some(first) = seen.insert(object.key.clone(), path) {
            return Err(refuse(path, format!("{} is declared twice, also in {first}", object.key)));
        }
        objects.push(object);
    }
    let place =
        |object: &Declared| components.iter().position(|component| component.name == object.component);
    objects
        .sort_by_cached_key(|object| (place(object), crate::object::rank(&object.key), object.key.clone()));
    Ok(objects)
}

/// Scope of the kinds whose definitions are in the bundle: `true` = cluster.
type Scopes = BTreeMap<(String, String), bool>;

fn custom_scopes<'a>(values: impl Iterator<Item = &'a serde_json::Value>) -> Scopes {
    let text = |value: &serde_json::Value, path: &str| Some(value.pointer(path)?.as_str()?.to_owned());
    values
        .filter(|value| value["kind"] == "CustomResourceDefinition")
        .filter_map(|value| {
            let key = (text(value, "/spec/group")?, text(value, "/spec/names/kind")?);
            Some((key, value.pointer("/spec/scope")? == "Cluster"))
        })
        .collect()
}

/// Gives a namespaced object without a namespace that of its component, as
/// `helm install --namespace` would.
fn default_namespace(value: &mut serde_json::Value, namespace: &str, scopes: &Scopes) {
    let Some(gvk) = crate::object::Gvk::of(value) else { return };
    let scope = scopes.get(&(gvk.group.clone(), gvk.kind.clone())).copied();
    let Some(false) = scope.or_else(|| is_cluster_scoped(&gvk.group, &gvk.kind)) else { return };
    if let Some(metadata) = value.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.entry("namespace").or_insert_with(|| namespace.into());
    }
}

/// Refuses what must not be in a bundle.
fn check_object(value: &serde_json::Value) -> Result<(), String> {
    let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
    if kind == "List" || (kind.ends_with("List") && value.get("items").is_some()) {
        return Err(format!("it holds a {kind}; a bundle holds one object a document"));
    }
    let filled = |name: &str| {
        value.get(name).and_then(serde_json::Value::as_object).is_some_and(|map| !map.is_empty())
    };
    if value["apiVersion"] == "v1" && kind == "Secret" && (filled("data") || filled("stringData")) {
        return Err(
            "it holds a Secret with values; secrets are declared in odin.toml under [[secrets]]".to_owned()
        );
    }
    if value.get("status").is_some() && kind != "CustomResourceDefinition" {
        return Err("it sets status, which belongs to controllers".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
