//! Waves: which component waits for which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Component;
use super::manifest::{self, Entry};
use crate::Error;

/// Orders components so that each comes after all it names in `after`.
pub(super) fn waves(dir: &Path, entries: Vec<Entry>) -> Result<Vec<Component>, Error> {
    let refuse =
        |reason: String| Error::Bundle { dir: dir.to_owned(), file: manifest::FILE.to_owned(), reason };
    arrange(entries).map_err(refuse)
}

/// The pure part; the message names components, not files.
pub(super) fn arrange(entries: Vec<Entry>) -> Result<Vec<Component>, String> {
    let mut after: BTreeMap<&str, &[String]> = BTreeMap::new();
    for entry in &entries {
        check_name(&entry.name)?;
        if after.insert(&entry.name, &entry.after).is_some() {
            return Err(format!("component {} is declared twice", entry.name));
        }
    }
    for entry in &entries {
        if let Some(unknown) = entry.after.iter().find(|name| !after.contains_key(name.as_str())) {
            return Err(format!("component {} comes after {unknown}, which is no component", entry.name));
        }
    }
    let mut placed: BTreeMap<String, usize> = BTreeMap::new();
    while placed.len() < after.len() {
        let ready: Vec<(String, usize)> = after
            .iter()
            .filter(|(name, _)| !placed.contains_key(**name))
            .filter_map(|(name, after)| {
                let waves: Option<Vec<usize>> = after.iter().map(|name| placed.get(name).copied()).collect();
                Some(((*name).to_owned(), waves?.into_iter().max().map_or(0, |wave| wave + 1)))
            })
            .collect();
        if ready.is_empty() {
            return Err(format!("components wait for each other: {}", cycle(&after, &placed).join(" -> ")));
        }
        placed.extend(ready);
    }
    let mut components = Vec::with_capacity(entries.len());
    for entry in entries {
        let timeout = manifest::duration(&entry.timeout)
            .map_err(|reason| format!("component {}: {reason}", entry.name))?;
        let wave = placed.get(&entry.name).copied().unwrap_or_default();
        let Entry { name, namespace, after, gate, .. } = entry;
        components.push(Component { name, namespace, after, timeout, gate, wave });
    }
    components.sort_by(|left, right| (left.wave, &left.name).cmp(&(right.wave, &right.name)));
    Ok(components)
}

/// The name becomes a directory and a label value.
fn check_name(name: &str) -> Result<(), String> {
    let good = |symbol: char| symbol.is_ascii_lowercase() || symbol.is_ascii_digit() || symbol == '-';
    if name.is_empty()
        || name.len() > 63
        || !name.chars().all(good)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        return Err(format!("component name {name:?} is not lower-case letters, digits and dashes"));
    }
    Ok(())
}

/// Follows unplaced components until one comes again.
fn cycle(after: &BTreeMap<&str, &[String]>, placed: &BTreeMap<String, usize>) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut at = after.keys().find(|name| !placed.contains_key(**name)).map(|name| (*name).to_owned());
    while let Some(name) = at {
        if !seen.insert(name.clone()) {
            let start = path.iter().position(|known| *known == name).unwrap_or_default();
            path.drain(..start);
            path.push(name);
            return path;
        }
        path.push(name.clone());
        at = after
            .get(name.as_str())
            .and_then(|names| names.iter().find(|next| !placed.contains_key(*next)).cloned());
    }
    path
}
