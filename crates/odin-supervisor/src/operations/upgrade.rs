//! Upgrade: plan, apply, stage, check, confirm, rollback, history.
//!
//! `stage` and `check` are called by NixOS' own tools and `confirm --boot` by
//! a unit, so they take no lock: whoever calls them holds it, or nobody does.

mod apply;
mod report;
mod ward;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use odin_model::event::{Event, Observer};
use odin_model::report::{Row, Verdict};

use super::{Outcome, Status};
use crate::appliance::Appliance;
use crate::host::{Systemd, Units};
use crate::records::Records;
use crate::upgrade::decide::{self, Role, Wish};
use crate::upgrade::execute::{Ended, Executor};
use crate::upgrade::generation::{self, Generation};
use crate::upgrade::gpus::{self, Before, OfService};
use crate::upgrade::machine::{Machine, NixOs};
use crate::upgrade::obstacles;
use crate::upgrade::record::{DataReturn, Kind, Record, State, Store};
use crate::{Error, Result};

pub(super) use apply::{apply, rollback};
pub(super) use report::status_line;

fn store(appliance: &Appliance) -> Store {
    Store::below(&appliance.config.host.state_dir)
}

/// The running system, which every verb but those of NixOS' tools needs.
fn running(machine: &NixOs, action: &str) -> Result<PathBuf> {
    machine.booted()?.ok_or_else(|| Error::Host {
        action: action.to_owned(),
        reason: "there is no /run/booted-system: this machine was not booted from NixOS".to_owned(),
        hint: "upgrades are for an installed appliance; a new machine is made by `odin install apply`",
    })
}

/// Reads a system, with its number in the profile.
fn read(machine: &impl Machine, system: &Path) -> Result<Generation> {
    let found = Generation::read(system, None)?;
    let number = machine.generations()?.into_iter().rev().find(|(_, target)| *target == found.system);
    Ok(Generation { number: number.map(|(number, _)| number), ..found })
}

/// The generation that is asked for: the one named, else where the profile
/// leads, which `nixos-rebuild` sets before it switches.
fn candidate(machine: &impl Machine, named: Option<&Path>) -> Result<Generation> {
    match named {
        Some(system) => read(machine, system),
        None => {
            let system = machine.profile()?.ok_or_else(|| Error::Host {
                action: "find the new generation".to_owned(),
                reason: "there is no system profile".to_owned(),
                hint: "name the system: `odin upgrade plan PATH`",
            })?;
            read(machine, &system)
        }
    }
}

/// Everything one upgrade is decided on.
struct Situation {
    from: Generation,
    to: Generation,
    record: Option<Record>,
    obstacles: Vec<Row>,
}

async fn look(appliance: &Appliance, machine: &NixOs, named: Option<&Path>) -> Result<Situation> {
    let from = read(machine, &running(machine, "look at the running generation")?)?;
    let to = candidate(machine, named)?;
    let record = store(appliance).load()?;
    let mut rows = vec![obstacles::allowed(record.as_ref(), &from.system, &to.system)];
    rows.extend(obstacles::space(appliance, machine));
    rows.push(obstacles::backup(appliance, Records::of(appliance).backup().as_ref(), Timestamp::now()));
    rows.extend(ward::cluster_rows(appliance).await);
    rows.push(gpus::judge("gpus", &OfService(appliance), &Before::default()));
    Ok(Situation { from, to, record, obstacles: rows })
}

fn failed(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.verdict == Verdict::Failed)
}

pub(super) async fn plan(appliance: &Appliance, named: Option<&Path>) -> Result<Outcome> {
    let machine = NixOs::default();
    let found = look(appliance, &machine, named).await?;
    let changes = generation::changes(&found.from, &found.to);
    let status = match failed(&found.obstacles).count() {
        _ if found.from.system == found.to.system => Status::Done,
        0 => Status::Pending,
        _ => Status::Failed,
    };
    let plan = report::Plan {
        from: found.from,
        to: found.to,
        reboot: changes.iter().any(|change| change.reboot.is_some()),
        changes,
        obstacles: found.obstacles,
    };
    Ok(Outcome::new(status, &plan, &plan))
}

/// Vetoes, or is silent. It has nothing to say while a system is installed, in
/// a dry run, and where K3s does not run: a machine that is ill must be
/// mendable by a switch.
pub(super) async fn check(appliance: &Appliance, system: Option<&Path>, action: &str) -> Result<Outcome> {
    let machine = NixOs::default();
    let silent = || Outcome::new(Status::Done, "", &serde_json::json!({ "vetoes": [] }));
    let dry = matches!(action, "dry-activate" | "dry-build" | "check" | "build");
    if dry || machine.booted()?.is_none() || !Systemd.is_active(&appliance.config.host.k3s_unit)? {
        return Ok(silent());
    }
    // Back to what runs: the menu is written as it is, and nothing is staged.
    if candidate(&machine, system)?.system == running(&machine, "check a generation")? {
        return Ok(silent());
    }
    let found = look(appliance, &machine, system).await?;
    let mut vetoes: Vec<String> =
        failed(&found.obstacles).map(|row| format!("{}: {}", row.name, row.reason)).collect();
    // Staging is for these; a live switch is not.
    if action != "boot" {
        let live = generation::changes(&found.from, &found.to);
        vetoes.extend(live.iter().filter_map(|change| {
            let reason = change.reboot.as_ref()?;
            Some(format!("{change}: {reason}: `odin upgrade apply` stages it and reboots"))
        }));
    }
    if vetoes.is_empty() {
        return Ok(silent());
    }
    let lines: Vec<String> = vetoes.iter().map(|veto| format!("odin: {veto}")).collect();
    Ok(Outcome::new(Status::Failed, lines.join("\n"), &serde_json::json!({ "vetoes": vetoes })))
}

