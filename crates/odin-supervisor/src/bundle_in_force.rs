//! The copy of the bundle that was applied last, and of the one before.
//!
//! Snapshots carry both, and a restore applies the first: on a bare machine
//! there is no other. An undo puts the second in its place. Both are replaced
//! by exchanging directories, so each is always whole.

use std::fs;
use std::path::{Path, PathBuf};

use odin_cluster::Bundle;
use rustix::fs::{CWD, RenameFlags};

use crate::appliance::{Appliance, make_private_dir, replace_file};
use crate::records::Records;
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
    let parent = target.parent().unwrap_or(Path::new("/"));
    let scratch = parent.join("bundle.new");
    // A killed call may have left one, also where there is nothing to copy now.
    remove(&scratch)?;
    let sums = |directory: &Path| fs::read(directory.join("SHA256SUMS")).ok();
    if same(bundle, &target) || (sums(&target).is_some() && sums(bundle) == sums(&target)) {
        return Ok(());
    }
    make_private_dir(parent)?;
    copy(bundle, &scratch)?;
    if target.exists() {
        exchange(&scratch, &target)?;
        let former = former(appliance);
        remove(&former)?;
        fs::rename(&scratch, &former).map_err(Error::state("write", &former))?;
    } else {
        fs::rename(&scratch, &target).map_err(Error::state("write", &target))?;
    }
    sync(parent)
}

fn former(appliance: &Appliance) -> PathBuf {
    appliance.bundle_in_force().with_file_name("bundle.former")
}

/// After an undo: puts the copy before in force where it is the bundle of that
/// digest, and tells whether it is.
pub(crate) fn go_back(appliance: &Appliance, digest: &str, generation: u64) -> Result<bool> {
    let (target, former) = (appliance.bundle_in_force(), former(appliance));
    let is = |directory: &Path| Bundle::open(directory).is_ok_and(|bundle| bundle.digest() == digest);
    if !is(&target) {
        if !is(&former) {
            return Ok(false);
        }
        exchange(&former, &target)?;
        sync(target.parent().unwrap_or(Path::new("/")))?;
    }
    replace_file(&number_file(appliance), format!("{generation}\n").as_bytes())?;
    Ok(true)
}

/// The copy in force, for whoever applies it once more without being asked by a
/// person; or why nobody may. `pending` is the digest of an apply that began and
/// has not ended well.
pub(crate) fn to_apply_again(
    appliance: &Appliance,
    pending: Option<&str>,
) -> std::result::Result<PathBuf, String> {
    let records = Records::of(appliance);
    if records.is_suspended() {
        return Err("the repair of drift is suspended; `odin resume` ends that".to_owned());
    }
    let directory = appliance.bundle_in_force();
    let bundle = Bundle::open(&directory)
        .map_err(|error| format!("there is no sound copy of the bundle in force: {error}"))?;
    if records.undone().is_some_and(|undone| undone == bundle.digest()) {
        return Err("the only copy there is is of the bundle that was undone".to_owned());
    }
    if pending.is_some_and(|digest| digest != bundle.digest()) {
        // The copy would take back what a person began.
        return Err("an apply of another bundle has begun; `odin apply` takes it up".to_owned());
    }
    Ok(directory)
}

fn exchange(one: &Path, other: &Path) -> Result<()> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|error| Error::state("replace", other)(error.into()))
}

fn sync(directory: &Path) -> Result<()> {
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::state("write", directory))
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
    sync(to)
}

#[cfg(test)]
mod tests {
    use odin_model::config::Config;

    use super::*;

    fn appliance(state: &Path) -> Appliance {
        let mut config = Config::default();
        config.host.state_dir = state.to_owned();
        Appliance { config, site_keys: Vec::new(), file: "/etc/odin/odin.toml".into() }
    }

    fn bundle(directory: &Path, sums: &str) {
        fs::create_dir_all(directory.join("platform")).expect("a directory");
        fs::write(directory.join("SHA256SUMS"), sums).expect("a file");
        fs::write(directory.join("platform/object.yaml"), sums).expect("a file");
    }

