//! What is backed up: sources as declared, planned, and made consistent.
//!
//! [`plan`] is pure: it decides from the declaration and from what a probe saw
//! which sources there are and what has to happen to each before its files are
//! read. `prepare` does that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use odin_model::event::{Event, Observer, StepState};

use crate::manifest::{SOURCES_PATH, SourceKind};
use crate::steps::Steps;
use crate::walk::Root;
use crate::walk::exclude::Pattern;
use crate::{Error, Result};

mod etcd;
mod sqlite;

pub use sqlite::integrity_findings;

/// One declared source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name: lower-case letters, digits, `-`, `_` and `.`; unique.
    pub name: String,
    /// Whether its absence is an error. One that is not required may also be
    /// removed while the backup runs, and is recorded as absent then.
    pub required: bool,
    /// What it is.
    pub kind: Kind,
}

/// What a source is and how it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, read in place.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Patterns of what is left out: components with `*` and `?`, anchored at the source unless they start with `**/`.
        excludes: Vec<String>,
    },
    /// One file, read in place.
    File {
        /// The file.
        path: PathBuf,
    },
    /// An SQLite database that may be written to meanwhile; a consistent copy
    /// is stored.
    Sqlite {
        /// The database.
        path: PathBuf,
    },
    /// Embedded etcd, taken by its own snapshot command.
    EtcdSnapshot {
        /// Where a restore puts the snapshot file for etcd's own restore.
        path: PathBuf,
        /// The command; `{}` in an argument becomes the path to write to.
        command: Vec<String>,
    },
    /// The directory of a persistent volume, read in place.
    Volume {
        /// The directory.
        path: PathBuf,
        /// Namespace of the claim.
        namespace: String,
        /// Name of the claim.
        claim: String,
        /// Command that brings the data to rest.
        before: Option<Vec<String>>,
        /// Command that lets it go on; also run where the backup fails.
        after: Option<Vec<String>>,
    },
}

impl Kind {
    /// Path of the source on the machine.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory { path, .. }
            | Self::File { path }
            | Self::Sqlite { path }
            | Self::EtcdSnapshot { path, .. }
            | Self::Volume { path, .. } => path,
        }
    }

    fn recorded(&self) -> SourceKind {
        match self {
            Self::Directory { .. } => SourceKind::Directory,
            Self::File { .. } => SourceKind::File,
            Self::Sqlite { .. } => SourceKind::Sqlite,
            Self::EtcdSnapshot { .. } => SourceKind::EtcdSnapshot,
            Self::Volume { namespace, claim, .. } => {
                SourceKind::Volume { namespace: namespace.clone(), claim: claim.clone() }
            }
        }
    }
}

/// Runs the commands declared before and after a volume is read, in the pod
/// that uses it; the supervisor knows how.
pub trait Hooks: Send + Sync {
    /// Runs a command for a volume.
    ///
    /// # Errors
    ///
    /// In words, where it did not run or did not succeed.
    fn run(&self, volume: &VolumeOf<'_>, command: &[String]) -> std::result::Result<(), String>;
}

/// The volume a command is run for.
#[derive(Clone, Copy, Debug)]
pub struct VolumeOf<'a> {
    /// Name of the source.
    pub source: &'a str,
    /// Namespace of the claim.
    pub namespace: &'a str,
    /// Name of the claim.
    pub claim: &'a str,
}

/// Refuses commands: for callers that declare none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn run(&self, _volume: &VolumeOf<'_>, _command: &[String]) -> std::result::Result<(), String> {
        Err("there is nothing to run commands with".to_owned())
    }
}

/// What a probe found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// Something else.
    Other,
}

