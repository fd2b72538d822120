//! What is to be done, and who is in the way of it.

use std::time::Duration;

use odin_gpu::mig::{self, Cutter, Failure, GpuPlan, Observed, Plan};
use odin_model::config::Gpu;

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

/// Reads the GPUs.
pub(super) async fn observe(appliance: &Appliance) -> Result<Observed> {
    let Gpu { library, deadline, .. } = crate::gpu::declared(appliance);
    let reading = tokio::task::spawn_blocking(move || {
        let cutter = Cutter::open(&library).map_err(|reason| Error::Host {
            action: "read the GPUs".to_owned(),
            reason: reason.to_string(),
            hint: reason.hint(),
        })?;
        cutter.observe().map_err(|failure| Error::Host {
            action: failure.attempted,
            reason: failure.reason,
            hint: "`odin gpu health` says what is wrong with a GPU",
        })
    });
    answer(reading, deadline.saturating_mul(3), "read the GPUs").await
}

/// What a thread that calls the driver gives, unless the driver hangs.
pub(super) async fn answer<T>(
    thread: tokio::task::JoinHandle<Result<T>>,
    patience: Duration,
    action: &str,
) -> Result<T> {
    let failed = |reason: String, hint| Error::Host { action: action.to_owned(), reason, hint };
    match tokio::time::timeout(patience, thread).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(failed(error.to_string(), "run it again")),
        Err(_) => Err(failed(
            format!("the driver did not answer within {} s", patience.as_secs_f64()),
            "`odin gpu health` says which GPU hangs; a driver that does not answer needs a reboot",
        )),
    }
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
