//! The proof that nothing uses a directory any more.
//!
//! Read from `/proc`, for every process: open files, working and root
//! directory, mapped files, and the mounts of its mount namespace.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// One use of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A process has something below it open, entered or mapped.
    Process {
        /// The process.
        pid: i32,
        /// Its name.
        name: String,
        /// What it uses.
        path: PathBuf,
    },
    /// Something is mounted below it.
    Mount {
        /// The mount point.
        path: PathBuf,
    },
}

impl fmt::Display for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, name, path } => {
                write!(formatter, "process {pid} ({name}) uses {}", path.display())
            }
            Self::Mount { path } => write!(formatter, "{} is mounted", path.display()),
        }
    }
}

/// Everything that uses one of `paths` or what lies below, this process left
/// out.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn uses_of(paths: &[PathBuf]) -> Result<Vec<Use>> {
    let proc = Path::new("/proc");
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(proc).map_err(Error::state("read", proc))? {
        let Some(pid) = entry.ok().and_then(|entry| entry.file_name().to_str()?.parse().ok()) else {
            continue;
        };
        if pid == own {
            continue;
        }
        let directory = proc.join(i32::to_string(&pid));
        for path in used_by(&directory) {
            if is_below(&path, paths) {
                let name = fs::read_to_string(directory.join("comm")).unwrap_or_default().trim().to_owned();
                found.insert(Use::Process { pid, name, path });
            }
        }
    }
    // A path that is itself a mount point is a disk of its own, not a use.
    let mounts = mounts_under(paths)?;
    found.extend(mounts.into_iter().filter(|path| !paths.contains(path)).map(|path| Use::Mount { path }));
    Ok(found.into_iter().collect())
}

/// Mount points at or below `paths` in this process' namespace, outermost
/// first.
pub(crate) fn mounts_under(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(Error::state("read", table))?;
    Ok(text.lines().filter_map(mount_point).filter(|path| is_below(path, paths)).collect())
}

/// The fifth field of a mountinfo line, with its octal escapes resolved
/// (proc_pid_mountinfo(5)).
fn mount_point(line: &str) -> Option<PathBuf> {
    line.split(' ').nth(4).map(unescaped)
}

/// A path as the kernel and fstab(5) write it.
pub(crate) fn unescaped(field: &str) -> PathBuf {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\").into()
}

/// Paths a process holds on to; empty when it ended meanwhile.
fn used_by(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        ["cwd", "root", "exe"].iter().filter_map(|name| fs::read_link(directory.join(name)).ok()).collect();
    for list in ["fd", "map_files"] {
        let Ok(entries) = fs::read_dir(directory.join(list)) else { continue };
        paths.extend(entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()));
    }
    paths
}

fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_holds_a_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = vec![directory.path().to_owned()];
        assert_eq!(uses_of(&root).expect("uses"), []);
        let file = fs::File::create(directory.path().join("held")).expect("a file");
        let mut holder = Command::new("cat").stdin(Stdio::piped()).stdout(file).spawn().expect("a process");
        let uses = uses_of(&root).expect("uses");
        drop(holder.stdin.take());
        holder.wait().expect("the end of the process");
        let pid = i32::try_from(holder.id()).expect("a pid");
        assert!(
            uses.iter().any(|found| matches!(found, Use::Process { pid: by, .. } if *by == pid)),
            "{uses:?}"
        );
        assert_eq!(uses_of(&root).expect("uses"), []);
    }

    #[test]
    fn mount_points_with_spaces_are_read() {
        let line = "36 35 98:0 /mnt1 /var/lib/a\\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some("/var/lib/a b".into()));
    }

    #[test]
    fn a_neighbour_with_the_same_beginning_is_not_below() {
        assert!(!is_below(Path::new("/data2/x"), &["/data".into()]));
        assert!(is_below(Path::new("/data/x"), &["/data".into()]));
    }
}
