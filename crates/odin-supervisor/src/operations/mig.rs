//! Cutting GPUs into MIG devices: plan, apply, rollback.
//!
//! Nothing begins while a GPU that would change is in use: by a process, as the
//! driver tells, or by a pod, as the kubelet tells. Both are asked again right
//! before the first step on each GPU. How the GPUs were cut is
//! kept on disk before the first step ([`record`]), so that a change which was
//! cut off is gone on with, or undone, by the next call.

mod driver;
mod kubelet;
mod planned;
mod record;
mod told;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use odin_gpu::mig::{Change, Cutter, Ended, Failure, Goal, GpuPlan, Observed, Plan, Reached, Seen};
use odin_model::event::Observer;
use serde_json::json;
use tokio::runtime::Handle;

use super::{Outcome, Status};
use crate::appliance::Appliance;
use crate::lock::{self, Lock};
use crate::{Error, Result};
use driver::{Pulse, answer};
use kubelet::Kubelet;
use planned::{Planned, observe, planned, refuse_untold, refuse_used};
use record::{Record, Shelf, Verb};
use told::{Told, warn};

/// How long one step may take. A switch of the mode resets the GPU, which takes
/// seconds; a driver that hangs never ends.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the cluster needs after a change.
const AFTERWARDS: &str = "still to do: have the CDI specification written anew, or no pod gets the new devices \
     (`systemctl restart nvidia-container-toolkit-cdi-generator.service` on NixOS, else `nvidia-ctk cdi \
     generate`); odin-gpu.service offers them to the kubelet by itself then";

pub(super) async fn plan(appliance: &Appliance) -> Result<Outcome> {
    let Planned { plan, unread } = planned(appliance, "plan MIG devices").await?;
    let mut text = plan.to_string();
    if Shelf::of(appliance).begun()?.is_some() {
        match lock::holder(&appliance.config.host.run_dir) {
            // It may be the change itself.
            Some(holder) => {
                writeln!(text, "a change was begun, and {holder}: look again when that has ended").ok()
            }
            None => writeln!(text, "a change was cut off: apply goes on, rollback undoes it").ok(),
        };
    }
    let status = match () {
        () if !unread.is_empty() => Status::Failed,
        () if plan.is_empty() => Status::Done,
        () if plan.changed().any(|gpu| !gpu.busy.is_empty()) => {
            text.push_str("refused while GPUs are in use: end the processes, drain the node of the pods\n");
            Status::Failed
        }
        () => Status::Pending,
    };
    Ok(Outcome::new(status, text, &plan))
}

pub(super) async fn apply(appliance: &Appliance, yes: bool, observer: Arc<dyn Observer>) -> Result<Outcome> {
    let _lock = Lock::take(&appliance.config.host, "cut GPUs", &*observer).await?;
    let shelf = Shelf::of(appliance);
    let begun = shelf.begun()?;
    let Planned { plan, mut unread } = planned(appliance, "cut GPUs").await?;
    let previous = if begun.is_none() && plan.is_empty() { None } else { shelf.previous()? };
    warn(&*observer, &plan.notes);
    let missing = missing(begun.as_ref(), &plan.gpus);
    unread.extend(missing.iter().map(unseen));
    if plan.is_empty() {
        match begun {
            Some(begun) if missing.is_empty() => {
                let ended = shelf.end(&ended(begun, &plan), previous.as_ref());
                ended.map_err(unended("every GPU is cut as declared"))?;
            }
            _ => {}
        }
        let outcome = Outcome::new(Status::Done, "every GPU is cut as declared", &json!({ "changes": [] }));
        return Ok(with_unread(outcome, &unread));
    }
    refuse_used(&plan)?;
    let silent: Vec<String> = plan
        .lost_by_silence()
        .map(|gpu| format!("GPU {} ({}) has {}", gpu.index, gpu.model, gpu.now))
        .collect();
    if !silent.is_empty() && !yes {
        return Err(Error::Host {
            action: "switch MIG mode off where no layout names the model".to_owned(),
            reason: silent.join(", "),
            hint: "name the model in gpu.mig as `odin gpu list` tells it, or confirm with --yes",
        });
    }
    let known = begun.map(|record| record.changes).unwrap_or_default();
    let had = |gpu: &GpuPlan| known.iter().find(|change| change.uuid == gpu.uuid);
    // Also those which a change that was cut off brought there already: on a
    // failure they go back like the others.
    let concerned = plan.gpus.iter().filter(|gpu| !gpu.steps.is_empty() || had(gpu).is_some());
    let work = concerned.map(|gpu| (had(gpu).cloned().unwrap_or_else(|| change(gpu)), gpu.goal())).collect();
    let kept = Kept::Anew { verb: Verb::Apply, previous };
    let outcome = carry_out(appliance, &shelf, kept, work, missing, observer).await?;
    Ok(with_unread(outcome, &unread))
}

