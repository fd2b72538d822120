//! Apply and rollback: what ends in a staged generation and a reboot.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use odin_model::event::{Event, Observer, StepState};

use super::super::{Rollback, Upgrade, backup};
use super::{
    DataReturn, Error, Executor, Generation, Kind, Machine, NixOs, OfService, Outcome, Record, Records,
    Result, Role, Staging, State, Status, decide, failed, look, read, report, running, staged, store, ward,
    wish,
};
use crate::appliance::Appliance;
use crate::lock::Lock;
use crate::upgrade::entries;
use crate::upgrade::record::DataState;

/// Backs up, stages and reboots.
pub(in crate::operations) async fn apply(
    appliance: &Appliance,
    options: &Upgrade,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let machine = NixOs::default();
    let found = look(appliance, &machine, options.system.as_deref()).await?;
    if found.from.system == found.to.system {
        let text = format!("{} runs already", found.to.name());
        return Ok(Outcome::new(Status::Done, text, &serde_json::json!({ "staged": false })));
    }
    let forgiven = found.record.clone().filter(|record| options.again && record.to.system == found.to.system);
    let stopping: Vec<String> = failed(&found.obstacles)
        // A backup is taken below, and a person's word outweighs a fall-back.
        .filter(|row| row.name != "backup-fresh" && !(forgiven.is_some() && row.name == "may-be-staged"))
        .map(|row| format!("{}: {}", row.name, row.reason))
        .collect();
    if !stopping.is_empty() {
        return Err(Error::Host {
            action: format!("upgrade to {}", found.to.name()),
            reason: stopping.join("; "),
            hint: "`odin upgrade plan` shows all of it; nothing was changed",
        });
    }
    let minor = found.from.k3s_minor() != found.to.k3s_minor();
    let snapshot = snapshot(appliance, minor, observer).await?;
    let _lock = Lock::take(&appliance.config.host, "upgrade", observer).await?;
    if let Some(record) = forgiven {
        store(appliance).save(&Record { forgiven: true, ..record })?;
    }
    let record =
        install(appliance, &machine, found.to, Staging { snapshot, ..Staging::default() }, observer)?;
    Ok(reboot(record.as_ref(), options.no_reboot))
}

/// The snapshot to go back to: the newest when it is fresh, else a new one.
/// Before another minor version of K3s always a new one: it may have to
/// replace the datastore, and what came after it is lost then.
async fn snapshot(appliance: &Appliance, minor: bool, observer: &dyn Observer) -> Result<Option<String>> {
    if appliance.config.backup.is_none() {
        let message = "[backup] is not declared: this upgrade has no snapshot to go back to".to_owned();
        observer.event(Event::Warning { message });
        return Ok(None);
    }
    let records = Records::of(appliance);
    let limit =
        SignedDuration::try_from(appliance.config.upgrade.fresh_backup).unwrap_or(SignedDuration::ZERO);
    if let Some(newest) = records.backup()
        && !minor
        && Timestamp::now().duration_since(newest.time) <= limit
    {
        return Ok(Some(newest.snapshot));
    }
    backup::now(appliance, observer).await?;
    Ok(records.backup().map(|newest| newest.snapshot))
}

/// Points the profile, has the system write the boot menu (which stages it
/// through the hook), and stages it with what the hook does not know.
fn install(
    appliance: &Appliance,
    machine: &NixOs,
    to: Generation,
    staging: Staging,
    observer: &dyn Observer,
) -> Result<Option<Record>> {
    let told = |state, detail: String| {
        observer.event(Event::Step { name: format!("stage {}", to.name()), state, detail });
    };
    told(StepState::Started, String::new());
    let done = machine
        .point_profile(&to.system)
        .and_then(|()| tokio::task::block_in_place(|| machine.install(&to.system)))
        // The profile gave it a number.
        .and_then(|()| read(machine, &to.system))
        .and_then(|to| staged(appliance, machine, to, staging));
    match &done {
        Ok(_) => told(StepState::Done, String::new()),
        Err(error) => told(StepState::Failed, error.to_string()),
    }
    done
}

fn reboot(record: Option<&Record>, no_reboot: bool) -> Outcome {
    let Some(record) = record else {
        return Outcome::new(Status::Done, "the running generation is the default", &record);
    };
    let words = report::in_words(record);
    if no_reboot {
        return Outcome::new(Status::Done, format!("{words}; it is tried at the next boot"), record);
    }
    let outcome = Outcome::new(Status::Done, format!("{words}; rebooting to try it"), record);
    Outcome { reboot: true, ..outcome }
}

