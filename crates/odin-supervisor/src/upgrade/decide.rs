//! What happens next in an upgrade: pure functions of the record, of what is
//! seen, and of the answers so far.
//!
//! Four rules make a loop of reboots impossible and leave a generation that is
//! bootable and chosen whenever the power goes; a walk through every state with
//! the power cut before every step holds them (`decide/walk.rs`):
//!
//! - The old entry is the default before the new one is set for one boot, and
//!   until a good verdict. Whatever ends the trial, the next boot is the old.
//! - ODIN reboots by itself only once the old entry is the default and that is
//!   written down, and not when it finds that written by another boot.
//! - What is the default, or is to be, is kept from garbage collection first.
//! - A generation that fell back is not staged again until a person says so.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::generation::Generation;
use super::gpus::Before;
use super::record::{DataReturn, DataState, FORMAT, Kind, Record, State};

/// One thing to do. Every one may be repeated: after a power cut nobody knows
/// whether the last one took effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Writes the record.
    Save(Box<Record>),
    /// Makes a system's boot entry the default.
    Default(PathBuf),
    /// Sets a system's boot entry for the next boot only.
    Oneshot(PathBuf),
    /// Clears what is set for the next boot.
    NoOneshot,
    /// Makes the next boot reboot once if `odin` itself fails in it.
    Arm,
    /// Takes that back.
    Disarm,
    /// Makes the system profile lead to a system.
    Profile(PathBuf),
    /// Keeps a system, and its boot entry, from garbage collection.
    Keep(Role, PathBuf),
    /// Asks for the verdict on the running generation.
    Judge,
    /// Brings the record's data back.
    ReturnData,
    /// Keeps new pods away until a person has looked.
    Cordon,
    /// Lets pods in again.
    Uncordon,
    /// Reboots.
    Reboot,
}

/// What a kept system is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The confirmed generation: what a trial falls back to.
    KnownGood,
    /// The one before it: what `odin upgrade rollback` goes to.
    Previous,
}

/// The machine as it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The system that was booted.
    pub booted: PathBuf,
    /// Id of this boot.
    pub boot: String,
    /// Whether its boot entry is the default.
    pub booted_is_default: bool,
    /// Whether the default is there and boots another system. Both are false
    /// where the boot loader tells no default.
    pub another_is_default: bool,
    /// Whether ODIN made it the default.
    pub pinned: bool,
    /// Whether ODIN's state is there.
    pub state_exists: bool,
    /// Now.
    pub now: Timestamp,
}

/// Answers to what earlier steps asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Answers {
    /// The verdict on the running generation; the reason when it is bad.
    pub verdict: Option<std::result::Result<(), String>>,
    /// How the return of data went.
    pub data: Option<std::result::Result<(), String>>,
}

/// What is to be staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who wants it.
    pub kind: Kind,
    /// The running generation.
    pub from: Generation,
    /// The one to boot.
    pub to: Generation,
    /// The snapshot taken for it.
    pub snapshot: Option<String>,
    /// Data that goes back with it.
    pub data: Option<DataReturn>,
    /// Units that have failed already.
    pub failed_before: Vec<String>,
    /// The GPUs as they are.
    pub gpus: Before,
}

/// Why a generation is not staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The running generation has no verdict yet, so it is no way back.
    OnTrial,
    /// It fell back before; the reason.
    GivenUp(String),
}

