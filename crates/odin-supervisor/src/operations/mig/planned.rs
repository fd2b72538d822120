//! What is to be done, and who is in the way of it.

use odin_gpu::mig::{self, Cutter, Failure, GpuPlan, Observed, Plan};
use odin_model::config::Gpu;

use super::driver::{Pulse, answer};
use super::kubelet::Kubelet;
use crate::appliance::Appliance;
use crate::{Error, Result};

/// The plan for what is declared, with who is in the way.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// GPUs that are left alone, and why.
    pub(super) unread: Vec<Failure>,
}

/// Plans what is declared.
pub(super) async fn planned(appliance: &Appliance, action: &'static str) -> Result<Planned> {
    let declared = crate::gpu::declared(appliance);
    if declared.mig.is_empty() {
        return Err(Error::NotDeclared { action, key: "gpu.mig".to_owned() });
    }
    let Observed { seen, unread } = observe(appliance).await?;
    let mut plan = mig::plan(&seen, &declared.mig);
    refuse_problem(&plan)?;
    Kubelet::of(appliance).tell(&seen, &mut plan).await;
    plan.notes.extend(unread.iter().map(ToString::to_string));
    Ok(Planned { plan, unread })
}

/// How many deadlines of a single reading one GPU may take: how it is cut is
/// asked in many calls.
const CALLS: u32 = 3;

/// Reads the GPUs, and waits for each one.
pub(super) async fn observe(appliance: &Appliance) -> Result<Observed> {
    let Gpu { library, deadline, .. } = crate::gpu::declared(appliance);
    let pulse = Pulse::new();
    let read = pulse.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let cutter = Cutter::open(&library).map_err(|reason| Error::Host {
            action: "read the GPUs".to_owned(),
            reason: reason.to_string(),
            hint: reason.hint(),
        })?;
        cutter.observe_each(&|| read.beats()).map_err(|failure| Error::Host {
            action: failure.attempted,
            reason: failure.reason,
            hint: "`odin gpu health` says what is wrong with a GPU",
        })
    });
    answer(reading, pulse, deadline.saturating_mul(CALLS), false).await?.map_err(|silence| Error::Host {
        action: "read the GPUs".to_owned(),
        reason: silence.to_string(),
        hint: "`odin gpu health` says which GPU hangs; a driver that does not answer needs a reboot",
    })
}

/// Refuses to bring back the layout of a GPU that does not tell how it is cut:
/// it had MIG when the layout was recorded, so an empty plan says nothing.
pub(super) fn refuse_untold(plan: &Plan) -> Result<()> {
    let untold = |gpu: &&GpuPlan| gpu.mode.is_none() || gpu.problem.is_some();
    let Some(gpu) = plan.gpus.iter().find(untold) else { return Ok(()) };
    let untold = || "the driver does not tell its MIG mode".to_owned();
    Err(Error::Host {
        action: format!("cut GPU {} ({}) as before", gpu.index, gpu.uuid),
        reason: gpu.problem.clone().filter(|_| gpu.mode.is_some()).unwrap_or_else(untold),
        hint: "nothing was changed and the old layout stays recorded; look at the GPU with `nvidia-smi -q -d \
               MIG` and `odin gpu health`, and call it again when it answers",
    })
}

/// Refuses a layout that a GPU cannot have.
fn refuse_problem(plan: &Plan) -> Result<()> {
    let found = plan.gpus.iter().find_map(|gpu| Some((gpu.index, gpu.problem.clone()?)));
    found.map_or(Ok(()), |(gpu, reason)| Err(Error::Layout { gpu, reason }))
}

/// Refuses to change a GPU that is in use.
pub(super) fn refuse_used(plan: &Plan) -> Result<()> {
    let used: Vec<String> = plan
        .changed()
        .filter(|gpu| !gpu.busy.is_empty())
        .map(|gpu| format!("GPU {} is in use: {}", gpu.index, gpu.busy.join(", ")))
        .collect();
    if used.is_empty() {
        return Ok(());
    }
    Err(Error::Host {
        action: "cut GPUs".to_owned(),
        reason: used.join("; "),
        hint: "end the processes, or drain the node of the pods (`kubectl drain`), and call it again",
    })
}
