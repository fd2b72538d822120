//! What a person types. The words of the help are the reference
//! (docs/reference/cli.md is a snapshot of it).

mod alerts;
mod gpu;
mod logs;
mod token;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use odin_model::unused::MaxUnused;
use odin_supervisor::install::disks::Rule;
use odin_supervisor::operations::{Apply, Request, Restore, Rollback, Upgrade as UpgradeOptions};

pub(crate) use gpu::{Gpu, Mig};
pub(crate) use logs::Logs;
pub(crate) use token::Token;

/// Turns a GPU server into an appliance: applies what is declared, backs it up, proves that it restores
#[derive(Debug, Parser)]
#[command(name = "odin", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The declaration
    #[arg(
        long,
        global = true,
        default_value = "/etc/odin/odin.toml",
        env = "ODIN_CONFIG",
        value_name = "FILE"
    )]
    pub(crate) config: PathBuf,

    /// Write the result to stdout and the events to stderr as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Run in this process although the daemon is there
    #[arg(long, global = true)]
    pub(crate) local: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the daemon: repair drift, keep the schedule, serve state and metrics
    Supervise,
    /// Show what is declared, applied, healthy, backed up and proven
    Status,
    /// Check or show the declaration
    #[command(subcommand)]
    Config(Config),
    /// Build, check or show a bundle of manifests
    #[command(subcommand)]
    Bundle(Bundle),
    /// Show what applying would do; exit status 2 when changes are pending
    Plan(ApplyArguments),
    /// Apply the bundle and wait until it is healthy
    Apply(ApplyArguments),
    /// Go back to what was applied before
    Undo,
    /// Show the last applies
    History,
    /// Stop the repair of drift until `odin resume`
    Suspend,
    /// Take the repair of drift up again
    Resume,
    /// Back up, look at backups, prove them
    Backup {
        #[command(flatten)]
        repository: Repository,
        #[command(subcommand)]
        verb: Backup,
    },
    /// Restore a snapshot
    Restore {
        #[command(flatten)]
        repository: Repository,
        #[command(subcommand)]
        verb: RestoreVerb,
    },
    /// Write the image to a disk of this machine; on the installation medium
    #[command(subcommand)]
    Install(Install),
    /// The host's own values: its keys, its name, its first password; at every boot
    #[command(subcommand)]
    Host(Host),
    /// Take up another generation of the system, with a way back
    #[command(subcommand)]
    Upgrade(Upgrade),
    /// Alerts: what fires, silences, whether they are delivered
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// GPUs: what there is, how well it is, its metrics
    #[command(subcommand)]
    Gpu(Gpu),
    /// Logs of this machine, as a collector reads them
    #[command(subcommand)]
    Logs(Logs),
    /// Tokens of the API over the network: make, list, revoke
    #[command(subcommand)]
    Token(Token),
    /// Carry out a job the daemon wrote down; its unit calls this
    #[command(hide = true)]
    Job {
        /// Path of the job's files without their suffix
        base: PathBuf,
    },
    /// Try the acceptance of this machine, phase by phase
    Verify {
        /// Only this phase
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
        phase: Option<u8>,
    },
}

