//! Where a bundle is made: a directory beside the one it will take the place of.
//!
//! It has one name per bundle, so that the next call finds and removes what a
//! killed one left, and is locked, so that two calls do not write one bundle.
//! The bundle takes its place by one rename or one exchange: at any moment
//! there is the earlier bundle or the new one, never half of one or none.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

/// The directory, locked, and removed when dropped.
pub(super) struct Workplace {
    path: PathBuf,
    out: PathBuf,
    _lock: File,
}

impl Workplace {
    /// Takes the place beside `out`.
    pub(super) fn take(out: &Path) -> Result<Self, String> {
        let name = out.file_name().ok_or_else(|| format!("{} names no directory to make", out.display()))?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        let path = parent.join(format!(".{}.new", name.display()));
        let say = |error: std::io::Error| format!("{}: {error}", path.display());
        let lock = loop {
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(say(error)),
                _ => {}
            }
            let lock = match File::open(&path) {
                // Another call ended and removed it meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                opened => opened.map_err(say)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(format!("another odin is building {} at this moment", out.display()));
                }
                Err(TryLockError::Error(error)) => return Err(say(error)),
            }
            let own = lock.metadata().map_err(say)?;
            // Else the lock is on what another call has removed since.
            if fs::metadata(&path).is_ok_and(|named| named.ino() == own.ino() && named.dev() == own.dev()) {
                break lock;
            }
        };
        for name in [RENDERING, BUNDLE] {
            match fs::remove_dir_all(path.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(say(error)),
                _ => {}
            }
        }
        Ok(Self { path, out: out.to_owned(), _lock: lock })
    }

    /// Where the overlay is rendered.
    pub(super) fn rendering(&self) -> PathBuf {
        self.path.join(RENDERING)
    }

    /// Writes the files of the bundle and tells where.
    pub(super) fn write(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<PathBuf, String> {
        let bundle = self.path.join(BUNDLE);
        for (name, bytes) in files {
            let say = |error: std::io::Error| format!("{}: {error}", bundle.join(name).display());
            let full = bundle.join(name);
            fs::create_dir_all(full.parent().unwrap_or(&bundle)).map_err(say)?;
            fs::write(&full, bytes).map_err(say)?;
        }
        // Others read the bundle: a daemon, a Nix build.
        fs::set_permissions(&bundle, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("{}: {error}", bundle.display()))?;
        Ok(bundle)
    }

    /// Puts the bundle where it belongs; the earlier one is removed with this.
    pub(super) fn put_in_place(&self) -> Result<(), String> {
        let bundle = self.path.join(BUNDLE);
        if self.out.exists() {
            rustix::fs::renameat_with(CWD, &bundle, CWD, &self.out, RenameFlags::EXCHANGE)
                .map_err(std::io::Error::from)
        } else {
            fs::rename(&bundle, &self.out)
        }
        .map_err(|error| format!("{}: {error}", self.out.display()))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next call.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Copies of the sources and what the programs made of them.
const RENDERING: &str = "rendering";
/// The bundle until it takes its place, afterwards the earlier one.
const BUNDLE: &str = "bundle";
