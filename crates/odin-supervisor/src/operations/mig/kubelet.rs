//! Which pods hold GPUs that are to be cut.

use std::path::PathBuf;

use odin_gpu::mig::{Holder, Holders, Plan, Seen, holders};

use crate::appliance::Appliance;
use crate::host::Systemd;

/// Where it is asked.
#[derive(Clone, Debug)]
pub(super) struct Kubelet {
    socket: PathBuf,
    unit: String,
}

/// What is known of pods.
enum Pods {
    Hold(Vec<Holder>),
    /// No kubelet runs, so there are no pods to come.
    CannotBe,
    /// Why it cannot be told.
    Unknown(String),
}

impl Kubelet {
    pub(super) fn of(appliance: &Appliance) -> Self {
        let socket = crate::gpu::declared(appliance).pod_resources_socket;
        Self { socket, unit: appliance.config.host.k3s_unit.clone() }
    }

    async fn ask(&self) -> Pods {
        match holders(&self.socket).await {
            Holders::Told(holders) => Pods::Hold(holders),
            Holders::Absent(_) if Systemd.is_at_rest(&self.unit) => Pods::CannotBe,
            Holders::Absent(reason) | Holders::Unknown(reason) => {
                Pods::Unknown(format!("the kubelet does not tell which pods hold it: {reason}"))
            }
        }
    }

    /// Adds the pods that hold GPUs which would change. That it cannot be told
    /// is a reason like any.
    pub(super) async fn tell(&self, seen: &[Seen], plan: &mut Plan) {
        if plan.is_empty() {
            return;
        }
        match self.ask().await {
            Pods::Hold(holders) => {
                for gpu in seen {
                    for holder in holders.iter().filter(|holder| holder.has(gpu)) {
                        plan.is_used(&gpu.uuid, holder.to_string());
                    }
                }
            }
            Pods::CannotBe => plan
                .notes
                .push(format!("{} does not run, so only processes were looked for, no pods", self.unit)),
            Pods::Unknown(reason) => {
                for gpu in seen {
                    plan.is_used(&gpu.uuid, reason.clone());
                }
            }
        }
    }

    /// The pods that hold one GPU now.
    pub(super) async fn holders_of(&self, gpu: &Seen) -> Vec<String> {
        match self.ask().await {
            Pods::Hold(holders) => {
                holders.iter().filter(|holder| holder.has(gpu)).map(ToString::to_string).collect()
            }
            Pods::CannotBe => Vec::new(),
            Pods::Unknown(reason) => vec![reason],
        }
    }
}
