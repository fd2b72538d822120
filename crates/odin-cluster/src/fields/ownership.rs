//! `metadata.managedFields`: which manager owns which field.
//!
//! `fieldsV1` is a tree: `f:NAME` is a field, `k:{...}` an element of a list
//! with keys, `v:...` an element of a set, `.` the value itself.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{FIELD_MANAGER, digest};

/// A manager of fields, as a live object names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Name of the manager, for example `kubectl-edit`.
    pub manager: String,
    /// Time of its last write (RFC 3339).
    pub time: String,
}

/// The tree of fields that ODIN applied, where it did.
#[must_use]
pub fn managed(live: &Value) -> Option<&Value> {
    entries(live)
        .find(|entry| {
            entry["manager"] == FIELD_MANAGER
                && entry["operation"] == "Apply"
                && entry.get("subresource").is_none()
        })
        .and_then(|entry| entry.get("fieldsV1"))
}

fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
}

/// Digest of the fields ODIN owns, with their values; `None` when it owns none.
#[must_use]
pub fn owned_digest(live: &Value) -> Option<String> {
    managed(live).map(|fields| digest(&extract(live, fields)))
}

/// Copies out of an object what a tree of fields names.
#[must_use]
pub fn extract(value: &Value, fields: &Value) -> Value {
    let Some(tree) = fields.as_object() else { return value.clone() };
    if tree.keys().all(|key| key == ".") {
        return value.clone();
    }
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, child) in tree {
                if let Some(name) = key.strip_prefix("f:")
                    && let Some(value) = map.get(name)
                {
                    out.insert(name.to_owned(), extract(value, child));
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(
            tree.iter().filter_map(|(key, child)| Some(extract(element(items, key)?, child))).collect(),
        ),
        scalar => scalar.clone(),
    }
}

/// Finds the element of a list that `k:`, `v:` or `i:` names.
fn element<'a>(items: &'a [Value], key: &str) -> Option<&'a Value> {
    if let Some(keys) = key.strip_prefix("k:") {
        let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
        // A key that is absent was given by a default ("protocol": "TCP").
        return items
            .iter()
            .find(|item| keys.iter().all(|(name, wanted)| item.get(name).is_none_or(|has| has == wanted)));
    }
    if let Some(text) = key.strip_prefix("v:") {
        let wanted: Value = serde_json::from_str(text).ok()?;
        return items.iter().find(|item| **item == wanted);
    }
    items.get(key.strip_prefix("i:")?.parse::<usize>().ok()?)
}

/// Paths that ODIN owns in the live object but no longer declares.
#[must_use]
pub fn removed(live: &Value, declared: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(fields) = managed(live) {
        gone(fields, declared, "", &mut found);
    }
    found
}

fn gone(fields: &Value, declared: &Value, path: &str, found: &mut Vec<String>) {
    let Some(tree) = fields.as_object() else { return };
    for (key, child) in tree {
        let (next, below) = match (key.strip_prefix("f:"), declared) {
            (Some(name), Value::Object(map)) => (map.get(name), field_path(path, name)),
            (None, Value::Array(items)) if key != "." => {
                (element(items, key), format!("{path}[{}]", &key[2..]))
            }
            _ => continue,
        };
        match next {
            Some(next) => gone(child, next, &below, found),
            None => found.push(below),
        }
    }
}

fn field_path(path: &str, name: &str) -> String {
    match (path.is_empty(), name.contains(['.', '/'])) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{path}[{name}]"),
        (false, false) => format!("{path}.{name}"),
    }
}

/// Names the manager, other than ODIN, that wrote one of these paths last;
/// without such a path, the one that wrote the object last.
#[must_use]
pub fn owner(live: &Value, paths: &[String]) -> Option<Owner> {
    let others = || {
        entries(live).filter(|entry| entry["manager"] != FIELD_MANAGER && entry.get("subresource").is_none())
    };
    let newest = |entries: Vec<&Value>| {
        entries.into_iter().max_by(|left, right| text(left, "time").cmp(&text(right, "time"))).map(|entry| {
            Owner { manager: text(entry, "manager").into_owned(), time: text(entry, "time").into_owned() }
        })
    };
    let owns = |entry: &&Value| {
        let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
        paths.iter().any(|path| covers(fields, path))
    };
    newest(others().filter(owns).collect()).or_else(|| newest(others().collect()))
}

fn text<'a>(entry: &'a Value, key: &str) -> Cow<'a, str> {
    Cow::Borrowed(entry.get(key).and_then(Value::as_str).unwrap_or_default())
}

/// Whether a tree of fields contains a path as [`super::changes`] writes it.
fn covers(fields: &Value, path: &str) -> bool {
    let mut at = fields;
    for segment in segments(path) {
        let Some(tree) = at.as_object() else { return false };
        let next = match segment {
            Segment::Field(name) => tree.get(&format!("f:{name}")),
            Segment::Element(key, id) => tree.iter().find_map(|(name, child)| {
                let keys: Map<String, Value> = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
                let has = keys.get(key)?;
                (has.as_str().map_or_else(|| has.to_string(), str::to_owned) == id).then_some(child)
            }),
        };
        match next {
            Some(next) => at = next,
            // An atomic list or map is owned as a whole.
            None => {
                return !tree.is_empty() && tree.keys().all(|key| key == ".")
                    || tree.is_empty() && at != fields;
            }
        }
    }
    true
}

/// Finds the value at a path as [`super::changes`], or a conflict of field
/// managers, writes it.
#[must_use]
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Some(value);
    }
    if let Some(inner) = path.strip_prefix('[') {
        let (inside, rest) = inner.split_once(']')?;
        if let Value::Array(items) = value {
            // [name="app"] or [containerPort=80,protocol="TCP"] or ["value"] or [0]
            let wanted: Vec<(&str, &str)> = inside
                .split(',')
                .filter_map(|part| part.split_once('='))
                .map(|(key, id)| (key, id.trim_matches('"')))
                .collect();
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            let found = if wanted.is_empty() {
                let by_index = inside.parse::<usize>().ok().and_then(|index| items.get(index));
                by_index.or_else(|| items.iter().find(|item| text(item) == inside.trim_matches('"')))
            } else {
                let fits = |item: &&Value| {
                    wanted.iter().all(|(key, id)| item.get(key).is_none_or(|has| text(has) == *id))
                };
                items.iter().find(fits)
            };
            return at(found?, rest);
        }
        return at(value.get(inside)?, rest);
    }
    // Names may contain dots: the longest that fits is meant.
    let map = value.as_object()?;
    let fits = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let key = map.keys().filter(fits).max_by_key(|key| key.len())?;
    at(&map[key.as_str()], &path[key.len()..])
}

enum Segment<'a> {
    Field(&'a str),
    Element(&'a str, &'a str),
}

fn segments(path: &str) -> Vec<Segment<'_>> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((inside, after)) = inner.split_once(']') else { break };
            match inside.split_once('=') {
                Some((key, id)) => found.push(Segment::Element(key, id)),
                None => found.push(Segment::Field(inside)),
            }
            rest = after;
        } else {
            let trimmed = rest.strip_prefix('.').unwrap_or(rest);
            let end = trimmed.find(['.', '[']).unwrap_or(trimmed.len());
            found.push(Segment::Field(&trimmed[..end]));
            rest = &trimmed[end..];
        }
    }
    found
}
