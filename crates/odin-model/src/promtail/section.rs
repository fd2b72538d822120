//! Reading a mapping so that no key of it is passed over in silence.

use serde_json::{Map, Value};

use super::Left;

/// What could not be converted.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Left>);

impl Notes {
    pub(super) fn add(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Left { place: place.into(), reason: reason.into() });
    }

    pub(super) fn into_left(self) -> Vec<Left> {
        self.0
    }
}

/// A mapping and its place in the file. What is read is taken out of it, and
/// what is left at the end is named.
#[derive(Debug)]
pub(super) struct Section {
    place: String,
    map: Map<String, Value>,
}

impl Section {
    pub(super) fn new(place: String, map: Map<String, Value>) -> Self {
        Self { place, map }
    }

    /// A value that should be a mapping; `- docker:` is an empty one.
    pub(super) fn of(place: String, value: Value, notes: &mut Notes) -> Self {
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => {
                notes.add(place.as_str(), "it should be a mapping of keys to values");
                Map::new()
            }
        };
        Self { place, map }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Place of one of its keys.
    pub(super) fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// A scalar, as text.
    pub(super) fn text(&mut self, key: &str, notes: &mut Notes) -> Option<String> {
        let value = self.take(key)?;
        let text = scalar(&value);
        if text.is_none() {
            notes.add(self.place_of(key), "it should be a single value");
        }
        text
    }

    pub(super) fn section(&mut self, key: &str, notes: &mut Notes) -> Option<Section> {
        let place = self.place_of(key);
        self.take(key).map(|value| Self::of(place, value, notes))
    }

    /// The items of a list, each with its place.
    pub(super) fn list(&mut self, key: &str, notes: &mut Notes) -> Vec<(String, Value)> {
        let place = self.place_of(key);
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| (format!("{place}[{index}]"), item))
                .collect(),
            Some(_) => {
                notes.add(place, "it should be a list");
                Vec::new()
            }
        }
    }

    /// All that is left, each a scalar; a missing one is empty.
    pub(super) fn scalars(&mut self, notes: &mut Notes) -> Vec<(String, String)> {
        let map = std::mem::take(&mut self.map);
        let mut found = Vec::new();
        for (key, value) in map {
            match (&value, scalar(&value)) {
                (Value::Null, _) => found.push((key, String::new())),
                (_, Some(text)) => found.push((key, text)),
                _ => notes.add(self.place_of(&key), "it should be a single value"),
            }
        }
        found
    }

    /// The only key with its value, as a stage has.
    pub(super) fn only(&mut self) -> Option<(String, Value)> {
        let key = self.map.keys().next().filter(|_| self.map.len() == 1)?.clone();
        let value = self.map.remove(&key)?;
        Some((key, value))
    }

    /// Passes over keys that mean nothing to the collector.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.map.remove(*key);
        }
    }

    /// Names what was not read.
    pub(super) fn finish(self, notes: &mut Notes, reason: &str) {
        for key in self.map.keys() {
            notes.add(self.place_of(key), reason);
        }
    }
}

/// A single value as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}
