//! What can go wrong, in words for the person who has to act on it.
//!
//! `Display` names what was attempted and on what; the cause is the source of
//! the error and never repeated in it; the advice is [`Error::hint`], apart.

use std::io;
use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure of a backup, a check, a restore or a drill.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// Verb phrase, for example `create directory`.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The password file cannot be used.
    #[error("password file {} cannot be used: {reason}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No key of the repository opens with the password.
    #[error("wrong password for repository {}", repository.display())]
    WrongPassword {
        /// The repository.
        repository: PathBuf,
    },
    /// The directory is no repository.
    #[error("{} is not a backup repository: {reason}", path.display())]
    NotARepository {
        /// The directory.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The repository was written by a program that knows a later format.
    #[error("repository {} has format version {version}, newer than the known 2", path.display())]
    NewerRepository {
        /// The repository.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A directory that was to become a repository has something in it.
    #[error("cannot create a repository in {}: {reason}", path.display())]
    CannotInitialise {
        /// The directory.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// Another writer holds the repository.
    #[error("repository {} is in use by {holder}", path.display())]
    Locked {
        /// The repository.
        path: PathBuf,
        /// Process and host as the lock names them.
        holder: String,
    },
    /// A restic works on the repository, or did until a short while ago.
    #[error("a restic holds the lock {}, written {minutes} minutes ago", lock.display())]
    LockedByRestic {
        /// Its lock.
        lock: PathBuf,
        /// Age of the lock.
        minutes: u64,
    },
    /// Stored data is not what was written.
    #[error("repository {} is damaged: {what}", path.display())]
    Damaged {
        /// The repository.
        path: PathBuf,
        /// Which object, and what is wrong with it.
        what: String,
    },
    /// The engine failed in a way that has no name here.
    #[error("failed to {action} in repository {}: {message}", path.display())]
    Engine {
        /// Verb phrase.
        action: &'static str,
        /// The repository.
        path: PathBuf,
        /// The engine's own words.
        message: String,
    },
    /// A declared source is not usable as declared.
    #[error("source {name}: {reason}")]
    Source {
        /// Name of the source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A required source does not exist.
    #[error("source {name}: {} does not exist", path.display())]
    MissingSource {
        /// Name of the source.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Files of the sources could not be read, so no snapshot was made.
    #[error("{count} of the files to back up could not be read, first {first}")]
    Unreadable {
        /// How many.
        count: usize,
        /// The first of them with its reason.
        first: String,
    },
    /// A database copy failed.
    #[error("source {name}: failed to copy database {}: {message}", path.display())]
    Database {
        /// Name of the source.
        name: String,
        /// The database.
        path: PathBuf,
        /// SQLite's words, or the finding of the integrity check.
        message: String,
    },
    /// A command declared for a source failed.
    #[error("source {name}: command {command} failed: {message}")]
    Command {
        /// Name of the source.
        name: String,
        /// The command as declared.
        command: String,
        /// Exit status and the end of its standard error.
        message: String,
    },
    /// There is no such snapshot.
    #[error("no snapshot {id} in repository {}", path.display())]
    NoSnapshot {
        /// As typed.
        id: String,
        /// The repository.
        path: PathBuf,
    },
    /// Several snapshots match.
    #[error("{id} names {count} snapshots")]
    AmbiguousSnapshot {
        /// As typed.
        id: String,
        /// How many match.
        count: usize,
    },
    /// The snapshot has no such part.
    #[error("snapshot {snapshot} has no {path}")]
    NotInSnapshot {
        /// The snapshot.
        snapshot: String,
        /// What was looked for.
        path: String,
    },
    /// The snapshot's manifest cannot be used.
    #[error("manifest of snapshot {snapshot} cannot be used: {reason}")]
    Manifest {
        /// The snapshot.
        snapshot: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored name would lead out of the target.
    #[error("snapshot holds the unsafe name {name:?} in {}", parent.display())]
    UnsafeName {
        /// The name as stored.
        name: String,
        /// The directory it is in.
        parent: PathBuf,
    },
    /// Restored data differs from the manifest.
    #[error("{count} differences between restored data and the manifest, first {first}")]
    Differs {
        /// How many.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// A file system is too small for what is to be written.
    #[error("{} has {free} bytes free, {needed} are needed", path.display())]
    NoSpace {
        /// A path on the file system.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A target of a restore cannot be restored to.
    #[error("cannot restore to {}: {reason}", path.display())]
    Target {
        /// The target.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine could not be brought into the needed state.
    #[error("failed to {step}: {message}")]
    Host {
        /// Verb phrase, for example `stop the cluster`.
        step: &'static str,
        /// Why.
        message: String,
    },
    /// A restore failed and the data from before it is in place again.
    #[error("restore failed and the old data is back in place")]
    RolledBack {
        /// Why the restore failed.
        source: Box<Error>,
    },
    /// A restore failed, the data from before it is in place again, and the
    /// machine does not come up on it.
    #[error("restore failed ({cause}), the old data is back in place, but the machine did not come up again")]
    RolledBackDown {
        /// Why the restore failed.
        cause: Box<Error>,
        /// Why the machine did not come up.
        source: Box<Error>,
    },
    /// A restore failed and the data from before it could not be put back.
    #[error("restore failed ({cause}) and so did putting the old data back; it is kept in {}", kept.display())]
    RollBackFailed {
        /// Why the restore failed.
        cause: Box<Error>,
        /// Where the first piece of old data is.
        kept: PathBuf,
        /// Why it could not be put back.
        source: Box<Error>,
    },
    /// The journal of an interrupted restore cannot be read.
    #[error("restore journal {} cannot be used: {reason}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operation was told to end here.
    #[error("stopped at step {step}")]
    Stopped {
        /// Name of the step.
        step: String,
    },
}

impl Error {
    /// Wraps an error of the operating system.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.as_ref().to_path_buf(), source: source.into() }
    }

    /// Tells whether the operation ended because it was told to, and took
    /// back what there was to take back.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Stopped { .. } => true,
            Self::RolledBack { source } => source.is_stopped(),
            _ => false,
        }
    }

    /// Says what to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, path, .. } => return io_hint(source, path),
            Self::PasswordFile { path, .. } => {
                format!("put the repository password into {0} and run `chmod 600 {0}`", path.display())
            }
            Self::WrongPassword { .. } => {
                "use the password the repository was created with; without it the backups cannot be read".into()
            }
            Self::NotARepository { path, .. } => format!(
                "point `backup.repository` at a restic-format repository, or at an empty directory for a new one; {} was left as it was",
                path.display()
            ),
            Self::NewerRepository { .. } => "upgrade odin, or use the program that wrote the repository".into(),
            Self::CannotInitialise { .. } => "choose an empty directory".into(),
            Self::Locked { .. } => {
                "wait for the other program; the lock goes away with it, also after a crash".into()
            }
            Self::LockedByRestic { lock, .. } => format!(
                "wait for that restic to end and call it again; where none runs any more, `restic unlock` removes {}, and after 30 minutes it is not heeded",
                lock.display()
            ),
            Self::Damaged { .. } => {
                "run `odin backup check --read-data` for all findings; restore from an older snapshot or from the second repository, and have the disk examined".into()
            }
            Self::Source { name, .. } => format!("correct the declaration of source {name} in odin.toml"),
            Self::Command { name, .. } => {
                format!("run the command by hand and mend it, or leave it out of the declaration of source {name}")
            }
            Self::Database { path, .. } => {
                format!("see what `sqlite3 {} 'PRAGMA integrity_check'` says", path.display())
            }
            Self::Manifest { .. } => "restore another snapshot: `odin backup list` names them".into(),
            Self::Host { .. } => "the message names the cause; `journalctl -u k3s` tells more".into(),
            Self::MissingSource { name, .. } => {
                format!("correct the path of source {name}, or declare it optional")
            }
            Self::Unreadable { .. } => "correct the cause and back up again; no snapshot was written".into(),
            Self::NoSnapshot { .. } => "`odin backup list` names the snapshots".into(),
            Self::NotInSnapshot { snapshot, .. } => format!("`odin backup show {snapshot}` names what it has"),
            Self::AmbiguousSnapshot { .. } => "give more digits of the id".into(),
            Self::NoSpace { path, needed, free } => {
                format!("free {} bytes on the file system of {}", needed.saturating_sub(*free), path.display())
            }
            Self::Target { path, reason } if reason.contains("not empty") => {
                format!("name a directory that is empty or not there yet, or empty {}", path.display())
            }
            Self::UnsafeName { .. } => "the snapshot was not written by odin; do not trust it".into(),
            Self::Stopped { .. } => "call it again; what was stored so far is used, and nothing is left half done".into(),
            Self::Differs { .. } => "nothing live was touched; try another snapshot and check the repository".into(),
            Self::RolledBack { source } => return source.hint(),
            Self::RolledBackDown { .. } => "start the cluster by hand; its data is what it was before".into(),
            Self::RollBackFailed { kept, .. } => {
                format!("move {} back by hand before starting the cluster", kept.display())
            }
            _ => return None,
        };
        Some(text)
    }
}

fn io_hint(source: &io::Error, path: &Path) -> Option<String> {
    Some(match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free space on the file system of {}", path.display())
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("remount the file system of {} writable", path.display())
        }
        io::ErrorKind::PermissionDenied => "run odin as root, and check owner and mode".into(),
        io::ErrorKind::NotFound => format!("check that {} is what was meant", path.display()),
        _ => return None,
    })
}