/// The steps of staging a generation in the boot `boot`.
///
/// # Errors
/// When it must not be staged.
pub fn at_stage(
    record: Option<&Record>,
    wish: &Wish,
    boot: &str,
    now: Timestamp,
) -> Result<Vec<Step>, Refusal> {
    let (from, to) = (&wish.from.system, &wish.to.system);
    if let Some(refusal) = record.and_then(|record| refusal(record, from, to, wish.kind)) {
        return Err(refusal);
    }
    if from == to {
        return Ok(withdraw(record, from, now));
    }
    let earlier = record.filter(|record| record.to.system == *to);
    let same = earlier.filter(|earlier| !earlier.state.has_ended() && earlier.staged_boot == boot);
    let staging = Record {
        snapshot: wish.snapshot.clone().or_else(|| same?.snapshot.clone()),
        attempt: match (same, earlier) {
            (Some(same), _) => same.attempt,
            (None, Some(earlier)) => earlier.attempt + 1,
            (None, None) => 1,
        },
        staged: same.map_or(now, |same| same.staged),
        ..staging(wish, boot, now)
    };
    let staged = Record { state: State::Staged, ..staging.clone() };
    Ok(vec![
        Step::Keep(Role::KnownGood, from.clone()),
        Step::Default(from.clone()),
        Step::Save(Box::new(staging)),
        Step::Arm,
        Step::Oneshot(to.clone()),
        Step::Save(Box::new(staged)),
    ])
}

/// The record of a wish, at its first attempt.
fn staging(wish: &Wish, boot: &str, now: Timestamp) -> Record {
    Record {
        format: FORMAT,
        kind: wish.kind,
        state: State::Staging,
        from: wish.from.clone(),
        to: wish.to.clone(),
        snapshot: wish.snapshot.clone(),
        attempt: 1,
        staged: now,
        staged_boot: boot.to_owned(),
        trial_boot: None,
        left_boot: None,
        tried: None,
        ended: None,
        reason: None,
        data: wish.data.clone(),
        cordoned: false,
        forgiven: false,
        failed_before: wish.failed_before.clone(),
        gpus: wish.gpus.clone(),
    }
}

/// Why `to` must not be staged in `running`; none when it may be.
#[must_use]
pub fn refusal(record: &Record, running: &Path, to: &Path, kind: Kind) -> Option<Refusal> {
    let on_trial = matches!(record.state, State::Booted | State::FallingBack | State::Stranded);
    if on_trial && record.to.system == running {
        return Some(Refusal::OnTrial);
    }
    let fell_back = record.state == State::FellBack && !record.forgiven;
    (kind == Kind::Upgrade && fell_back && record.to.system == to && to != running)
        .then(|| Refusal::GivenUp(record.reason.clone().unwrap_or_default()))
}

/// The steps that keep a machine in the generation that somebody chose in the
/// boot menu, where another one is the default. It runs already, so nothing is
/// tried.
#[must_use]
pub fn at_stay(wish: &Wish, boot: &str, now: Timestamp) -> Vec<Step> {
    let chosen = staging(wish, boot, now);
    confirm(&Record { trial_boot: Some(boot.to_owned()), tried: Some(now), ..chosen }, now, None)
}

/// The running generation was asked for: what was staged is not wanted now.
fn withdraw(record: Option<&Record>, running: &Path, now: Timestamp) -> Vec<Step> {
    let mut steps = vec![Step::Default(running.to_owned()), Step::NoOneshot, Step::Disarm];
    if let Some(record) = record.filter(|record| matches!(record.state, State::Staging | State::Staged)) {
        let reason = Some("it was withdrawn before it was tried".to_owned());
        steps.push(Step::Save(Box::new(Record {
            state: State::FellBack,
            reason,
            ended: Some(now),
            // Nothing was wrong with it.
            forgiven: true,
            ..record.clone()
        })));
    }
    steps
}

/// The steps after a boot, until nothing is left to do.
#[must_use]
pub fn at_boot(record: Option<&Record>, seen: &Seen, answers: &Answers) -> Vec<Step> {
    let Some(record) = record else { return without_record(seen) };
    let booted = |generation: &Generation| generation.system == seen.booted;
    match record.state {
        State::Stranded if booted(&record.from) => fell_back(record, seen),
        State::Confirmed | State::FellBack | State::Stranded => ended(record, seen, answers),
        State::Staging | State::Staged if record.staged_boot == seen.boot => Vec::new(),
        State::Staging | State::Staged | State::Booted if booted(&record.to) => {
            on_trial(record, seen, answers)
        }
        State::FallingBack if booted(&record.to) => fall_back(record, seen),
        _ if booted(&record.from) => fell_back(record, seen),
        _ => given_up(record, seen, format!("{} was booted instead", seen.booted.display())),
    }
}