/// GPUs of a change that was begun which were not seen now, or do not tell how
/// they are cut: nobody knows how far the change came with them.
fn missing(begun: Option<&Record>, seen: &[GpuPlan]) -> Vec<Change> {
    let is_seen = |change: &&Change| seen.iter().any(|gpu| gpu.uuid == change.uuid && gpu.mode.is_some());
    let changes = begun.map(|record| record.changes.as_slice()).unwrap_or_default();
    changes.iter().filter(|change| !is_seen(change)).cloned().collect()
}

fn unseen(change: &Change) -> Failure {
    Failure {
        attempted: format!("end the change of {change} that was cut off"),
        reason: "it is not in this machine, or does not tell how it is cut; its old layout stays recorded"
            .to_owned(),
    }
}

/// What was done to the GPUs that could be read does not hide the others.
fn with_unread(mut outcome: Outcome, unread: &[Failure]) -> Outcome {
    if !unread.is_empty() {
        outcome.status = Status::Failed;
        let words: Vec<String> = unread.iter().map(|failure| format!("left alone: {failure}")).collect();
        outcome.text = format!("{}\n{}", words.join("\n"), outcome.text);
    }
    outcome
}

pub(super) async fn rollback(appliance: &Appliance, observer: Arc<dyn Observer>) -> Result<Outcome> {
    let _lock = Lock::take(&appliance.config.host, "cut GPUs as before", &*observer).await?;
    let shelf = Shelf::of(appliance);
    let begun = shelf.begun()?;
    let undoes = begun.as_ref().is_some_and(|record| record.verb == Verb::Apply);
    let previous = if undoes { None } else { shelf.previous()? };
    let wanted = if undoes { begun.clone() } else { previous.clone() };
    let Some(wanted) = wanted else {
        return Err(Error::Host {
            action: "cut GPUs as before".to_owned(),
            reason: "no earlier layout is recorded".to_owned(),
            hint: "`odin gpu mig apply` records the one it replaces",
        });
    };
    let Observed { seen, unread } = observe(appliance).await?;
    let mut gpus = Vec::new();
    for old in &wanted.changes {
        let gpu = seen.iter().find(|gpu| gpu.uuid == old.uuid).ok_or_else(|| Error::Host {
            action: format!("cut {old} as before"),
            reason: "it is not in this machine, or cannot be read".to_owned(),
            hint: "bring it back, or remove the record in the state directory (gpu/mig-*.json)",
        })?;
        gpus.push(GpuPlan::of(gpu, Goal::Layout(old.before.clone()), true));
    }
    let mut plan = Plan { gpus, notes: unread.iter().map(ToString::to_string).collect() };
    refuse_untold(&plan)?;
    Kubelet::of(appliance).tell(&seen, &mut plan).await;
    warn(&*observer, &plan.notes);
    let missing = missing(begun.as_ref(), &plan.gpus);
    if plan.is_empty() {
        let ended = match begun {
            Some(_) if undoes => shelf.forget(),
            Some(begun) if missing.is_empty() => shelf.end(&ended(begun, &plan), previous.as_ref()),
            _ => Ok(()),
        };
        ended.map_err(unended("every GPU is cut as before"))?;
        return Ok(Outcome::new(Status::Done, "every GPU is cut as before", &json!({ "changes": [] })));
    }
    refuse_used(&plan)?;
    let known = begun.map(|record| record.changes).unwrap_or_default();
    let had = |gpu: &GpuPlan| known.iter().find(|change| change.uuid == gpu.uuid).cloned();
    let work = plan.gpus.iter().map(|gpu| (had(gpu).unwrap_or_else(|| change(gpu)), gpu.goal())).collect();
    let kept = if undoes { Kept::AsItIs } else { Kept::Anew { verb: Verb::Rollback, previous } };
    carry_out(appliance, &shelf, kept, work, missing, observer).await
}

