//! The place for files of the moment: database copies, records.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::lock::Exclusive;
use crate::{Error, Result};

/// A directory that is empty when taken, ours alone, and gone when dropped.
/// What a killed run left in it is removed by the next.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    _lock: Exclusive,
}

impl Staging {
    /// Takes the staging place below `base`.
    pub(crate) fn take(base: &Path) -> Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(base)
            .map_err(|error| Error::io("create directory", base, error))?;
        let lock_path = base.join("staging.lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| Error::io("open lock", &lock_path, error))?;
        let lock = Exclusive::take(lock)
            .map_err(|error| Error::io("lock", &lock_path, error))?
            .map_err(|_| Error::Locked { path: base.into(), holder: "another backup".into() })?;
        let path = base.join("staging");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove leftovers in", &path, error));
            }
            _ => {}
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Error::io("create directory", &path, error))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "staging is left for the next run to remove");
        }
    }
}

/// Bytes free to root's services on the file system of a path, which need not
/// exist yet.
pub(crate) fn free_space(path: &Path) -> Result<u64> {
    let mut existing = path;
    loop {
        match rustix::fs::statvfs(existing) {
            Ok(figures) => return Ok(figures.f_bavail.saturating_mul(figures.f_frsize)),
            Err(rustix::io::Errno::NOENT) => match existing.parent() {
                // What is relative ends in the working directory.
                Some(parent) if parent.as_os_str().is_empty() && existing != Path::new(".") => {
                    existing = Path::new(".");
                }
                Some(parent) => existing = parent,
                None => return Err(Error::io("measure the file system of", path, rustix::io::Errno::NOENT)),
            },
            Err(error) => return Err(Error::io("measure the file system of", existing, error)),
        }
    }
}

/// Refuses where fewer bytes are free.
pub(crate) fn require_space(path: &Path, needed: u64) -> Result<()> {
    let free = free_space(path)?;
    if free < needed {
        return Err(Error::NoSpace { path: path.into(), needed, free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_measured_where_nothing_is_yet() {
        for path in ["/", "/nonexistent/a/b", "nonexistent/a", "."] {
            assert!(free_space(Path::new(path)).unwrap() > 0, "{path}");
        }
        let scratch = tempfile::tempdir().unwrap();
        assert!(matches!(require_space(scratch.path(), u64::MAX), Err(Error::NoSpace { .. })));
    }

    #[test]
    fn a_second_run_is_refused_and_leftovers_are_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let base = scratch.path().join("state");
        let first = Staging::take(&base).unwrap();
        assert!(matches!(Staging::take(&base), Err(Error::Locked { .. })));
        drop(first);
        // As a killed run leaves it: the lock gone, the files not.
        fs::create_dir(base.join("staging")).unwrap();
        fs::write(base.join("staging/copy"), "left").unwrap();
        let second = Staging::take(&base).unwrap();
        assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0);
        drop(second);
        assert!(!base.join("staging").exists());
    }
}
