//! `odin gpu`.

use clap::Subcommand;

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
    /// Exit status 1 while a GPU that would change is in use, or when one cannot be read.
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