/// Goes to the generation before: withdraws what was only staged, leaves what
/// is on trial, and boots the previous one otherwise.
pub(in crate::operations) async fn rollback(
    appliance: &Appliance,
    options: &Rollback,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let machine = NixOs::default();
    let store = store(appliance);
    let here = running(&machine, "roll back")?;
    let record = store.load()?;
    let undecided = |record: &&Record| is_staged(record) || is_on_trial(record, &here);
    if let (true, Some(record)) = (options.with_data, record.as_ref().filter(undecided)) {
        return Err(Error::Host {
            action: format!("roll back from {} with data", record.to.name()),
            reason: "it has no good verdict yet".to_owned(),
            hint: "`odin upgrade rollback` leaves it, data as it is; then `odin restore apply ID` brings a \
                   snapshot back",
        });
    }
    match &record {
        Some(record) if is_staged(record) => {
            let _lock = Lock::take(&appliance.config.host, "roll back", observer).await?;
            machine.point_profile(&here)?;
            staged(appliance, &machine, read(&machine, &here)?, Staging::default())?;
            let text = format!("{} is not tried: it was withdrawn", record.to.name());
            return Ok(Outcome::new(Status::Done, text, record));
        }
        Some(record) if is_on_trial(record, &here) => {
            return leave(appliance, &machine, record, observer);
        }
        _ => {}
    }
    if let Some(default) = another_default(&machine, &here)? {
        if record.as_ref().is_some_and(|record| was_given_up(record, &here)) {
            let text = format!("{} is the default; rebooting into it", read(&machine, &default)?.name());
            return Ok(Outcome { reboot: !options.no_reboot, ..Outcome::new(Status::Done, text, &record) });
        }
        return stay(appliance, &machine, (&default, &here), options, observer).await;
    }
    let target = previous(&machine, record.as_ref(), &here)?;
    let from = read(&machine, &here)?;
    let to = read(&machine, &target)?;
    let data = data_to_return(&from, &to, record.as_ref(), options.with_data)?;
    if data.is_some() && appliance.config.backup.is_some() {
        // The present is kept before anything of it is replaced, for good.
        backup::take(appliance, observer, &[odin_backup::engine::HOLD]).await?;
    }
    let _lock = Lock::take(&appliance.config.host, "roll back", observer).await?;
    let staging = Staging { kind: Some(Kind::Rollback), snapshot: None, data };
    let record = install(appliance, &machine, to, staging, observer)?;
    Ok(reboot(record.as_ref(), options.no_reboot))
}

/// Whether what runs fell back before: somebody chose it in the boot menu to
/// look at it, and goes back to the default.
fn was_given_up(record: &Record, here: &Path) -> bool {
    record.state == State::FellBack && record.to.system == here
}

/// The system that is the default while another one runs: somebody chose that
/// in the boot menu.
fn another_default(machine: &impl Machine, here: &Path) -> Result<Option<PathBuf>> {
    let entries = machine.entries()?;
    let default = entries::default(&entries).filter(|entry| !entry.boots(here));
    Ok(default.and_then(entries::Entry::system))
}

/// Makes the running generation the default: it was gone back to by hand.
async fn stay(
    appliance: &Appliance,
    machine: &NixOs,
    (default, here): (&Path, &Path),
    options: &Rollback,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let (from, to) = (read(machine, default)?, read(machine, here)?);
    if options.with_data {
        return Err(Error::Host {
            action: format!("roll back to {} with data", to.name()),
            reason: "it runs already, and data goes back at a boot".to_owned(),
            hint: "`odin upgrade rollback` makes it stay; `odin restore apply ID` brings a snapshot back",
        });
    }
    let _lock = Lock::take(&appliance.config.host, "roll back", observer).await?;
    let store = store(appliance);
    store.create()?;
    let executor = Executor { machine, store: &store };
    let wish = decide::Wish { kind: Kind::Rollback, ..wish(appliance, from, to, Staging::default())? };
    for step in &decide::at_stay(&wish, &machine.boot_id()?, Timestamp::now()) {
        executor.perform(step)?;
    }
    let text = format!("{} runs and is the default again, in place of {}", wish.to.name(), wish.from.name());
    Ok(Outcome::new(Status::Done, text, &store.load()?))
}

fn is_staged(record: &Record) -> bool {
    matches!(record.state, State::Staging | State::Staged)
}

/// Whether what runs is on trial, or was given up and runs all the same.
fn is_on_trial(record: &Record, here: &Path) -> bool {
    matches!(record.state, State::Booted | State::FallingBack | State::Stranded) && record.to.system == here
}