/// What becomes of the record of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// It is written, and is the previous one afterwards.
    Anew { verb: Verb, previous: Option<Record> },
    /// It is that of the change that is undone, and is forgotten afterwards.
    AsItIs,
}

/// Cuts the GPUs on a thread that a hung driver may keep. What an earlier change
/// began on GPUs that are `missing` stays recorded, and with them the change.
async fn carry_out(
    appliance: &Appliance,
    shelf: &Shelf,
    kept: Kept,
    work: Vec<(Change, Goal)>,
    missing: Vec<Change>,
    observer: Arc<dyn Observer>,
) -> Result<Outcome> {
    let mut changes: Vec<Change> = work.iter().map(|(change, _)| change.clone()).collect();
    if let Kept::Anew { verb, .. } = kept {
        let all = changes.iter().chain(&missing).cloned().collect();
        shelf.begin(&Record { verb, time: Timestamp::now(), changes: all })?;
    }
    let library = crate::gpu::declared(appliance).library;
    let pulse = Pulse::new();
    let (kubelet, runtime) = (Kubelet::of(appliance), Handle::current());
    let told = Told { observer, kubelet, runtime, pulse: pulse.clone() };
    let cutting = tokio::task::spawn_blocking(move || {
        let cutter = Cutter::open(&library).map_err(|reason| Error::Host {
            action: "open the driver".to_owned(),
            reason: reason.to_string(),
            hint: reason.hint(),
        })?;
        let ended = cutter.reach(&work, &told);
        let now =
            cutter.observe_each(&|| told.pulse.beats()).map(|observed| observed.seen).unwrap_or_default();
        Ok((ended, now))
    });
    let file = shelf.begun_file();
    let answered = answer(cutting, pulse, PATIENCE, true).await?;
    let (ended, now) = answered.map_err(|silence| Error::Host {
        action: "cut the GPUs".to_owned(),
        reason: format!("{silence}; a change is half done, the old layout is in {}", file.display()),
        hint: "when the driver answers again (`odin gpu health`; it may need a reboot) call `odin gpu mig \
               rollback`, or `odin gpu mig apply` to go on",
    })?;
    match ended {
        Ended::Reached(reached) => {
            for change in &mut changes {
                change.after = now.iter().find(|seen| seen.uuid == change.uuid).map(Seen::layout);
            }
            let waits = reached.contains(&Reached::AwaitsReset);
            let ended = match kept {
                _ if waits || !missing.is_empty() => Ok(()),
                Kept::Anew { verb, previous } => {
                    let record = Record { verb, time: Timestamp::now(), changes: changes.clone() };
                    shelf.end(&record, previous.as_ref()).map_err(unended(match verb {
                        Verb::Apply => "GPUs are cut as declared",
                        Verb::Rollback => "GPUs are cut as before",
                    }))
                }
                Kept::AsItIs => shelf.forget().map_err(unended("GPUs are cut as before")),
            };
            ended?;
            Ok(reached_outcome(&changes, &reached))
        }
        Ended::WentBack { failure, stopped, await_reset } => {
            let left = missing.iter().map(|change| change.index).collect::<Vec<_>>();
            let ended = match kept {
                _ if !await_reset.is_empty() => Ok(()),
                Kept::Anew { verb, .. } if !missing.is_empty() => {
                    shelf.begin(&Record { verb, time: Timestamp::now(), changes: missing })
                }
                _ => shelf.forget(),
            };
            let state = old_layout(&await_reset, &left);
            ended.map_err(unended(&format!("{failure}; {state}")))?;
            Err(went_back(failure, stopped, state))
        }
        Ended::Stuck { failure, back } => Err(Error::Host {
            action: failure.attempted,
            reason: format!(
                "{}; and going back failed: {back}; the GPUs have neither layout whole, {} has the old one",
                failure.reason,
                file.display()
            ),
            hint: "look at them with `nvidia-smi mig -lgi`; when the cause is gone, `odin gpu mig rollback`",
        }),
    }
}