/// Without a record nothing is on trial, unless the record cannot be seen: a
/// generation that cannot mount ODIN's state, and is not the default, is one
/// on trial. Going back needs no record and cannot loop: the next boot is that
/// of the default, which is known to be another.
fn without_record(seen: &Seen) -> Vec<Step> {
    if !seen.state_exists && seen.another_is_default {
        return vec![Step::Reboot];
    }
    pin(seen)
}

/// Makes the running default the default by ODIN's own hand: the boot loader's
/// installer writes its wish into `loader.conf`, and a variable of the firmware
/// outranks that. So the next upgrade is not the default for the moment between
/// the installer's write and the hook, where the power may go.
fn pin(seen: &Seen) -> Vec<Step> {
    if seen.booted_is_default && !seen.pinned {
        return vec![Step::Keep(Role::KnownGood, seen.booted.clone()), Step::Default(seen.booted.clone())];
    }
    Vec::new()
}

fn ended(record: &Record, seen: &Seen, answers: &Answers) -> Vec<Step> {
    let home = match record.state {
        State::FellBack => &record.from,
        _ => &record.to,
    };
    match return_data(record, answers).filter(|_| home.system == seen.booted) {
        None => pin(seen),
        Some(Err(step)) => vec![step],
        Some(Ok(record)) => end_cordoned(record),
    }
}

/// The record after a return of data that is due; a step when it is to be
/// tried first, none when none is due.
fn return_data(record: &Record, answers: &Answers) -> Option<Result<Record, Step>> {
    let data = record.data.as_ref().filter(|data| data.state == DataState::Due)?;
    let state = match &answers.data {
        None => return Some(Err(Step::ReturnData)),
        Some(Ok(())) => DataState::Done,
        Some(Err(reason)) => DataState::Failed(reason.clone()),
    };
    Some(Ok(Record { data: Some(DataReturn { state, ..data.clone() }), ..record.clone() }))
}

/// The last steps of a record: a datastore that went back by itself, or did
/// not although it had to, is for a person to look at before pods come.
fn end_cordoned(record: Record) -> Vec<Step> {
    let cordoned = record.data.as_ref().is_some_and(|data| match data.state {
        DataState::Due => false,
        DataState::Done => data.datastore_only,
        DataState::Failed(_) => true,
    });
    let saved = Step::Save(Box::new(Record { cordoned: record.cordoned || cordoned, ..record }));
    // Before the record, which says that nothing is left to do.
    cordoned.then_some(Step::Cordon).into_iter().chain([saved]).collect()
}

fn on_trial(record: &Record, seen: &Seen, answers: &Answers) -> Vec<Step> {
    if record.state != State::Booted || record.trial_boot.as_ref() != Some(&seen.boot) {
        return vec![Step::Save(Box::new(Record {
            state: State::Booted,
            trial_boot: Some(seen.boot.clone()),
            left_boot: None,
            tried: Some(seen.now),
            ..record.clone()
        }))];
    }
    match return_data(record, answers) {
        None => {}
        Some(Err(step)) => return vec![step],
        Some(Ok(record)) => return vec![Step::Save(Box::new(record))],
    }
    match (&answers.verdict, record.kind) {
        (None, _) => vec![Step::Judge],
        (Some(Ok(())), _) => confirm(record, seen.now, None),
        // Who asked for it wants it more than the one it replaces.
        (Some(Err(reason)), Kind::Rollback) => confirm(record, seen.now, Some(reason.clone())),
        (Some(Err(reason)), Kind::Upgrade) => vec![Step::Save(Box::new(Record {
            state: State::FallingBack,
            reason: Some(reason.clone()),
            ..record.clone()
        }))],
    }
}

