//! The host's own values at installation: `site.toml` on a second partition or
//! stick labelled `ODIN-SEED`, and `install.toml` beside it for an
//! installation that nobody watches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use odin_model::config::Site;
use serde::Deserialize;

use super::disks::{Device, run};
use crate::{Error, Result};

/// Label of the file system that is looked for.
pub const LABEL: &str = "ODIN-SEED";

/// A seed that was read and is right.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The file or device it came from.
    pub origin: PathBuf,
    /// The text of `site.toml`.
    pub site: String,
    /// What an unattended installation is told.
    pub install: Option<Unattended>,
}

/// `install.toml`: consent in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Unattended {
    /// Which disk, as `--disk` takes it.
    pub disk: Option<String>,
    /// The disk whose data may go, as `--erase` takes it.
    pub erase: Option<String>,
}

/// Reads a seed: a `site.toml`, a directory with one, or a device whose file
/// system has one.
///
/// # Errors
/// When it cannot be read, or says something a host's own file may not.
pub fn read(origin: &Path) -> Result<Seed> {
    let metadata = fs::metadata(origin).map_err(Error::state("read the seed", origin))?;
    if metadata.is_file() {
        return parse(origin, origin, None);
    }
    if metadata.is_dir() {
        return parse(origin, &origin.join("site.toml"), Some(&origin.join("install.toml")));
    }
    let mounted = Mounted::read_only(origin)?;
    parse(origin, &mounted.directory.join("site.toml"), Some(&mounted.directory.join("install.toml")))
}

/// The device labelled [`LABEL`]; none when there is none.
#[must_use]
pub fn find(devices: &[Device]) -> Option<PathBuf> {
    devices.iter().flat_map(Device::all).find(|device| is_on(device)).map(|device| device.path.clone())
}

/// Whether a device is labelled [`LABEL`].
pub(super) fn is_on(device: &Device) -> bool {
    device.label.as_deref() == Some(LABEL) || device.partlabel.as_deref() == Some(LABEL)
}

fn parse(origin: &Path, site_file: &Path, install_file: Option<&Path>) -> Result<Seed> {
    let site = fs::read_to_string(site_file).map_err(Error::state("read", site_file))?;
    Site::parse(&site, site_file)?;
    let install = match install_file.map(fs::read_to_string) {
        None => None,
        Some(Ok(text)) => Some(toml::from_str(&text).map_err(|error| Error::Host {
            action: format!("read install.toml of {}", origin.display()),
            reason: error.to_string(),
            hint: "it may have `disk` and `erase`, as the options of `odin install apply`",
        })?),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
        Some(Err(error)) => return Err(Error::state("read install.toml of", origin)(error)),
    };
    Ok(Seed { origin: origin.to_owned(), site, install })
}

/// A file system mounted for a moment.
#[derive(Debug)]
struct Mounted {
    directory: PathBuf,
}

impl Mounted {
    /// Mounts a device where nothing can write to it.
    fn read_only(device: &Path) -> Result<Self> {
        let directory = PathBuf::from(format!("/run/odin-install-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(Error::state("create", &directory))?;
        let mounted = run(
            Command::new("mount").args(["-o", "ro,nosuid,nodev,noexec"]).arg(device).arg(&directory),
            &format!("mount {}", device.display()),
        );
        match mounted {
            Ok(_) => Ok(Self { directory }),
            Err(error) => {
                drop(fs::remove_dir(&directory));
                Err(error)
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What stays mounted is gone with the installer's next boot.
        drop(run(Command::new("umount").arg(&self.directory), "unmount"));
        drop(fs::remove_dir(&self.directory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_file_or_a_directory_and_is_checked() {
        let directory = tempfile::tempdir().expect("a directory");
        let site = directory.path().join("site.toml");
        fs::write(&site, "[host]\nname = \"gpu-01\"\n").expect("a file");
        assert_eq!(read(&site).expect("a seed").install, None);
        fs::write(directory.path().join("install.toml"), "disk = \"serial=S1\"\nerase = \"S1\"\n")
            .expect("a file");
        let seed = read(directory.path()).expect("a seed");
        assert!(seed.site.contains("gpu-01"));
        let install = seed.install.expect("one");
        assert_eq!((install.disk.as_deref(), install.erase.as_deref()), (Some("serial=S1"), Some("S1")));
        fs::write(&site, "[apply]\nprune-limit = 1\n").expect("a file");
        assert!(read(directory.path()).expect_err("foreign").to_string().contains("apply"));
        fs::write(&site, "[access]\nauthorized-keys = [\"ssh-ed25519 AAAA you@desk\"]\n").expect("a file");
        assert!(
            read(directory.path()).expect_err("a key cut off").to_string().contains("authorized-keys[0]")
        );
        fs::write(&site, "").expect("a file");
        fs::write(directory.path().join("install.toml"), "dsik = \"S1\"").expect("a file");
        assert!(read(directory.path()).expect_err("misspelt").to_string().contains("dsik"));
        assert!(read(&directory.path().join("absent")).is_err());
    }
}
