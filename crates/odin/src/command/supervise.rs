//! `odin supervise`, and the jobs it starts.

use std::path::Path;

use odin_supervisor::appliance::Appliance;
use odin_supervisor::{daemon, interrupt, job};
use tracing_subscriber::EnvFilter;

use crate::failure::{ExitStatus, Failure};

pub(crate) async fn run(appliance: Appliance) -> Result<ExitStatus, Failure> {
    start_log();
    daemon::run(appliance).await?;
    Ok(ExitStatus::Done)
}

pub(crate) async fn job(base: &Path) -> Result<(), Failure> {
    start_log();
    let interruption = super::interruption();
    let listener = tokio::spawn(async {
        interruption.await;
        interrupt::request();
    });
    let done = job::carry_out(base).await;
    listener.abort();
    done.map_err(Failure::from)
}

/// Logs to stderr, which the journal takes; `ODIN_LOG` sets levels as
/// `tracing` reads them, for example `odin_cluster=debug`.
pub(super) fn start_log() {
    let filter = EnvFilter::try_from_env("ODIN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
}
