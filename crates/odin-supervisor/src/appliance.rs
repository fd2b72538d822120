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
        let config = Config::parse(&read(file)?, file)?;
        // Installation writes it where a first boot finds it; what is in the
        // state directory came later and wins. One that cannot be looked at must
        // not count as none.
        let exists = |path: &Path| {
            path.try_exists().map_err(|source| Error::Unreadable { path: path.to_owned(), source })
        };
        let kept = config.host.state_dir.join("site.toml");
        let planted = Path::new(crate::install::SITE);
        let site_file = if !exists(&kept)? && exists(planted)? { planted.to_owned() } else { kept };
        let (config, site_keys) = if exists(&site_file)? {
            let site = Site::parse(&read(&site_file)?, &site_file)?;
            (config.with_site(&site, &site_file)?, site.keys())
        } else {
            (config, Vec::new())
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

fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|source| Error::Unreadable { path: file.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|_| Error::Unreadable {
        path: file.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}

/// Writes a file so that it is either the old or the new one, also after a
/// power cut: temporary file, fsync, rename, fsync of the directory.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let directory = path.parent().unwrap_or(Path::new("/"));
    make_private_dir(directory)?;
    let scratch = path.with_extension("new");
    let failed = || Error::state("write", path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&scratch)
        .map_err(failed())?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed())?;
    fs::rename(&scratch, path).map_err(failed())?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed())
}

/// Makes a directory that only root may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::state("create", path))
}
