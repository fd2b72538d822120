//! Every verb that reads or changes the world, one function each.
//!
//! A [`Request`] is what a person or program asks for, an [`Outcome`] what
//! came of it; both cross the control socket as JSON. What changes the world
//! runs under the one lock ([`crate::lock`]); what only reads does not.

mod alerts;
mod apply;
mod backup;
pub mod bundle;
pub(crate) mod gpu_reset;
pub mod host;
pub mod install;
mod mig;
mod restore;
pub(crate) mod status;
pub mod token;
mod upgrade;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use odin_model::event::Observer;
use odin_model::unused::MaxUnused;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::appliance::Appliance;

/// Namespace of ODIN's own state in the cluster.
pub(crate) const STATE_NAMESPACE: &str = "odin-system";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What is declared, applied, healthy, backed up and proven.
    Status,
    /// What applying a bundle would do.
    Plan(Apply),
    /// Applies a bundle.
    Apply(Apply),
    /// Goes back to what was applied before.
    Undo,
    /// The last applies.
    History,
    /// Stops the repair of drift until resumed.
    Suspend,
    /// Takes the repair of drift up again.
    Resume,
    /// Acceptance, phase by phase.
    Verify {
        /// Only this phase.
        phase: Option<u8>,
    },
    /// Takes a snapshot.
    BackupNow,
    /// Lists the snapshots.
    BackupList,
    /// Shows one snapshot.
    BackupShow {
        /// Its id, a prefix of it, or `latest`.
        id: String,
    },
    /// Checks the repository.
    BackupCheck {
        /// Reads every byte.
        read_data: bool,
    },
    /// Copies the snapshots to a declared second repository.
    BackupCopy {
        /// Name of the target.
        target: String,
    },
    /// Forgets what the retention does not keep.
    BackupForget {
        /// Only says what would go.
        dry_run: bool,
    },
    /// Frees what no snapshot needs.
    BackupPrune {
        /// Only says what would go.
        dry_run: bool,
        /// Another limit than the declared one.
        max_unused: Option<MaxUnused>,
    },
    /// Restores the newest snapshot beside the running system and compares.
    BackupDrill,
    /// What a restore would replace.
    RestorePlan(Restore),
    /// Restores.
    RestoreApply(Restore),
    /// How GPUs would be cut into MIG devices.
    GpuMigPlan,
    /// Cuts GPUs as declared.
    GpuMigApply {
        /// Confirms what would stop and ask.
        yes: bool,
    },
    /// Cuts GPUs as they were before.
    GpuMigRollback,
    /// What fires, and what is silenced.
    AlertsList,
    /// Sends an alert to receivers and sees whether it arrives.
    AlertsTest {
        /// Only this one.
        receiver: Option<String>,
    },
    /// Silences alerts.
    AlertsSilence(Silence),
    /// Ends a silence.
    AlertsUnsilence {
        /// Its id.
        id: String,
    },
    /// What Alertmanager is told of the declaration.
    AlertsConfig,
    /// What an upgrade would change, and what stands against it.
    UpgradePlan {
        /// The new system; where the system profile leads when absent.
        system: Option<PathBuf>,
    },
    /// Backs up, stages a generation and reboots.
    UpgradeApply(Upgrade),
    /// Stages a generation; the boot loader's hook calls it.
    UpgradeStage {
        /// The new system.
        system: Option<PathBuf>,
        /// Exit status of what wrote the boot menu.
        written: i32,
    },
    /// Vetoes a switch; NixOS' checks before one call it.
    UpgradeCheck {
        /// The new system.
        system: Option<PathBuf>,
        /// What `switch-to-configuration` was asked for.
        action: String,
    },
    /// Judges the running generation.
    UpgradeConfirm {
        /// At boot: waits for it to become well, and goes back when it does not.
        boot: bool,
        /// Takes it whatever the verdict is.
        force: bool,
        /// Another deadline than the declared one, in seconds.
        deadline_seconds: Option<u64>,
    },
    /// Goes to the generation before.
    UpgradeRollback(Rollback),
    /// The upgrades there were.
    UpgradeHistory,
}

