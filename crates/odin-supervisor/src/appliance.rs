//! The machine as it is declared: configuration, and where ODIN keeps what.

use std::fs;
use std::path::{Path, PathBuf};

use odin_model::config::{Backup, Config, Site};

use crate::{Error, Result};

/// The declaration in force, with the host's own values merged.
#[derive(Clone, Debug)]
pub struct Appliance {
    /// The merged declaration.
    pub config: Config,
    /// Keys whose value is the host's own (`site.toml`).
    pub site_keys: Vec<String>,
    /// The file the declaration was read from.
    pub file: PathBuf,
}

impl Appliance {
    /// Reads the declaration and, where the host has one, its `site.toml`.
    ///
    /// # Errors
    /// When a file cannot be read or declares something impossible.
    pub fn load(file: &Path) -> Result<Self> {
        let config = declared(file)?;
        let (config, site_keys) = match own_values(&config)? {
            Some((site, site_file)) => (config.with_site(&site, &site_file)?, site.keys()),
            None => (config, Vec::new()),
        };
        Ok(Self { config, site_keys, file: file.to_owned() })
    }

    /// Takes the `site.toml` that the installation left on the boot partition
    /// into the state directory, where snapshots carry it. One that is there
    /// stays as it is.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn adopt_site(&self) -> Result<()> {
        let (kept, planted) = (self.config.host.state_dir.join("site.toml"), Path::new(crate::install::SITE));
        if kept.exists() || !planted.exists() {
            return Ok(());
        }
        let content = fs::read(planted).map_err(Error::state("read", planted))?;
        replace_file(&kept, &content)
    }

    /// Reads the declaration with another repository in place of the declared
    /// one. A machine without any declaration gets an empty one: to be
    /// restored it needs the repository and its password and nothing else.
    ///
    /// # Errors
    /// As [`Appliance::load`], but for a file that does not exist.
    pub fn load_with_repository(file: &Path, repository: &Path, password_file: &Path) -> Result<Self> {
        let mut appliance = if file.exists() {
            Self::load(file)?
        } else {
            Self { config: Config::default(), site_keys: Vec::new(), file: file.to_owned() }
        };
        let other = Backup::at(repository.to_owned(), password_file.to_owned());
        let declared = appliance.config.backup.take();
        appliance.config.backup = Some(match declared {
            Some(declared) => {
                Backup { repository: other.repository, password_file: other.password_file, ..declared }
            }
            None => other,
        });
        Ok(appliance)
    }

    /// The `[backup]` section, which `action` needs.
    pub(crate) fn backup(&self, action: &'static str) -> Result<&Backup> {
        self.config.backup.as_ref().ok_or_else(|| Error::NotDeclared { action, key: "[backup]".to_owned() })
    }

    /// Name of the machine in snapshots and reports.
    #[must_use]
    pub fn name(&self) -> String {
        self.config
            .host
            .name
            .clone()
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }

    /// Copy of the bundle that was applied last; what drift is measured
    /// against and what a snapshot carries.
    #[must_use]
    pub fn bundle_in_force(&self) -> PathBuf {
        self.config.host.state_dir.join("generation/bundle")
    }

    /// Copies that `odin undo` needs.
    #[must_use]
    pub fn undo_dir(&self) -> PathBuf {
        self.config.host.state_dir.join("undo")
    }

    /// Records of drills, drift and operations.
    #[must_use]
    pub fn history_dir(&self) -> PathBuf {
        self.config.host.state_dir.join("history")
    }

    /// Journal of a restore under way.
    #[must_use]
    pub fn jobs_dir(&self) -> PathBuf {
        self.config.host.state_dir.join("jobs")
    }

    /// Values of generated secrets.
    #[must_use]
    pub fn credentials_dir(&self) -> PathBuf {
        self.config.host.state_dir.join("credentials")
    }
}

/// The declaration without the host's own values.
pub(crate) fn declared(file: &Path) -> Result<Config> {
    Ok(Config::parse(&read(file)?, file)?)
}

