//! Declared against live, field by field, in words for a person.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::object::Gvk;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Path, for example `spec.template.spec.containers[name=app].image`.
    pub path: String,
    /// Value before; `None` when the field was not there.
    pub from: Option<String>,
    /// Value after; `None` when the field goes.
    pub to: Option<String>,
}

impl FieldChange {
    /// The same change seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { path: self.path, from: self.to, to: self.from }
    }
}

/// Lists what applying `declared` would change in `live`, declared fields
/// only. Values of secrets are hidden: not even a hash or a length is told, of
/// which short ones are guessed.
#[must_use]
pub fn changes(declared: &Value, live: &Value) -> Vec<FieldChange> {
    let secret = Gvk::of(declared).is_some_and(|gvk| gvk.group.is_empty() && gvk.kind == "Secret");
    let mut walk = Walk { secret, found: Vec::new() };
    let (Value::Object(declared), Value::Object(live)) = (declared, live) else { return Vec::new() };
    for (key, wanted) in declared {
        match key.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                for part in ["labels", "annotations", "finalizers", "ownerReferences"] {
                    if let Some(wanted) = wanted.get(part) {
                        let has = live.get("metadata").and_then(|metadata| metadata.get(part));
                        walk.compare(&format!("metadata.{part}"), wanted, has);
                    }
                }
            }
            _ => walk.compare(key, wanted, live.get(key)),
        }
    }
    walk.found
}

/// Shows the value of one field of an object; of secrets that there is one.
#[must_use]
pub fn show(object: &Value, path: &str, value: &Value) -> String {
    let secret = Gvk::of(object).is_some_and(|gvk| gvk.group.is_empty() && gvk.kind == "Secret");
    let path = path.trim_start_matches('.');
    if secret && (path.starts_with("data") || path.starts_with("stringData")) {
        redacted(value)
    } else {
        shortened(&plain(value))
    }
}

struct Walk {
    secret: bool,
    found: Vec<FieldChange>,
}

impl Walk {
    fn compare(&mut self, path: &str, wanted: &Value, has: Option<&Value>) {
        let Some(has) = has else {
            if !is_zero(wanted) {
                self.push(path, None, Some(wanted));
            }
            return;
        };
        match (wanted, has) {
            (Value::Object(wanted), Value::Object(has)) => {
                for (key, wanted) in wanted {
                    self.compare(&join(path, key), wanted, has.get(key));
                }
            }
            (Value::Array(wanted), Value::Array(has)) => self.lists(path, wanted, has),
            _ if same_scalar(wanted, has) => {}
            _ => self.push(path, Some(has), Some(wanted)),
        }
    }

    fn lists(&mut self, path: &str, wanted: &[Value], has: &[Value]) {
        if let Some(key) = list_key(wanted, has) {
            for item in wanted {
                let id = &item[key];
                let path = format!("{path}[{key}={}]", plain(id));
                self.compare(&path, item, has.iter().find(|other| &other[key] == id));
            }
        } else if wanted.len() == has.len() {
            for (index, (wanted, has)) in wanted.iter().zip(has).enumerate() {
                self.compare(&format!("{path}[{index}]"), wanted, Some(has));
            }
        } else if !wanted.iter().all(|item| !item.is_object() && has.contains(item)) || wanted.is_empty() {
            let (from, to) = (Value::from(has.to_vec()), Value::from(wanted.to_vec()));
            self.push(path, Some(&from), Some(&to));
        }
    }

    fn push(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        let secret = self.secret && (path.starts_with("data") || path.starts_with("stringData"));
        let show = |value: Option<&Value>| {
            value.map(|value| if secret { redacted(value) } else { shortened(&plain(value)) })
        };
        self.found.push(FieldChange { path: path.to_owned(), from: show(from), to: show(to) });
    }
}

/// Fields by which the API tells the elements of a list apart.
const LIST_KEYS: [&str; 8] =
    ["name", "containerPort", "port", "mountPath", "devicePath", "topologyKey", "uid", "ip"];

fn list_key(wanted: &[Value], has: &[Value]) -> Option<&'static str> {
    let distinct = |items: &[Value], key: &str| {
        let mut seen: Vec<String> = items.iter().filter_map(|item| item.get(key)).map(plain).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == items.len()
    };
    if wanted.is_empty() {
        return None;
    }
    LIST_KEYS.into_iter().find(|key| distinct(wanted, key) && distinct(has, key))
}

fn join(path: &str, key: &str) -> String {
    // Label and annotation names contain dots.
    if key.contains(['.', '/']) { format!("{path}[{key}]") } else { format!("{path}.{key}") }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shortened(text: &str) -> String {
    const LIMIT: usize = 120;
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    let head: String = text.chars().take(LIMIT).collect();
    format!("{head}... ({} bytes)", text.len())
}

/// What stands for the value of a secret.
const HIDDEN: &str = "[hidden]";

fn redacted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let parts: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}={}", redacted(value))).collect();
            parts.join(" ")
        }
        _ => HIDDEN.to_owned(),
    }
}

/// Whether leaving a field out means the same as this value.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map_is_zero(map),
    }
}

fn map_is_zero(map: &Map<String, Value>) -> bool {
    map.values().all(is_zero)
}

fn same_scalar(wanted: &Value, has: &Value) -> bool {
    if wanted == has || (is_zero(wanted) && is_zero(has)) {
        return true;
    }
    match (quantity(wanted), quantity(has)) {
        (Some(wanted), Some(has)) => (wanted - has).abs() <= wanted.abs() * 1e-9,
        _ => false,
    }
}

/// Reads a Kubernetes quantity; `None` for everything else.
fn quantity(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|symbol: char| symbol.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|number| number * factor)
}