/// Leaves a generation on trial, as a bad verdict would.
fn leave(
    appliance: &Appliance,
    machine: &NixOs,
    record: &Record,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let store = store(appliance);
    store.save(&Record {
        state: State::FallingBack,
        left_boot: None,
        reason: Some("it was given up by hand".to_owned()),
        ..record.clone()
    })?;
    let executor = Executor { machine, store: &store };
    let Some(seen) = executor.look()? else {
        return Ok(Outcome::new(Status::Failed, "nothing was booted from NixOS here", &()));
    };
    let ward = ward::Cluster {
        appliance,
        observer,
        gpus: &OfService(appliance),
        deadline: appliance.config.upgrade.deadline,
        at_boot: false,
    };
    // All but the reboot, which is for who asked.
    let next = |record: Option<&Record>, seen: &decide::Seen, answers: &decide::Answers| {
        let steps = decide::at_boot(record, seen, answers).into_iter();
        steps.filter(|step| *step != decide::Step::Reboot).collect()
    };
    tokio::task::block_in_place(|| executor.settle(&seen, &ward, next))?;
    let left = store.load()?.is_some_and(|record| record.left_boot == Some(seen.boot));
    if !left {
        return Ok(Outcome::new(Status::Failed, "it could not be given up", record));
    }
    let text = "given up by hand; rebooting into the generation before";
    Ok(Outcome { reboot: true, ..Outcome::new(Status::Done, text, record) })
}

/// The generation to go back to: the one that was confirmed before.
fn previous(machine: &impl Machine, record: Option<&Record>, here: &Path) -> Result<PathBuf> {
    let kept = machine.kept(Role::Previous)?;
    let before = record
        .filter(|record| record.state == State::Confirmed && record.to.system == here)
        .map(|record| record.from.system.clone());
    before.into_iter().chain(kept).find(|system| system != here && system.exists()).ok_or_else(|| {
        Error::Host {
            action: "roll back".to_owned(),
            reason: "no earlier generation was confirmed on this machine".to_owned(),
            hint: "`odin upgrade apply PATH` goes to any generation, an older one too",
        }
    })
}

/// The data that goes back: all that a person asked for, or the datastore
/// where the other K3s could not read it.
fn data_to_return(
    from: &Generation,
    to: &Generation,
    record: Option<&Record>,
    with_data: bool,
) -> Result<Option<DataReturn>> {
    let minor = from.k3s_minor() != to.k3s_minor();
    if !with_data && !minor {
        return Ok(None);
    }
    let snapshot = record
        .filter(|record| record.to.system == from.system && record.from.system == to.system)
        .and_then(|record| record.snapshot.clone())
        .ok_or_else(|| Error::Host {
            action: format!("roll back to {}", to.name()),
            reason: "no snapshot was taken before the running generation was staged".to_owned(),
            hint: "`odin upgrade apply PATH` goes to another generation with the present data, and `odin \
                   restore` brings any snapshot back",
        })?;
    Ok(Some(DataReturn { snapshot, datastore_only: !with_data, state: DataState::Due }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::execute::tests::Fake;
    use crate::upgrade::generation::tests::generation;
    use crate::upgrade::record::tests::record;

    #[test]
    fn another_default_is_what_the_menu_was_told_to_pass_over() {
        let machine = Fake::new(&["old", "new"]);
        let default = |here: &str| another_default(&machine, Path::new(here)).expect("entries");
        assert_eq!(default("/nix/store/old"), None);
        assert_eq!(default("/nix/store/new"), Some("/nix/store/old".into()));
        let fell_back = record(State::FellBack);
        assert!(was_given_up(&fell_back, &fell_back.to.system));
        assert!(!was_given_up(&fell_back, &fell_back.from.system));
        assert!(!was_given_up(&record(State::Confirmed), &fell_back.to.system));
    }

    #[test]
    fn data_goes_back_only_where_it_must_or_is_asked_for() {
        let (old, new) = (generation("old", "1.35.6+k3s1"), generation("new", "1.35.8+k3s1"));
        let minor = generation("new", "1.36.2+k3s1");
        let confirmed = record(State::Confirmed);
        let returned = |from, data| data_to_return(from, &old, Some(&confirmed), data).expect("data");
        assert_eq!(returned(&new, false), None);
        assert!(returned(&minor, false).is_some_and(|data| data.datastore_only));
        assert!(returned(&minor, true).is_some_and(|data| !data.datastore_only));
        assert!(returned(&new, true).is_some_and(|data| data.snapshot == "aaaa"));
        let error = data_to_return(&minor, &old, None, false).expect_err("no snapshot");
        assert!(error.to_string().contains("no snapshot was taken"), "{error}");
    }
}
