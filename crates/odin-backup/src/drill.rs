//! The drill: a snapshot is restored beside the running system and compared,
//! so that the next real restore is no experiment.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use odin_model::event::{Event, Observer, StepState};
use odin_model::report::Verdict;
use serde::{Deserialize, Serialize};

use crate::engine::{BackupEngine, SnapshotId};
use crate::manifest::{MANIFEST_PATH, Manifest, SOURCES_PATH, SourceKind};
use crate::repository::{Repository, SourceDigest};
use crate::staging::{Staging, require_space};
use crate::verify::{self, Comparison};
use crate::{Error, Result, source};

/// The record of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drill {
    /// The snapshot that was restored.
    pub snapshot: SnapshotId,
    /// When the drill began.
    pub started: Timestamp,
    /// How long restoring and comparing took.
    pub milliseconds: u64,
    /// Bytes restored and compared.
    pub bytes: u64,
    /// Files restored and compared.
    pub files: u64,
    /// [`Verdict::Passed`] or [`Verdict::Failed`].
    pub verdict: Verdict,
    /// What was found, in words; empty where it passed.
    pub findings: Vec<String>,
}

/// Restores a snapshot into the repository's scratch directory, compares every
/// file with the manifest, checks every database, and removes it again. What
/// is wrong with the data is in the record.
///
/// # Errors
///
/// Where the drill could not be held: no room, no such snapshot.
pub fn drill<E: BackupEngine>(
    repository: &Repository<E>,
    id: &SnapshotId,
    started: Timestamp,
    observer: &dyn Observer,
) -> Result<Drill> {
    let began = Instant::now();
    let mut record = Drill {
        snapshot: id.clone(),
        started,
        milliseconds: 0,
        bytes: 0,
        files: 0,
        verdict: Verdict::Passed,
        findings: Vec::new(),
    };
    let staging = Staging::take(repository.scratch())?;
    match rehearse(repository, id, staging.path(), observer, &mut record.findings) {
        Ok(comparison) => {
            record.bytes = comparison.bytes;
            record.files = comparison.files;
        }
        Err(error) => record.findings.push(judge(error)?),
    }
    record.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !record.findings.is_empty() {
        record.verdict = Verdict::Failed;
    }
    Ok(record)
}

/// Tells a finding about the data from a drill that could not be held.
fn judge(error: Error) -> Result<String> {
    match error {
        Error::NoSpace { .. } | Error::NoSnapshot { .. } => Err(error),
        Error::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Err(error),
        error => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            Ok(text)
        }
    }
}

fn rehearse<E: BackupEngine>(
    repository: &Repository<E>,
    id: &SnapshotId,
    scratch: &Path,
    observer: &dyn Observer,
    findings: &mut Vec<String>,
) -> Result<Comparison> {
    let manifest = repository.show(id)?;
    require_space(scratch, manifest.bytes() + manifest.files() * 4096)?;
    let records = scratch.join("records");
    repository.fetch_records(id, &manifest, &records)?;
    let step = |state| {
        observer.event(Event::Step { name: "drill".into(), state, detail: id.short().to_owned() });
    };
    step(StepState::Started);
    let restored = scratch.join("restored");
    std::fs::create_dir(&restored).map_err(|error| Error::io("create directory", &restored, error))?;
    let mut comparison = Comparison::default();
    let meter = verify::meter(observer, "verify", manifest.bytes());
    for source in manifest.sources.iter().filter(|source| source.present) {
        let stored = PathBuf::from(SOURCES_PATH).join(&source.name);
        let target = restored.join(&source.name);
        repository.engine().restore_tree(id, &stored, &target, observer)?;
        comparison.add(verify::compare(&records, &stored, &target, verify::Depth::Content, &meter)?);
        if source.kind == SourceKind::Sqlite {
            let database = target.join(source.path.file_name().unwrap_or_default());
            match source::integrity_findings(&database) {
                Ok(found) => {
                    findings.extend(found.into_iter().map(|what| format!("{}: {what}", source.name)))
                }
                Err(error) => findings.push(format!("{}: {error}", source.name)),
            }
        }
    }
    meter.finish();
    findings.extend(comparison.findings.iter().cloned());
    findings.extend(compare_digests(&manifest, &records)?);
    step(StepState::Done);
    Ok(comparison)
}

/// Compares the digests and figures of the manifest with its records.
fn compare_digests(manifest: &Manifest, records: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for source in manifest.sources.iter().filter(|source| source.present) {
        let below = PathBuf::from(SOURCES_PATH).join(&source.name);
        let mut digest = SourceDigest::new();
        for record in verify::read(records)? {
            let record = record?;
            if record.path.starts_with(&below) {
                digest.add(&record, &below);
            }
        }
        if digest.finish() != source.sha256 {
            findings
                .push(format!("{}: its records do not have the digest {MANIFEST_PATH} gives", source.name));
        }
    }
    Ok(findings)
}