impl Request {
    /// Stable name, for logs and the label of metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Plan(_) => "plan",
            Self::Apply(_) => "apply",
            Self::Undo => "undo",
            Self::History => "history",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Verify { .. } => "verify",
            Self::BackupNow => "backup-now",
            Self::BackupList => "backup-list",
            Self::BackupShow { .. } => "backup-show",
            Self::BackupCheck { .. } => "backup-check",
            Self::BackupCopy { .. } => "backup-copy",
            Self::BackupForget { .. } => "backup-forget",
            Self::BackupPrune { .. } => "backup-prune",
            Self::BackupDrill => "backup-drill",
            Self::RestorePlan(_) => "restore-plan",
            Self::RestoreApply(_) => "restore-apply",
            Self::GpuMigPlan => "gpu-mig-plan",
            Self::GpuMigApply { .. } => "gpu-mig-apply",
            Self::GpuMigRollback => "gpu-mig-rollback",
            Self::AlertsList => "alerts-list",
            Self::AlertsTest { .. } => "alerts-test",
            Self::AlertsSilence(_) => "alerts-silence",
            Self::AlertsUnsilence { .. } => "alerts-unsilence",
            Self::AlertsConfig => "alerts-config",
            Self::UpgradePlan { .. } => "upgrade-plan",
            Self::UpgradeApply(_) => "upgrade-apply",
            Self::UpgradeStage { .. } => "upgrade-stage",
            Self::UpgradeCheck { .. } => "upgrade-check",
            Self::UpgradeConfirm { .. } => "upgrade-confirm",
            Self::UpgradeRollback(_) => "upgrade-rollback",
            Self::UpgradeHistory => "upgrade-history",
        }
    }

    /// Whether it opens the repository, or calls a driver that may hang. The
    /// daemon gives such work to a job.
    #[must_use]
    pub fn is_job(&self) -> bool {
        ["backup-", "restore-", "gpu-"].iter().any(|part| self.name().starts_with(part))
            || matches!(self, Self::UpgradeApply(_) | Self::UpgradeRollback(_))
    }

    /// Whether it is always carried out by who asks: tools of NixOS call it
    /// while they exchange units, among them the daemon, and at boot it must
    /// not depend on one.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::UpgradeStage { .. } | Self::UpgradeCheck { .. } | Self::UpgradeConfirm { .. })
    }

    /// Whether it works on bytes or GPUs and changes something, so that it must
    /// be asked to end rather than dropped.
    #[must_use]
    pub fn ends_by_itself(&self) -> bool {
        self.is_job() && !self.may_be_left()
    }

    /// Whether it may be left at any moment: it reads the repository or the
    /// GPUs and touches nothing live, and the next call removes what it had written.
    #[must_use]
    pub fn may_be_left(&self) -> bool {
        match self {
            Self::BackupList
            | Self::BackupShow { .. }
            | Self::BackupCheck { .. }
            | Self::BackupPrune { dry_run: true, .. }
            | Self::BackupDrill
            | Self::RestorePlan(_)
            | Self::GpuMigPlan => true,
            Self::RestoreApply(options) => options.to.is_some(),
            _ => false,
        }
    }

    /// Whether the bundle in force or the suspension may be another afterwards.
    #[must_use]
    pub fn changes_declared_state(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Undo | Self::Suspend | Self::Resume | Self::RestoreApply(_))
    }
}

/// Options of plan and apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Apply {
    /// Another bundle than the declared one.
    pub bundle: Option<PathBuf>,
    /// Another limit of removals than the declared one.
    pub prune_limit: Option<usize>,
    /// Confirms what would stop and ask.
    pub yes: bool,
}

/// Options of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// The snapshot's id, a prefix of it, or `latest`.
    pub id: String,
    /// Only these sources; all when empty.
    pub only: Vec<String>,
    /// Restores into this directory and touches nothing live.
    pub to: Option<PathBuf>,
}

/// A silence that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Silence {
    /// `NAME=VALUE`, `NAME!=VALUE`, `NAME=~REGEX` or `NAME!~REGEX`.
    pub matchers: Vec<String>,
    /// How long.
    pub seconds: u64,
    /// Why.
    pub comment: String,
    /// Who wants it.
    pub by: String,
}

/// Options of an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Upgrade {
    /// The new system; where the system profile leads when absent.
    pub system: Option<PathBuf>,
    /// Leaves the reboot to somebody else.
    pub no_reboot: bool,
    /// Tries a generation again that fell back.
    pub again: bool,
}

