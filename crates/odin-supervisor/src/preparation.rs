//! What a machine needs of its own before its services start: the keys and the
//! name of `site.toml`, and a password for its first repository.
//!
//! The image is the same for every machine, so this is done on the machine, at
//! every boot, by odin-host.service. Each part is looked at, decided on by a pure
//! function ([`decide`]) and carried out before the next: whatever one lacks, the
//! others are had, because what helps is somebody who can log in.

mod act;
mod decide;
mod look;

use std::error::Error as _;
use std::fmt;
use std::path::{Path, PathBuf};

use odin_model::config::{Config, Site};
use serde::Serialize;

use crate::{Error, Result, appliance};
use decide::{Decision, Values};
use look::Mounts;

/// The file of the static host name (hostname(5)).
const HOSTNAME: &str = "/etc/hostname";

/// One part, and how it is with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    /// What is, was or would be.
    pub(crate) text: String,
    /// What a person has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// How it is with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// There is nothing to do.
    Unchanged,
    /// It is somebody else's and stays as it is.
    Left,
    /// It would be done.
    Pending,
    /// It was done.
    Done,
    /// It cannot be done.
    Failed,
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Unchanged => "unchanged",
            Self::Left => "left",
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// Looks at every part, and does what there is to do where it is `wanted`.
///
/// # Errors
/// When the declaration cannot be read; what concerns one part is said there.
pub(crate) fn run(file: &Path, wanted: bool) -> Result<Vec<Part>> {
    let config = appliance::declared(file)?;
    let mounts = Mounts::read();
    let site = appliance::own_values(&config);
    let own = site.as_ref().map(|found| Own {
        site: found.as_ref(),
        // Then what is on the boot partition may be older than what was there.
        missing: mounts.as_ref().ok().and_then(|mounts| mounts.missing(&config.host.state_dir)),
    });
    let of = |part: &dyn Fn(&Own<'_>) -> Result<Decision>| match &own {
        Ok(own) => part(own),
        Err(error) => Ok(refusal(error)),
    };
    Ok(vec![
        finish("authorized-keys", of(&|own| keys(&config, own)), wanted),
        finish("host-name", of(&host_name), wanted),
        finish("repository-password", of(&|own| password(&config, own, &mounts)), wanted),
    ])
}

/// The host's own values, as far as they can be had.
struct Own<'a> {
    site: Option<&'a (Site, PathBuf)>,
    /// Where the state directory should be mounted and is not.
    missing: Option<PathBuf>,
}

impl Own<'_> {
    fn values(&self) -> Values<'_> {
        Values {
            site: self.site.map(|(site, file)| (site, file.as_path())),
            missing: self.missing.as_deref(),
        }
    }
}

fn keys(config: &Config, own: &Own<'_>) -> Result<Decision> {
    let file = config.access.keys_file.as_deref();
    let seen = file.map(|file| Ok::<_, Error>((file, look::file(file)?))).transpose()?;
    Ok(decide::keys(seen.as_ref().map(|(file, seen)| (*file, seen)), &own.values()))
}

fn host_name(own: &Own<'_>) -> Result<Decision> {
    Ok(decide::host_name(&look::file(Path::new(HOSTNAME))?, &look::kernel_name(), &own.values()))
}

fn password(config: &Config, own: &Own<'_>, mounts: &Result<Mounts>) -> Result<Decision> {
    let config = match own.site {
        Some((site, file)) => config.clone().with_site(site, file)?,
        None => config.clone(),
    };
    let Some(backup) = &config.backup else { return Ok(decide::password(None, &config.host.state_dir)) };
    let mounts = match mounts {
        Ok(mounts) => mounts,
        Err(error) => return Ok(refusal(error)),
    };
    let place = look::password(backup, mounts)?;
    Ok(decide::password(Some((backup, &place)), &config.host.state_dir))
}

fn finish(name: &'static str, decided: Result<Decision>, wanted: bool) -> Part {
    let part = |state, text, hint| Part { name, state, text, hint };
    match decided.unwrap_or_else(|error| refusal(&error)) {
        Decision::Unchanged(text) => part(State::Unchanged, text, None),
        Decision::Left(text) => part(State::Left, text, None),
        Decision::Refused { reason, hint } => part(State::Failed, reason, hint),
        Decision::Do { words, .. } if !wanted => part(State::Pending, words, None),
        Decision::Do { action, words } => match act::carry_out(&action) {
            Ok(()) => part(State::Done, words, None),
            Err(error) => part(State::Failed, told(&error), error.hint()),
        },
    }
}

fn refusal(error: &Error) -> Decision {
    Decision::Refused { reason: told(error), hint: error.hint() }
}

/// An error with its causes.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