/// A repository in place of the declared one.
#[derive(Debug, Args)]
pub(crate) struct Repository {
    /// Another repository than the declared one; needs no declaration at all
    #[arg(long, global = true, value_name = "DIR", requires = "password_file")]
    repository: Option<PathBuf>,
    /// File with that repository's password
    #[arg(long, global = true, value_name = "FILE", requires = "repository")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check a declaration; says nothing when it is right
    Check {
        /// Another file than --config
        file: Option<PathBuf>,
    },
    /// Show the merged declaration, each value of the host's own marked
    Show {
        /// Another file than --config
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Render charts and overlay once into a bundle
    Build {
        /// Directory of the overlay, for example manifests/overlays/prod
        overlay: PathBuf,
        /// Optional component that is wanted in it; once for each
        #[arg(long, value_name = "COMPONENT")]
        with: Vec<String>,
        /// Directory of the bundle; replaced when it is a bundle already
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Program that renders charts
        #[arg(long, default_value = "helm", value_name = "PROGRAM")]
        helm: PathBuf,
        /// Program whose `kustomize` renders overlays
        #[arg(long, default_value = "kubectl", value_name = "PROGRAM")]
        kubectl: PathBuf,
    },
    /// Check a bundle's sums, shape and order
    Lint {
        /// Directory of the bundle
        dir: PathBuf,
    },
    /// Show a bundle's components and objects in the order of their waves
    Show {
        /// Directory of the bundle
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// Another bundle than the declared one
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Stop and ask when more objects than this would be removed
    #[arg(long, value_name = "N")]
    prune_limit: Option<usize>,
    /// Confirm what would stop and ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Take a snapshot of the whole box
    Now,
    /// List the snapshots
    List,
    /// Show one snapshot: sources, sizes, digests
    Show {
        /// Id, the beginning of one, or `latest`
        id: String,
    },
    /// Check the repository
    Check {
        /// Read and verify every byte
        #[arg(long)]
        read_data: bool,
    },
    /// Copy the snapshots to a declared second repository and verify them there
    Copy {
        /// Name of the target in `[[backup.copies]]`
        target: String,
    },
    /// Forget the snapshots that the retention does not keep
    Forget {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Free what no snapshot needs: verified by a walk of every snapshot before anything goes
    Prune {
        /// Only say what would be freed
        #[arg(long)]
        dry_run: bool,
        /// Another limit than the declared one for data of no use within packs that are needed in
        /// part: a share ("10%"), an amount ("500M") or "unlimited"
        #[arg(long, value_name = "LIMIT")]
        max_unused: Option<MaxUnused>,
    },
    /// Restore the newest snapshot beside the running system, compare, keep the record
    Drill,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreVerb {
    /// Show what would be replaced, what kept, and for how long the box is down
    Plan(RestoreArguments),
    /// Restore: verify beside, stop, swap, start, compare; old data back on any failure
    Apply(RestoreArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Id, the beginning of one, or `latest`
    id: String,
    /// Only this source; may be repeated
    #[arg(long, value_name = "SOURCE")]
    only: Vec<String>,
    /// Restore into this directory and touch nothing live
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Upgrade {
    /// Show what would change, whether it needs a reboot, and what would stop it; exit status 2 when
    /// there is something to take up, 1 when something stands against it
    Plan {
        /// The new system: a path in the store, or `./result`; where the system profile leads when absent
        system: Option<PathBuf>,
    },
    /// Back up unless a fresh snapshot is there, stage the new generation, reboot into it
    ///
    /// The old boot entry stays the default and the new one is set for one boot. The new generation
    /// is judged when it is up: it becomes the default, or the machine reboots into the old one, once.
    Apply {
        /// The new system: a path in the store, or `./result`; where the system profile leads when absent
        system: Option<PathBuf>,
        /// Do not reboot: the new generation is tried at the next boot, whoever causes it
        #[arg(long)]
        no_reboot: bool,
        /// Try a generation once more that fell back
        #[arg(long)]
        again: bool,
    },
    /// Stage a generation whose boot entry is written; the boot loader's install hook calls this
    ///
    /// Does nothing where no system was booted: while one is installed.
    Stage {
        /// The new system; where the system profile leads when absent
        system: Option<PathBuf>,
        /// Exit status of what wrote the boot menu
        #[arg(long, value_name = "STATUS", default_value_t = 0)]
        written: i32,
    },
    /// Veto a switch, or say nothing; NixOS' checks before a switch call this
    ///
    /// Says nothing while a system is installed, in a dry run, and where K3s does not run.
    Check {
        /// The new system; where the system profile leads when absent
        system: Option<PathBuf>,
        /// What is asked for: switch, boot, test, dry-activate
        #[arg(default_value = "switch")]
        action: String,
    },
    /// Judge the running generation; make it the default when it is good, let pods in again
    Confirm {
        /// At boot: wait until it is well, and go back to the old one when it does not become so
        #[arg(long, conflicts_with = "force")]
        boot: bool,
        /// Take it whatever the verdict is
        #[arg(long)]
        force: bool,
        /// How long it may take to become well, for example 15m; `upgrade.deadline` when absent
        #[arg(long, env = "ODIN_CONFIRM_DEADLINE", value_name = "DURATION", value_parser = seconds)]
        deadline: Option<u64>,
    },
    /// Go to the generation before: withdraw what is staged, leave what is on trial, or reboot
    ///
    /// System and bundle go back. The datastore goes back with them only where the two generations
    /// have different minor versions of K3s; the node is then cordoned until `odin upgrade confirm`.
    /// A generation that was chosen in the boot menu runs already: it is made the default.
    Rollback {
        /// Bring back all data of the snapshot before the upgrade, after a snapshot of the present
        #[arg(long)]
        with_data: bool,
        /// Do not reboot: it is tried at the next boot, whoever causes it
        #[arg(long)]
        no_reboot: bool,
    },
    /// Show the upgrades there were, what they were made of, how they ended and why
    History,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Host {
    /// Show what there is to do; exit status 2 when there is something, 1 when something stands
    /// against it
    Plan,
    /// Do it, each part for itself; odin-host.service calls this before sshd and K3s start
    ///
    /// The keys of site.toml go to `access.keys-file`, its `host.name` to /etc/hostname and to the
    /// kernel. Files that somebody else wrote stay. Where there is neither a password nor a repository
    /// yet, a password is made for it. Exit status 1 when a part failed; the others are done.
    Apply,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Install {
    /// Show the disk, what is on it, and what would stop the installation; changes nothing
    Plan {
        #[command(flatten)]
        what: InstallArguments,
    },
    /// Write the image, read it back, compare, and put site.toml on the boot partition
    ///
    /// Asks on a terminal. Elsewhere it needs --yes, or a seed with an install.toml
    /// (`disk` and `erase`, as the options are written).
    Apply {
        #[command(flatten)]
        what: InstallArguments,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    /// The image, raw or compressed by zstd
    #[arg(long, value_name = "FILE", default_value = "/iso/odin/odin.img")]
    pub(crate) image: PathBuf,
    /// SHA-256 that the image's file must have; IMAGE.sha256 beside it when absent
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Which disk: serial=NUMBER, path=/dev/NAME, size=BYTES (or 960G), size=largest, size=smallest;
    /// the only one when absent
    #[arg(long, value_name = "RULE")]
    pub(crate) disk: Option<Rule>,
    /// Give up the data on the disk; its serial number, or its path where it has none
    #[arg(long, value_name = "SERIAL")]
    pub(crate) erase: Option<String>,
    /// The host's own values: a site.toml, a directory or a device with one; the device labelled
    /// ODIN-SEED when absent
    #[arg(long, value_name = "PATH")]
    pub(crate) seed: Option<PathBuf>,
}

impl Upgrade {
    fn request(&self) -> Request {
        let path = |system: &Option<PathBuf>| {
            system.as_deref().filter(|path| !path.as_os_str().is_empty()).map(absolute)
        };
        match self {
            Self::Plan { system } => Request::UpgradePlan { system: path(system) },
            Self::Apply { system, no_reboot, again } => Request::UpgradeApply(UpgradeOptions {
                system: path(system),
                no_reboot: *no_reboot,
                again: *again,
            }),
            Self::Stage { system, written } => {
                Request::UpgradeStage { system: path(system), written: *written }
            }
            Self::Check { system, action } => {
                Request::UpgradeCheck { system: path(system), action: action.clone() }
            }
            Self::Confirm { boot, force, deadline } => {
                Request::UpgradeConfirm { boot: *boot, force: *force, deadline_seconds: *deadline }
            }
            Self::Rollback { with_data, no_reboot } => {
                Request::UpgradeRollback(Rollback { with_data: *with_data, no_reboot: *no_reboot })
            }
            Self::History => Request::UpgradeHistory,
        }
    }
}

/// Reads `15m` or `90s`.
fn seconds(text: &str) -> Result<u64, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|error| format!("{error}; write it like 15m or 90s"))?;
    u64::try_from(duration.as_secs())
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "it must be longer than a second, like 15m or 90s".to_owned())
}

impl Verb {
    /// The request for the supervisor; none for what this program does itself.
    pub(crate) fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Gpu(Gpu::Mig(verb)) => match verb {
                Mig::Plan => Request::GpuMigPlan,
                Mig::Apply { yes } => Request::GpuMigApply { yes: *yes },
                Mig::Rollback => Request::GpuMigRollback,
            },
            Self::Supervise
            | Self::Config(_)
            | Self::Bundle(_)
            | Self::Install(_)
            | Self::Host(_)
            | Self::Gpu(_)
            | Self::Logs(_)
            | Self::Token(_)
            | Self::Job { .. } => {
                return None;
            }
            Self::Status => Request::Status,
            Self::Plan(options) => Request::Plan(options.into()),
            Self::Apply(options) => Request::Apply(options.into()),
            Self::Undo => Request::Undo,
            Self::History => Request::History,
            Self::Suspend => Request::Suspend,
            Self::Resume => Request::Resume,
            Self::Verify { phase } => Request::Verify { phase: *phase },
            Self::Upgrade(verb) => verb.request(),
            Self::Alerts(verb) => verb.request(),
            Self::Backup { verb, .. } => match verb {
                Backup::Now => Request::BackupNow,
                Backup::List => Request::BackupList,
                Backup::Show { id } => Request::BackupShow { id: id.clone() },
                Backup::Check { read_data } => Request::BackupCheck { read_data: *read_data },
                Backup::Copy { target } => Request::BackupCopy { target: target.clone() },
                Backup::Forget { dry_run } => Request::BackupForget { dry_run: *dry_run },
                Backup::Prune { dry_run, max_unused } => {
                    Request::BackupPrune { dry_run: *dry_run, max_unused: max_unused.clone() }
                }
                Backup::Drill => Request::BackupDrill,
            },
            Self::Restore { verb: RestoreVerb::Plan(options), .. } => Request::RestorePlan(options.into()),
            Self::Restore { verb: RestoreVerb::Apply(options), .. } => Request::RestoreApply(options.into()),
        })
    }

    /// The repository and password file given in place of the declared ones.
    pub(crate) fn other_repository(&self) -> Option<(PathBuf, PathBuf)> {
        let (Self::Backup { repository, .. } | Self::Restore { repository, .. }) = self else { return None };
        Some((absolute(repository.repository.as_deref()?), absolute(repository.password_file.as_deref()?)))
    }
}

/// A path as the daemon, which has another working directory, must see it.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl From<&ApplyArguments> for Apply {
    fn from(options: &ApplyArguments) -> Self {
        Self {
            bundle: options.bundle.as_deref().map(absolute),
            prune_limit: options.prune_limit,
            yes: options.yes,
        }
    }
}

impl From<&RestoreArguments> for Restore {
    fn from(options: &RestoreArguments) -> Self {
        Self { id: options.id.clone(), only: options.only.clone(), to: options.to.as_deref().map(absolute) }
    }
}
