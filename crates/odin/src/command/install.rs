//! `odin install`.

use std::io::{BufRead, IsTerminal};

use odin_supervisor::operations::install::{self, Prepared};

use crate::args::{Install, InstallArguments};
use crate::failure::{ExitStatus, Failure};
use crate::{progress, words};

pub(crate) fn run(verb: &Install, json: bool) -> Result<ExitStatus, Failure> {
    match verb {
        Install::Plan { what } => Ok(super::render(&install::show(&prepare(what)?), json)),
        Install::Apply { what, yes } => {
            let prepared = prepare(what)?;
            if prepared.plan.refusals.is_empty() && !*yes && !prepared.unattended {
                ask(&prepared)?;
            }
            let observer = progress::observer(json);
            Ok(super::render(&install::apply(&prepared, &*observer)?, json))
        }
    }
}

fn prepare(what: &InstallArguments) -> Result<Prepared, Failure> {
    Ok(install::prepare(&install::Install {
        image: what.image.clone(),
        sha256: what.sha256.clone(),
        disk: what.disk.clone(),
        erase: what.erase.clone(),
        seed: what.seed.clone(),
    })?)
}

/// A disk is written to only by somebody who has seen which one.
fn ask(prepared: &Prepared) -> Result<(), Failure> {
    let name = &prepared.plan.name;
    let refused = |reason: String| Failure::Own { action: format!("install to {name}"), reason };
    if !std::io::stdin().is_terminal() {
        return Err(refused(
            "nobody can be asked here: --yes agrees, or a seed with an install.toml".to_owned(),
        ));
    }
    words::tell(&prepared.plan.to_string());
    words::tell(&format!("Type {name} to write to this disk:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| refused(error.to_string()))?;
    if answer.trim() == name {
        return Ok(());
    }
    Err(refused("it was not agreed to; nothing was written".to_owned()))
}
