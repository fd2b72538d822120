//! What a person types. The words of the help are the reference
//! (docs/reference/cli.md is a snapshot of it).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use odin_supervisor::operations::{Apply, Request, Restore};

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
    /// GPUs: what there is, how well it is, its metrics
    #[command(subcommand)]
    Gpu(Gpu),
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

#[derive(Debug, Subcommand)]
pub(crate) enum Gpu {
    /// List the GPUs
    List {
        /// List what NVML has in place of GPUs: each field and getter with its metric, or the reason it has none
        #[arg(long)]
        coverage: bool,
    },
    /// Judge every GPU: what is wrong, how that is known, what to do
    ///
    /// Exit status 1 unless there are GPUs and all are healthy. They are measured against a baseline
    /// (who they are, links, clocks, ECC totals), which odin-gpu.service records once all were healthy.
    Health {
        /// Make the GPUs as they are now the baseline
        #[arg(long)]
        record: bool,
    },
    /// Cut GPUs into MIG devices as `[gpu.mig]` declares
    #[command(subcommand)]
    Mig(Mig),
    /// Read the GPUs and serve their metrics; its unit calls this
    Serve {
        /// Another address than the declared one
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<std::net::SocketAddr>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mig {
    /// Show what applying would do; exit status 2 when changes are pending
    ///
    /// Exit status 1 while a GPU that would change is in use.
    Plan,
    /// Cut idle GPUs as declared; the old layout back on any failure
    ///
    /// A GPU is idle when no process runs on it and no pod holds it or a part of it. A mode that waits
    /// for a reset of the GPU leaves exit status 2; call it again after the reset. After a cut that was
    /// interrupted it goes on.
    Apply {
        /// Also take MIG devices from GPUs whose model no layout names
        #[arg(long)]
        yes: bool,
    },
    /// Go back to the layout before the last change, on the same conditions
    ///
    /// After a cut that was interrupted: to the layout before that. Twice undoes itself.
    Rollback,
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

impl Verb {
    /// The request for the supervisor; none for what this program does itself.
    pub(crate) fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Gpu(Gpu::Mig(verb)) => match verb {
                Mig::Plan => Request::GpuMigPlan,
                Mig::Apply { yes } => Request::GpuMigApply { yes: *yes },
                Mig::Rollback => Request::GpuMigRollback,
            },
            Self::Supervise | Self::Config(_) | Self::Bundle(_) | Self::Gpu(_) | Self::Job { .. } => {
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
            Self::Backup { verb, .. } => match verb {
                Backup::Now => Request::BackupNow,
                Backup::List => Request::BackupList,
                Backup::Show { id } => Request::BackupShow { id: id.clone() },
                Backup::Check { read_data } => Request::BackupCheck { read_data: *read_data },
                Backup::Copy { target } => Request::BackupCopy { target: target.clone() },
                Backup::Forget { dry_run } => Request::BackupForget { dry_run: *dry_run },
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
