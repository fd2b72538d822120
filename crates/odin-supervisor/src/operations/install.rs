//! Install: plan and apply. They need no declaration: there is no appliance yet.

use std::path::PathBuf;

use odin_model::event::Observer;
use serde_json::json;

use super::{Outcome, Status};
use crate::install::disks::{self, Rule};
use crate::install::plan::{Plan, Wish};
use crate::install::seed::Seed;
use crate::install::{boot_partition, plan, seed, write};
use crate::{Error, Result};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Install {
    /// The image.
    pub image: PathBuf,
    /// SHA-256 of its file.
    pub sha256: Option<String>,
    /// Which disk.
    pub disk: Option<Rule>,
    /// The disk whose data may go.
    pub erase: Option<String>,
    /// The host's own values.
    pub seed: Option<PathBuf>,
}

/// A planned installation.
#[derive(Debug)]
pub struct Prepared {
    /// What would be done.
    pub plan: Plan,
    seed: Option<Seed>,
    /// Whether the seed agrees to an installation that nobody watches.
    pub unattended: bool,
}

/// Looks at the machine: disks, image, seed.
///
/// # Errors
/// When something cannot be read, or no disk is meant.
pub fn prepare(options: &Install) -> Result<Prepared> {
    let origin = match &options.seed {
        Some(seed) => Some(seed.clone()),
        None => seed::find(&disks::list()?),
    };
    let seed = origin.as_deref().map(seed::read).transpose()?;
    let told = seed.as_ref().and_then(|seed| seed.install.clone());
    let unattended = told.is_some();
    let told = told.unwrap_or_default();
    let told_disk = told.disk.as_deref().map(str::parse).transpose().map_err(|reason| Error::Host {
        action: "read install.toml".to_owned(),
        reason,
        hint: "its `disk` has the form of --disk",
    })?;
    let wish = Wish {
        image: options.image.clone(),
        sha256: options.sha256.clone(),
        disk: options.disk.clone().or(told_disk).unwrap_or(Rule::Only),
        erase: options.erase.clone().or(told.erase),
        seed: seed.clone(),
    };
    Ok(Prepared { plan: plan::plan(&wish)?, seed, unattended })
}

/// Shows what would be written where.
#[must_use]
pub fn show(prepared: &Prepared) -> Outcome {
    let status = if prepared.plan.refusals.is_empty() { Status::Pending } else { Status::Failed };
    Outcome::new(status, &prepared.plan, &prepared.plan)
}

/// Writes, reads back, compares, and plants the host's own values.
///
/// # Errors
/// When the plan was refused, or a step fails.
pub fn apply(prepared: &Prepared, observer: &dyn Observer) -> Result<Outcome> {
    let plan = &prepared.plan;
    if !plan.refusals.is_empty() {
        return Err(Error::Host {
            action: format!("install to {} ({})", plan.disk.display(), plan.name),
            reason: format!("{}; on it: {}", plan.refusals.join("; "), in_words(&plan.contents)),
            hint: "nothing was written; `odin install plan` shows the disk",
        });
    }
    let written = write::write(plan, observer)?;
    if let Some(seed) = &prepared.seed {
        boot_partition::plant(&plan.disk, seed)?;
    }
    let text = format!(
        "{} holds the image: {} bytes, SHA-256 {} read back{}; remove the medium and reboot",
        plan.disk.display(),
        written.bytes,
        written.sha256,
        if prepared.seed.is_some() { ", and site.toml" } else { "" }
    );
    Ok(Outcome::new(Status::Done, text, &json!({ "disk": plan.disk, "written": written })))
}

fn in_words(contents: &[String]) -> String {
    if contents.is_empty() { "nothing that is known".to_owned() } else { contents.join(", ") }
}