/// Looks at a path of the machine, following symbolic links.
///
/// # Errors
///
/// Where it cannot be told whether something is there.
pub fn probe(path: &Path) -> Result<Presence> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Presence::Directory),
        Ok(metadata) if metadata.is_file() => Ok(Presence::File),
        Ok(_) => Ok(Presence::Other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Presence::Absent),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// One source of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The source.
    pub source: Source,
    /// Whether there is anything to take.
    pub present: bool,
    /// Parsed patterns of what is left out.
    pub(crate) excludes: Vec<Pattern>,
}

/// What a backup will take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPlan {
    /// The sources, by name.
    pub sources: Vec<Planned>,
}

/// Plans a backup.
///
/// # Errors
///
/// Where a name is unusable or not unique, a pattern cannot be parsed, a
/// required source is absent or a source is not what it is declared to be.
pub fn plan(sources: &[Source], probe: impl Fn(&Path) -> Result<Presence>) -> Result<BackupPlan> {
    let mut names = BTreeSet::new();
    let mut planned = Vec::new();
    for source in sources {
        check_declaration(source, &mut names)?;
        let excludes = parse_excludes(source)?;
        let present = is_present(source, probe(source.kind.path())?)?;
        planned.push(Planned { source: source.clone(), present, excludes });
    }
    planned.sort_by(|left, right| left.source.name.cmp(&right.source.name));
    Ok(BackupPlan { sources: planned })
}

fn check_declaration(source: &Source, names: &mut BTreeSet<String>) -> Result<()> {
    let refuse = |reason: &str| Err(Error::Source { name: source.name.clone(), reason: reason.to_owned() });
    let usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if source.name.is_empty() || source.name.starts_with('.') || !source.name.chars().all(usable) {
        return refuse(
            "a name has lower-case letters, digits, `-`, `_` and `.`, and does not start with a dot",
        );
    }
    if !names.insert(source.name.clone()) {
        return refuse("the name is used twice");
    }
    if !source.kind.path().is_absolute() {
        return refuse("its path is not absolute");
    }
    if source.kind.recorded().is_file() && source.kind.path().file_name().is_none() {
        return refuse("its path names no file");
    }
    Ok(())
}

fn parse_excludes(source: &Source) -> Result<Vec<Pattern>> {
    let Kind::Directory { excludes, .. } = &source.kind else {
        return Ok(Vec::new());
    };
    excludes
        .iter()
        .map(|text| {
            Pattern::parse(text).map_err(|reason| Error::Source { name: source.name.clone(), reason })
        })
        .collect()
}

fn is_present(source: &Source, found: Presence) -> Result<bool> {
    let wanted = match source.kind {
        Kind::Directory { .. } | Kind::Volume { .. } => Presence::Directory,
        Kind::File { .. } | Kind::Sqlite { .. } => Presence::File,
        // The command is asked, not the file system.
        Kind::EtcdSnapshot { .. } => return Ok(true),
    };
    let path = source.kind.path();
    match found {
        Presence::Absent if source.required => {
            Err(Error::MissingSource { name: source.name.clone(), path: path.to_path_buf() })
        }
        Presence::Absent => Ok(false),
        found if found == wanted => Ok(true),
        found => {
            let reason = format!("{} is a {found:?}, not a {wanted:?}", path.display()).to_lowercase();
            Err(Error::Source { name: source.name.clone(), reason })
        }
    }
}

/// Sources made ready to be read. The commands that end the rest of volumes
/// run when the value is dropped, at the latest.
pub(crate) struct Prepared<'a> {
    /// Where the files are.
    pub(crate) roots: Vec<Root>,
    held: Vec<(VolumeOf<'a>, &'a [String])>,
    hooks: &'a dyn Hooks,
    observer: &'a dyn Observer,
}

