//! Profiles of Nix: a link `NAME` to `NAME-N-link`, which leads to a system.
//!
//! The form is Nix's own (`nix-env --set` and `--switch-generation`), with its
//! lock, `NAME.lock`. `nix-env` itself is not called because a fall-back has to
//! work in a generation whose Nix is what broke.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::{Error, Result};

/// A profile, for example `/nix/var/nix/profiles/system`.
#[derive(Clone, Debug)]
pub struct Profile {
    link: PathBuf,
}

impl Profile {
    /// The profile at a path; nothing is read yet.
    #[must_use]
    pub fn at(link: PathBuf) -> Self {
        Self { link }
    }

    fn directory(&self) -> &Path {
        self.link.parent().unwrap_or(Path::new("/"))
    }

    fn name(&self) -> String {
        self.link.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its generations in the order of their numbers; empty when there is no
    /// such profile.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn generations(&self) -> Result<Vec<(u64, PathBuf)>> {
        let entries = match fs::read_dir(self.directory()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::state("read", self.directory())(error)),
        };
        let prefix = format!("{}-", self.name());
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::state("read", self.directory()))?;
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix("-link")?.parse::<u64>().ok());
            if let Some(number) = number {
                let target = fs::read_link(entry.path()).map_err(Error::state("read", entry.path()))?;
                found.push((number, target));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What it leads to; none when there is no such profile.
    ///
    /// # Errors
    /// When it is there and leads nowhere.
    pub fn target(&self) -> Result<Option<PathBuf>> {
        let generation = match fs::read_link(&self.link) {
            Ok(generation) => generation,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::state("read", &self.link)(error)),
        };
        let generation = self.directory().join(generation);
        fs::read_link(&generation).map(Some).map_err(Error::state("read", generation))
    }

    /// Makes it lead to a system: to the newest generation that has it, or to
    /// a new one. Nothing changes when it does already.
    ///
    /// # Errors
    /// When a link cannot be written.
    pub fn point_to(&self, system: &Path) -> Result<()> {
        fs::create_dir_all(self.directory()).map_err(Error::state("create", self.directory()))?;
        let _lock = self.lock()?;
        if self.target().ok().flatten().as_deref() == Some(system) {
            return Ok(());
        }
        let generations = self.generations()?;
        let number = match generations.iter().rev().find(|(_, target)| target == system) {
            Some((number, _)) => *number,
            None => {
                let number = generations.last().map_or(1, |(number, _)| number + 1);
                self.replace(&self.generation_link(number), system)?;
                number
            }
        };
        let name = format!("{}-{number}-link", self.name());
        self.replace(&self.link, Path::new(&name))
    }

    /// Removes the generations that it does not lead to: a profile of ODIN's
    /// own holds one system.
    ///
    /// # Errors
    /// When a link cannot be removed.
    pub fn keep_only_target(&self) -> Result<()> {
        let _lock = self.lock()?;
        let target = self.target()?;
        for (number, system) in self.generations()? {
            if Some(&system) != target.as_ref() {
                let link = self.generation_link(number);
                fs::remove_file(&link).map_err(Error::state("remove", &link))?;
            }
        }
        Ok(())
    }

    fn generation_link(&self, number: u64) -> PathBuf {
        self.directory().join(format!("{}-{number}-link", self.name()))
    }

    fn lock(&self) -> Result<Lock> {
        let path = self.directory().join(format!("{}.lock", self.name()));
        loop {
            let failed = || Error::state("lock", &path);
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed())?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(|error| failed()(error.into()))?;
            // One that has content was removed by its holder meanwhile.
            if file.metadata().map_err(failed())?.len() == 0 {
                return Ok(Lock { path, file });
            }
        }
    }

    /// Replaces a link in one step, durably.
    fn replace(&self, link: &Path, target: &Path) -> Result<()> {
        // The installer of systemd-boot takes every name here for a profile but
        // those with this end.
        let scratch = self.directory().join(format!(".{}-link", self.name()));
        match fs::remove_file(&scratch) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::state("replace", scratch)(error));
            }
            _ => {}
        }
        symlink(target, &scratch).map_err(Error::state("write", &scratch))?;
        fs::rename(&scratch, link).map_err(Error::state("replace", link))?;
        File::open(self.directory())
            .and_then(|directory| directory.sync_all())
            .map_err(Error::state("write", self.directory()))
    }
}

/// Nix's lock of a profile (`PathLocks` in its `libstore`): removed when it is
/// given back, and marked by a byte for who waits for the removed file.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if fs::remove_file(&self.path).is_ok() {
            drop(self.file.write_all(b"d"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(directory: &Path) -> Profile {
        for (number, system) in [(4, "old"), (10, "new")] {
            symlink(format!("/nix/store/{system}"), directory.join(format!("system-{number}-link")))
                .expect("a link");
        }
        symlink("system-10-link", directory.join("system")).expect("a link");
        Profile::at(directory.join("system"))
    }

    #[test]
    fn it_is_read_as_nix_writes_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let profile = profile(directory.path());
        let expected = vec![(4, PathBuf::from("/nix/store/old")), (10, PathBuf::from("/nix/store/new"))];
        assert_eq!(profile.generations().expect("generations"), expected);
        assert_eq!(profile.target().expect("a target"), Some("/nix/store/new".into()));
        let none = Profile::at(directory.path().join("absent/system"));
        assert_eq!(none.generations().expect("none"), []);
        assert_eq!(none.target().expect("none"), None);
    }

    #[test]
    fn it_goes_back_to_a_generation_and_on_to_a_new_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let profile = profile(directory.path());
        profile.point_to(Path::new("/nix/store/old")).expect("pointed");
        let link = fs::read_link(directory.path().join("system")).expect("a link");
        assert_eq!(link, Path::new("system-4-link"));
        profile.point_to(Path::new("/nix/store/newer")).expect("pointed");
        profile.point_to(Path::new("/nix/store/newer")).expect("again");
        assert_eq!(profile.generations().expect("generations").len(), 3);
        assert_eq!(profile.target().expect("a target"), Some("/nix/store/newer".into()));
        profile.keep_only_target().expect("kept");
        assert_eq!(profile.generations().expect("one"), [(11, "/nix/store/newer".into())]);
    }
}
