//! Making `/odin` of a snapshot: the records and the manifest over them.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{Circumstances, SourceDigest};
use crate::engine::Stored;
use crate::manifest::{FORMAT, Manifest, SOURCES_PATH, SourceEntry};
use crate::record::Kind;
use crate::source::{self, BackupPlan};
use crate::{Error, Result, verify};

/// How many changed files are named in the manifest; each is marked in the
/// records besides.
const NAMED: usize = 20;

/// Moves the records to `odin` and writes the manifest beside them.
pub(super) fn compose(
    plan: &BackupPlan,
    circumstances: &Circumstances,
    stored: &Stored,
    elapsed: Duration,
    odin: &Path,
) -> Result<Manifest> {
    fs::create_dir(odin).map_err(|error| Error::io("create directory", odin, error))?;
    let records = odin.join("files.jsonl");
    fs::rename(&stored.records, &records).map_err(|error| Error::io("rename to", &records, error))?;
    let mut sources = source::describe(plan);
    let mut digests: Vec<SourceDigest> = sources.iter().map(|_| SourceDigest::new()).collect();
    let roots: Vec<PathBuf> = sources.iter().map(SourceEntry::snapshot_path).collect();
    let mut found = vec![false; sources.len()];
    for record in verify::read(&records)? {
        let record = record?;
        let Some(name) = source_of(&record.path) else {
            continue;
        };
        let Some(index) = sources.iter().position(|source| source.name == name) else {
            continue;
        };
        if record.kind == Kind::File {
            sources[index].files += 1;
            sources[index].bytes += record.size;
        }
        found[index] |= record.path == roots[index];
        digests[index].add(&record, &PathBuf::from(SOURCES_PATH).join(&name));
    }
    for (source, digest) in sources.iter_mut().zip(digests) {
        source.sha256 = digest.finish();
    }
    let mut warnings = warnings(&stored.changed);
    for (source, _) in sources.iter_mut().zip(found).filter(|(source, found)| source.present && !found) {
        source.present = false;
        warnings.push(format!("source {} was removed while the backup ran; it is not in it", source.name));
    }
    let meter = verify::meter(&odin_model::event::Silent, "records", 0);
    let manifest = Manifest {
        format: FORMAT,
        host: circumstances.host.clone(),
        generation: circumstances.generation,
        bundle: circumstances.bundle.clone(),
        time: circumstances.time,
        milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        versions: circumstances.versions.clone(),
        sources,
        records: verify::hash_file(&records, &meter)?,
        warnings,
    };
    let path = odin.join("manifest.json");
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::io("write", &path, error))?;
    fs::write(&path, text).map_err(|error| Error::io("write", &path, error))?;
    Ok(manifest)
}

/// Name of the source a record belongs to.
fn source_of(path: &Path) -> Option<String> {
    let mut components = path.components();
    if components.next() != Some(Component::Normal(SOURCES_PATH.as_ref())) {
        return None;
    }
    match components.next() {
        Some(Component::Normal(name)) => name.to_str().map(str::to_owned),
        _ => None,
    }
}

fn warnings(changed: &[PathBuf]) -> Vec<String> {
    let mut warnings: Vec<String> = changed
        .iter()
        .take(NAMED)
        .map(|path| format!("{} changed while it was read; what was read is stored", path.display()))
        .collect();
    if changed.len() > NAMED {
        warnings.push(format!("{} more files changed while they were read", changed.len() - NAMED));
    }
    warnings
}