impl Prepared<'_> {
    fn release(&mut self) -> Result<()> {
        let mut first = None;
        for (volume, command) in self.held.drain(..).rev() {
            if let Err(message) = self.hooks.run(&volume, command) {
                let message = format!("source {}: command after the backup failed: {message}", volume.source);
                self.observer.event(Event::Warning { message: message.clone() });
                first.get_or_insert(Error::Command {
                    name: volume.source.to_owned(),
                    command: command.join(" "),
                    message,
                });
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Lets the volumes go on and reports where that failed.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.release()
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // Reached with volumes still at rest only where the backup failed with
        // an error of its own; the observer heard of this one.
        drop(self.release());
    }
}

/// Brings the sources of a plan to rest, copies databases into `staging`, and
/// tells where the files are.
pub(crate) fn prepare<'a>(
    plan: &'a BackupPlan,
    staging: &Path,
    hooks: &'a dyn Hooks,
    steps: &dyn Steps,
    observer: &'a dyn Observer,
) -> Result<Prepared<'a>> {
    let roots = vec![Root::bare(SOURCES_PATH)];
    let mut prepared = Prepared { roots, held: Vec::new(), hooks, observer };
    for planned in plan.sources.iter().filter(|planned| planned.present) {
        let name = planned.source.name.as_str();
        steps.reached(&format!("prepare {name}"))?;
        let below = PathBuf::from(SOURCES_PATH).join(name);
        let declared = planned.source.kind.path();
        // A declared path may be a symbolic link; its target is the data.
        let path = match &planned.source.kind {
            Kind::EtcdSnapshot { .. } => declared.to_path_buf(),
            _ => match std::fs::canonicalize(declared) {
                Ok(path) => path,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !planned.source.required => {
                    continue;
                }
                Err(error) => return Err(Error::io("resolve", declared, error)),
            },
        };
        let path = path.as_path();
        let may_vanish = !planned.source.required;
        let step = |state, detail: &str| {
            observer.event(Event::Step { name: format!("source {name}"), state, detail: detail.to_owned() });
        };
        let local = match &planned.source.kind {
            Kind::Directory { .. } => {
                let excludes = planned.excludes.clone();
                prepared.roots.push(Root { excludes, may_vanish, ..Root::local(below, path) });
                continue;
            }
            Kind::Volume { namespace, claim, before, after, .. } => {
                let volume = VolumeOf { source: name, namespace, claim };
                if let Some(command) = before {
                    step(StepState::Started, "command before");
                    hooks.run(&volume, command).map_err(|message| Error::Command {
                        name: name.to_owned(),
                        command: command.join(" "),
                        message,
                    })?;
                    step(StepState::Done, "command before");
                }
                if let Some(command) = after {
                    prepared.held.push((volume, command));
                }
                prepared.roots.push(Root { may_vanish, ..Root::local(below, path) });
                continue;
            }
            Kind::File { .. } => path.to_path_buf(),
            Kind::Sqlite { .. } => {
                step(StepState::Started, "copy");
                let copy = staging.join(format!("{name}.sqlite"));
                sqlite::copy(name, path, &copy)?;
                step(StepState::Done, "copy");
                copy
            }
            Kind::EtcdSnapshot { command, .. } => {
                step(StepState::Started, "snapshot");
                let copy = staging.join(format!("{name}.etcd"));
                etcd::snapshot(name, command, &copy)?;
                step(StepState::Done, "snapshot");
                copy
            }
        };
        let file = declared.file_name().unwrap_or_default();
        prepared.roots.push(Root::bare(below.clone()));
        prepared.roots.push(Root::local(below.join(file), local));
    }
    Ok(prepared)
}

/// Describes the sources of a plan as the manifest keeps them; figures and
/// digests are filled in from the records.
pub(crate) fn describe(plan: &BackupPlan) -> Vec<crate::manifest::SourceEntry> {
    plan.sources
        .iter()
        .map(|planned| crate::manifest::SourceEntry {
            name: planned.source.name.clone(),
            path: planned.source.kind.path().to_path_buf(),
            kind: planned.source.kind.recorded(),
            present: planned.present,
            bytes: 0,
            files: 0,
            sha256: crate::record::Digest::of(b""),
        })
        .collect()
}

#[cfg(test)]
mod tests;