/// The boot loader's hook: its installer has written the entries (`written` is
/// its exit status) and made the new one the default in its own file.
pub(super) fn stage(appliance: &Appliance, system: Option<&Path>, written: i32) -> Result<Outcome> {
    let machine = NixOs::default();
    if machine.booted()?.is_none() {
        return Ok(Outcome::new(Status::Done, "", &serde_json::json!({ "staged": false })));
    }
    if written != 0 {
        return Err(Error::Host {
            action: "stage the new generation".to_owned(),
            reason: format!("the boot menu was not written: its installer ended with {written}"),
            hint: "its own message is above; what boots next is what booted last",
        });
    }
    let to = candidate(&machine, system)?;
    let record = staged(appliance, &machine, to, Staging::default())?;
    let text = match &record {
        Some(record) => format!(
            "{} is set for the next boot, {} stays the default until it is confirmed",
            record.to.name(),
            record.from.name()
        ),
        None => "the running generation is the default, nothing is staged".to_owned(),
    };
    Ok(Outcome::new(Status::Done, text, &record))
}

/// What staging is told besides the generation.
#[derive(Default)]
struct Staging {
    kind: Option<Kind>,
    snapshot: Option<String>,
    data: Option<DataReturn>,
}

/// Stages a generation and gives its record; none when it is the running one.
fn staged(
    appliance: &Appliance,
    machine: &NixOs,
    to: Generation,
    staging: Staging,
) -> Result<Option<Record>> {
    let store = store(appliance);
    store.create()?;
    let executor = Executor { machine, store: &store };
    let from = read(machine, &running(machine, "stage a generation")?)?;
    let same = from.system == to.system;
    let wish = wish(appliance, from, to, staging)?;
    let steps = decide::at_stage(store.load()?.as_ref(), &wish, &machine.boot_id()?, Timestamp::now())
        .map_err(|refusal| Error::Host {
            action: format!("stage {}", wish.to.name()),
            reason: refusal.to_string(),
            hint: "`odin upgrade history` tells what happened",
        })?;
    for step in &steps {
        executor.perform(step)?;
    }
    Ok(if same { None } else { store.load()? })
}

/// A wish, with what is to be measured against later.
fn wish(appliance: &Appliance, from: Generation, to: Generation, staging: Staging) -> Result<Wish> {
    Ok(Wish {
        kind: staging.kind.unwrap_or(Kind::Upgrade),
        from,
        to,
        snapshot: staging.snapshot,
        data: staging.data,
        failed_before: ward::failed_units()?,
        gpus: Before::now(&OfService(appliance), Timestamp::now()),
    })
}

/// The verdict: at boot, or asked for by a person.
pub(super) fn confirm(
    appliance: &Appliance,
    at_boot: bool,
    force: bool,
    deadline: Option<Duration>,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let machine = NixOs::default();
    let store = store(appliance);
    let executor = Executor { machine: &machine, store: &store };
    let ward = ward::Cluster {
        appliance,
        observer,
        gpus: &OfService(appliance),
        deadline: deadline.unwrap_or(appliance.config.upgrade.deadline),
        at_boot,
    };
    let Some(seen) = executor.look()? else {
        return Ok(Outcome::new(Status::Done, "nothing was booted from NixOS here", &()));
    };
    let before = store.load()?;
    let settled = tokio::task::block_in_place(|| {
        executor.settle(&seen, &ward, |record, seen, answers| {
            if at_boot {
                decide::at_boot(record, seen, answers)
            } else {
                decide::by_hand(record, seen, answers, force)
            }
        })
    });
    if let Err(error) = &settled {
        observer.event(Event::Warning { message: format!("the upgrade could not be settled: {error}") });
    }
    let (ended, answers) = settled?;
    store.create()?;
    if ended == Ended::Rebooting {
        let reason = store.load()?.and_then(|record| record.reason).unwrap_or_default();
        let text = format!("given up: {reason}; rebooting into the generation before");
        return Ok(Outcome::new(Status::Done, text, &store.load()?));
    }
    let record = store.load()?;
    let refused = answers.verdict.and_then(std::result::Result::err).filter(|_| record == before);
    Ok(match (refused, &record) {
        (Some(reason), _) => {
            let text = format!("not confirmed: {reason}");
            Outcome::new(Status::Failed, text, &record)
        }
        (None, Some(record)) if before.as_ref() != Some(record) => {
            Outcome::new(Status::Done, report::in_words(record), &record)
        }
        (None, _) => Outcome::new(Status::Done, "there is nothing to confirm", &record),
    })
}

pub(super) fn history(appliance: &Appliance) -> Result<Outcome> {
    let store = store(appliance);
    let mut past = store.history();
    past.extend(store.load()?.filter(|record| !record.state.has_ended()));
    past.reverse();
    Ok(Outcome::new(Status::Done, report::History(&past), &serde_json::json!({ "entries": past })))
}