/// The host's own values and the file they are from; none where the host has no
/// `site.toml`.
///
/// Installation writes it where a first boot finds it; what is in the state
/// directory came later and wins. One that cannot be looked at must not count as
/// none.
pub(crate) fn own_values(config: &Config) -> Result<Option<(Site, PathBuf)>> {
    let kept = config.host.state_dir.join("site.toml");
    for file in [kept, PathBuf::from(crate::install::SITE)] {
        let is_there = file.try_exists();
        if is_there.map_err(|source| Error::Unreadable { path: file.clone(), source })? {
            return Ok(Some((Site::parse(&read(&file)?, &file)?, file)));
        }
    }
    Ok(None)
}

fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|source| Error::Unreadable { path: file.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|_| Error::Unreadable {
        path: file.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}

/// Writes a file so that it is either the old or the new one, also after a
/// power cut: scratch file, fsync, rename, fsync of the directory.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, true)
}

/// Writes a file so that whoever reads it sees the old or the new one. After a
/// power cut it may be empty: for what is not missed then.
pub(crate) fn note_file(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, false)
}

fn replace(path: &Path, content: &[u8], durable: bool) -> Result<()> {
    use std::io::Write;

    let directory = path.parent().unwrap_or(Path::new("/"));
    make_private_dir(directory)?;
    let failed = || Error::state("write", path);
    let (scratch, mut file) = create_scratch(directory, path).map_err(failed())?;
    let written = file
        .write_all(content)
        .and_then(|()| if durable { file.sync_all() } else { Ok(()) })
        .and_then(|()| fs::rename(&scratch, path));
    if let Err(error) = written {
        drop(fs::remove_file(&scratch));
        return Err(failed()(error));
    }
    if durable {
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed())?;
    }
    Ok(())
}

/// Makes the file that becomes `path`: no other writer has it, whatever file of
/// the directory it writes. What a kill left of earlier ones goes.
pub(crate) fn create_scratch(directory: &Path, path: &Path) -> std::io::Result<(PathBuf, fs::File)> {
    use std::os::unix::fs::OpenOptionsExt;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in fs::read_dir(directory)?.flatten() {
        if is_left_over(&entry.file_name().to_string_lossy(), &name) {
            drop(fs::remove_file(entry.path()));
        }
    }
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let scratch = directory.join(format!("{name}.{}-{number}.new", std::process::id()));
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch) {
            // Of an earlier process of this number.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (scratch, file)),
        }
    }
}

/// Whether `found` is a scratch file for `name` whose writer is gone.
fn is_left_over(found: &str, name: &str) -> bool {
    let unique = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
    let parts = unique.and_then(|unique| unique.split_once('-'));
    parts.is_some_and(|(process, number)| {
        let is_number = |text: &str| text.parse::<u64>().is_ok();
        is_number(process) && is_number(number) && !Path::new("/proc").join(process).exists()
    })
}

/// Makes a directory that only root may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::state("create", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_that_differ_in_their_ending_do_not_share_a_scratch_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (first, _) = create_scratch(directory.path(), &path("prometheus.json")).expect("a file");
        let (second, _) = create_scratch(directory.path(), &path("prometheus.used")).expect("a file");
        let (third, file) = create_scratch(directory.path(), &path("prometheus.used")).expect("a file");
        assert!(first != second && second != third);
        assert_eq!(file.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
        replace_file(&path("prometheus.json"), b"a").expect("written");
        assert_eq!(names(directory.path()).len(), 4, "nobody takes another's");
    }

    #[test]
    fn nothing_is_left_of_a_write_that_failed_or_was_killed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.json");
        // No process has such a number (/proc/sys/kernel/pid_max).
        for left in ["a.json.99999999-7.new", "b.json.99999999-7.new", "a.json.x-7.new"] {
            fs::write(directory.path().join(left), "half").expect("a file");
        }
        fs::create_dir_all(path.join("full")).expect("a directory in its way");
        assert!(replace_file(&path, b"a").is_err());
        assert_eq!(names(directory.path()), ["a.json", "a.json.x-7.new", "b.json.99999999-7.new"]);
    }
}