fn reached_outcome(changes: &[Change], reached: &[Reached]) -> Outcome {
    let mut text = String::new();
    let mut data = Vec::new();
    let mut resets = Vec::new();
    for (change, reached) in changes.iter().zip(reached) {
        let is = change.after.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let was = change.before.to_string();
        // A change that was undone before it ended led back to where it began.
        if was == is {
            writeln!(text, "{change}: {is}, as before").ok();
        } else {
            writeln!(text, "{change}: {was} -> {is}").ok();
        }
        if *reached == Reached::AwaitsReset {
            resets.push(change.index.to_string());
        }
        data.push(json!({ "change": change, "reached": reached }));
    }
    if resets.is_empty() {
        text.push_str(AFTERWARDS);
        return Outcome::new(Status::Done, text, &json!({ "changes": data }));
    }
    let gpus = resets.join(",");
    write!(
        text,
        "MIG mode of GPU {gpus} waits for a reset: stop what has it open \
         (`systemctl stop odin-gpu nvidia-persistenced` for what the appliance has there), \
         `nvidia-smi --gpu-reset -i {gpus}` or reboot, then call this again"
    )
    .ok();
    Outcome::new(Status::Pending, text, &json!({ "changes": data }))
}

/// How the GPUs are after going back, by their indices.
fn old_layout(await_reset: &[u32], missing: &[u32]) -> String {
    let words = |gpus: &[u32]| gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut state = "every GPU has its old layout again".to_owned();
    if !await_reset.is_empty() {
        write!(state, ", GPU {} after a reset and `odin gpu mig rollback`", words(await_reset)).ok();
    }
    if !missing.is_empty() {
        write!(state, "; GPU {} was not seen, and its old layout stays recorded", words(missing)).ok();
    }
    state
}

/// A record that could not be ended after GPUs were cut.
fn unended(state: &str) -> impl FnOnce(Error) -> Error {
    let state = state.to_owned();
    move |error| Error::Host {
        action: "end the record of the change".to_owned(),
        reason: format!("{state}, but {error}"),
        hint: "free space or mend the disk of the state directory and call it again: it ends the record; pods \
               get new devices once the CDI specification is written anew",
    }
}

fn went_back(failure: Failure, stopped: bool, state: String) -> Error {
    if stopped {
        return Error::Stopped { state };
    }
    let reason = format!("{}; {state}", failure.reason);
    Error::Host {
        action: failure.attempted,
        reason,
        hint: "read `journalctl -k` for NVRM; then call it again",
    }
}

/// A change that was cut off after its last step.
fn ended(begun: Record, plan: &Plan) -> Record {
    let now = |uuid: &str| plan.gpus.iter().find(|gpu| gpu.uuid == uuid).map(|gpu| gpu.now.clone());
    let changes = begun.changes.into_iter().map(|change| Change { after: now(&change.uuid), ..change });
    Record { changes: changes.collect(), ..begun }
}

fn change(gpu: &GpuPlan) -> Change {
    Change {
        index: gpu.index,
        uuid: gpu.uuid.clone(),
        model: gpu.model.clone(),
        before: gpu.now.clone(),
        after: None,
    }
}