/// The steps that make the generation on trial the default. The cordon is the
/// last: it would forbid a good verdict.
fn confirm(record: &Record, now: Timestamp, reason: Option<String>) -> Vec<Step> {
    let (from, to) = (&record.from.system, &record.to.system);
    let mut steps = vec![
        Step::Keep(Role::Previous, from.clone()),
        Step::Keep(Role::KnownGood, to.clone()),
        Step::Profile(to.clone()),
        Step::Default(to.clone()),
    ];
    steps.extend(end_cordoned(Record {
        state: State::Confirmed,
        ended: Some(now),
        reason,
        ..record.clone()
    }));
    steps
}

/// The old generation is the default and everything points at it.
fn point_back(record: &Record) -> Vec<Step> {
    let from = &record.from.system;
    vec![
        Step::Keep(Role::KnownGood, from.clone()),
        Step::Default(from.clone()),
        Step::NoOneshot,
        Step::Profile(from.clone()),
    ]
}

/// Still in the generation that was given up. The reboot is written down after
/// the old entry became the default: the power may go between the two, with
/// this one the default by an earlier good verdict, and coming up in it again
/// is then no sign of a boot loader that does not do what it is told.
fn fall_back(record: &Record, seen: &Seen) -> Vec<Step> {
    let next = match &record.left_boot {
        None => Record { left_boot: Some(seen.boot.clone()), ..record.clone() },
        Some(boot) if *boot == seen.boot => return vec![Step::Reboot],
        Some(_) => {
            let given_up = record.reason.as_deref().unwrap_or("it was given up");
            Record {
                state: State::Stranded,
                reason: Some(format!("{given_up}; the machine was rebooted and came up in it again")),
                ended: Some(seen.now),
                ..record.clone()
            }
        }
    };
    point_back(record).into_iter().chain([Step::Save(Box::new(next))]).collect()
}

/// In the old generation again.
fn fell_back(record: &Record, seen: &Seen) -> Vec<Step> {
    let reason = match record.state {
        State::Staging => "the power went while it was being staged; it may never have been tried",
        State::Staged => {
            "it did not come up: it panicked, hung, was reset or lost power before it was judged"
        }
        State::Booted => "it came up and ended without a verdict: it hung, was reset or lost power",
        _ => record.reason.as_deref().unwrap_or("it was given up"),
    };
    given_up(record, seen, reason.to_owned())
}

fn given_up(record: &Record, seen: &Seen, reason: String) -> Vec<Step> {
    let mut steps = point_back(record);
    let ran = matches!(record.state, State::Booted | State::FallingBack | State::Stranded);
    let (data, reason) = match (&record.snapshot, ran && record.changes_k3s_minor()) {
        (Some(snapshot), true) => {
            let due = DataReturn { snapshot: snapshot.clone(), datastore_only: true, state: DataState::Due };
            (Some(due), reason)
        }
        (None, true) => (
            None,
            format!(
                "{reason}; another minor version of K3s ran on the datastore, and no snapshot was taken for \
                 this upgrade, so the datastore is as that left it"
            ),
        ),
        // What a rollback was to bring back belongs to the other generation.
        _ => (None, reason),
    };
    steps.push(Step::Save(Box::new(Record {
        state: State::FellBack,
        reason: Some(reason),
        ended: Some(seen.now),
        data,
        ..record.clone()
    })));
    steps
}

/// The steps of a person's `odin upgrade confirm`; none when there is nothing
/// to confirm. With `force` the running generation is taken whatever its
/// verdict is.
#[must_use]
pub fn by_hand(record: Option<&Record>, seen: &Seen, answers: &Answers, force: bool) -> Vec<Step> {
    let Some(record) = record else { return Vec::new() };
    if record.cordoned {
        return vec![Step::Uncordon, Step::Save(Box::new(Record { cordoned: false, ..record.clone() }))];
    }
    let on_trial = matches!(record.state, State::Booted | State::FallingBack | State::Stranded);
    if !on_trial || record.to.system != seen.booted {
        return Vec::new();
    }
    match &answers.verdict {
        None => vec![Step::Judge],
        Some(Ok(())) => confirm(record, seen.now, None),
        Some(Err(reason)) if force => {
            confirm(record, seen.now, Some(format!("accepted by hand although: {reason}")))
        }
        Some(Err(_)) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