    #[test]
    fn the_copy_follows_the_bundle_and_its_number() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory.path().join("state"));
        let declared = directory.path().join("bundle");
        for (number, sums) in [(1, "one"), (2, "two"), (2, "two")] {
            bundle(&declared, sums);
            keep(&appliance, &declared, number).expect("a copy");
            let copied = appliance.bundle_in_force().join("platform/object.yaml");
            assert_eq!(fs::read_to_string(copied).expect("a file"), sums);
            assert_eq!(generation(&appliance), Some(number));
        }
    }

    /// A bundle with nothing in it but a mark that gives it a digest.
    fn sealed(directory: &Path, overlay: &str) -> String {
        use sha2::{Digest as _, Sha256};
        fs::create_dir_all(directory).expect("a directory");
        let manifest = format!("format = 1\noverlay = \"{overlay}\"\ncomponent = []\n");
        fs::write(directory.join("bundle.toml"), &manifest).expect("a file");
        let sums = format!("{}  bundle.toml\n", odin_backup::record::hex(&Sha256::digest(&manifest)));
        fs::write(directory.join("SHA256SUMS"), &sums).expect("a file");
        odin_backup::record::hex(&Sha256::digest(&sums))
    }

    #[test]
    fn an_undo_puts_the_copy_before_in_force_and_a_second_one_takes_it_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory.path().join("state"));
        let declared = directory.path().join("bundle");
        let in_force = || Bundle::open(&appliance.bundle_in_force()).expect("a bundle").digest().to_owned();
        let first = sealed(&declared, "first");
        keep(&appliance, &declared, 1).expect("a copy");
        assert!(!go_back(&appliance, "another", 1).expect("no error"));
        let second = sealed(&declared, "second");
        keep(&appliance, &declared, 2).expect("a copy");
        assert_eq!(in_force(), second);
        for (wanted, number) in [(&first, 1), (&first, 1), (&second, 2)] {
            assert!(go_back(&appliance, wanted, number).expect("an exchange"));
            assert_eq!((&in_force(), generation(&appliance)), (wanted, Some(number)));
        }
    }

    #[test]
    fn what_a_person_undid_suspended_or_began_is_not_applied_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory.path().join("state"));
        let records = Records::of(&appliance);
        let refused = |pending: Option<&str>, word: &str| {
            let reason = to_apply_again(&appliance, pending).expect_err(word);
            assert!(reason.contains(word), "{reason}");
        };
        refused(None, "no sound copy");
        let declared = directory.path().join("bundle");
        let (first, second) = (sealed(&declared, "first"), directory.path().join("second"));
        keep(&appliance, &declared, 1).expect("a copy");
        let second = sealed(&second, "second");
        let in_force = Ok(appliance.bundle_in_force());
        assert_eq!(to_apply_again(&appliance, None), in_force);
        assert_eq!(to_apply_again(&appliance, Some(&first)), in_force);
        refused(Some(&second), "another bundle has begun");
        // An undo that found the bundle before, and one that did not.
        records.set_undone(Some(&second)).expect("kept");
        assert_eq!(to_apply_again(&appliance, None), in_force);
        records.set_undone(Some(&first)).expect("kept");
        refused(None, "that was undone");
        records.set_undone(None).expect("kept");
        records.set_suspended(true).expect("kept");
        refused(None, "suspended");
        std::fs::write(appliance.bundle_in_force().join("bundle.toml"), "no bundle").expect("a file");
        records.set_suspended(false).expect("kept");
        refused(None, "no sound copy");
    }

    #[test]
    fn what_a_killed_copy_left_goes_also_when_nothing_is_to_be_copied() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(directory.path());
        let declared = directory.path().join("bundle");
        bundle(&declared, "one");
        keep(&appliance, &declared, 1).expect("a copy");
        let left = appliance.bundle_in_force().with_file_name("bundle.new");
        bundle(&left, "half");
        keep(&appliance, &declared, 1).expect("a copy");
        assert!(!left.exists());
    }
}
