//! The copy of the bundle that was applied last.
//!
//! Snapshots carry it, and a restore applies it: on a bare machine there is no
//! other. It is replaced by exchanging directories, so it is always whole.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::appliance::{Appliance, make_private_dir, replace_file};
use crate::{Error, Result};

/// Number of the generation in force; none before the first apply.
pub(crate) fn generation(appliance: &Appliance) -> Option<u64> {
    fs::read_to_string(number_file(appliance)).ok()?.trim().parse().ok()
}

fn number_file(appliance: &Appliance) -> PathBuf {
    appliance.bundle_in_force().with_file_name("number")
}

/// Makes `bundle` the copy, in force as `generation`.
pub(crate) fn keep(appliance: &Appliance, bundle: &Path, generation: u64) -> Result<()> {
    copy_bundle(appliance, bundle)?;
    replace_file(&number_file(appliance), format!("{generation}\n").as_bytes())
}

/// Does nothing when the copy is that bundle already.
fn copy_bundle(appliance: &Appliance, bundle: &Path) -> Result<()> {
    let target = appliance.bundle_in_force();
    let sums = |directory: &Path| fs::read(directory.join("SHA256SUMS")).ok();
    if same(bundle, &target) || (sums(&target).is_some() && sums(bundle) == sums(&target)) {
        return Ok(());
    }
    let parent = target.parent().unwrap_or(Path::new("/"));
    make_private_dir(parent)?;
    let scratch = parent.join("bundle.new");
    remove(&scratch)?;
    copy(bundle, &scratch)?;
    if target.exists() {
        rustix::fs::renameat_with(CWD, &scratch, CWD, &target, RenameFlags::EXCHANGE)
            .map_err(|error| Error::state("replace", &target)(error.into()))?;
        remove(&scratch)?;
    } else {
        fs::rename(&scratch, &target).map_err(Error::state("write", &target))?;
    }
    fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(Error::state("write", parent))
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::State { action: "remove", path: directory.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Copies a bundle: directories and plain files, each on disk before the next.
fn copy(from: &Path, to: &Path) -> Result<()> {
    make_private_dir(to)?;
    for entry in fs::read_dir(from).map_err(Error::state("read", from))? {
        let entry = entry.map_err(Error::state("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // A bundle may be reached through symlinks (the Nix store); its copy
        // holds what they lead to.
        let metadata = fs::metadata(&source).map_err(Error::state("read", &source))?;
        if metadata.is_dir() {
            copy(&source, &target)?;
        } else {
            let bytes = fs::read(&source).map_err(Error::state("read", &source))?;
            fs::write(&target, bytes).map_err(Error::state("write", &target))?;
            fs::File::open(&target)
                .and_then(|file| file.sync_all())
                .map_err(Error::state("write", &target))?;
        }
    }
    fs::File::open(to).and_then(|directory| directory.sync_all()).map_err(Error::state("write", to))
}