/// Options of a rollback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rollback {
    /// Brings back all data of the snapshot before the upgrade.
    pub with_data: bool,
    /// Leaves the reboot to somebody else.
    pub no_reboot: bool,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Decides the exit status.
    pub status: Status,
    /// For a person.
    pub text: String,
    /// For a program.
    pub data: serde_json::Value,
    /// Whether the machine is to be rebooted now. Who asked does it, with the
    /// outcome in hand: a reboot ends the daemon and its jobs at once.
    #[serde(default)]
    pub reboot: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Done, or converged already.
    Done,
    /// It was carried out and did not succeed.
    Failed,
    /// Changes are pending.
    Pending,
}

impl Outcome {
    pub(crate) fn new(status: Status, text: impl ToString, data: &impl Serialize) -> Self {
        // Every report is made of texts, numbers and lists; a report that
        // cannot be written as JSON still has its text.
        let data = serde_json::to_value(data).unwrap_or(serde_json::Value::Null);
        Self { status, text: text.to_string().trim_end().to_owned(), data, reboot: false }
    }
}

/// Reboots the machine, as an outcome asked for.
///
/// # Errors
/// When the service manager refuses.
pub fn reboot() -> Result<()> {
    use crate::upgrade::machine::{Machine, NixOs};
    NixOs::default().reboot()
}

/// Carries out one request.
///
/// # Errors
/// When it cannot be carried out; what was begun is undone or is taken up by
/// the next call.
pub async fn run(appliance: &Appliance, request: Request, observer: Arc<dyn Observer>) -> Result<Outcome> {
    match request {
        Request::Status => status::status(appliance).await,
        Request::Plan(options) => apply::plan(appliance, &options).await,
        Request::Apply(options) => apply::apply(appliance, &options, &*observer).await,
        Request::Undo => apply::undo(appliance, &*observer).await,
        Request::History => apply::history(appliance).await,
        Request::Suspend => apply::set_suspended(appliance, true),
        Request::Resume => apply::set_suspended(appliance, false),
        Request::Verify { phase } => verify::verify(appliance, phase).await,
        Request::BackupNow => backup::now(appliance, &*observer).await,
        Request::BackupList => backup::list(appliance),
        Request::BackupShow { id } => backup::show(appliance, &id),
        Request::BackupCheck { read_data } => backup::check(appliance, read_data, &*observer).await,
        Request::BackupCopy { target } => backup::copy(appliance, &target, &*observer).await,
        Request::BackupForget { dry_run } => backup::forget(appliance, dry_run, &*observer).await,
        Request::BackupPrune { dry_run, max_unused } => {
            backup::prune(appliance, dry_run, max_unused, &*observer).await
        }
        Request::BackupDrill => backup::drill(appliance, &*observer).await,
        Request::RestorePlan(options) => restore::plan(appliance, &options),
        Request::RestoreApply(options) => restore::apply(appliance, &options, &*observer).await,
        Request::GpuMigPlan => mig::plan(appliance).await,
        Request::GpuMigApply { yes } => mig::apply(appliance, yes, observer).await,
        Request::GpuMigRollback => mig::rollback(appliance, observer).await,
        Request::AlertsList => alerts::list(appliance).await,
        Request::AlertsTest { receiver } => alerts::test(appliance, receiver.as_deref(), &*observer).await,
        Request::AlertsSilence(silence) => alerts::silence(appliance, &silence).await,
        Request::AlertsUnsilence { id } => alerts::unsilence(appliance, &id).await,
        Request::AlertsConfig => alerts::config(appliance),
        Request::UpgradePlan { system } => upgrade::plan(appliance, system.as_deref()).await,
        Request::UpgradeApply(options) => upgrade::apply(appliance, &options, &*observer).await,
        Request::UpgradeStage { system, written } => upgrade::stage(appliance, system.as_deref(), written),
        Request::UpgradeCheck { system, action } => {
            upgrade::check(appliance, system.as_deref(), &action).await
        }
        Request::UpgradeConfirm { boot, force, deadline_seconds } => {
            let deadline = deadline_seconds.map(std::time::Duration::from_secs);
            upgrade::confirm(appliance, boot, force, deadline, &*observer)
        }
        Request::UpgradeRollback(options) => upgrade::rollback(appliance, &options, &*observer).await,
        Request::UpgradeHistory => upgrade::history(appliance),
    }
}
