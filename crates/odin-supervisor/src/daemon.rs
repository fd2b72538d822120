//! The daemon: drift, schedule and sockets, until it is told to stop.

mod control;
mod converge;
mod drift;
mod gpu;
mod gpu_reset;
mod metrics;
mod notify;
mod remediation;
mod schedule;
mod sockets;

pub(crate) use notify::ready;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;

use crate::Result;
use crate::appliance::Appliance;

/// What the daemon's parts share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) appliance: Appliance,
    /// Counters and gauges of `/metrics`.
    pub(crate) metrics: metrics::Metrics,
    /// What is counted of the API over TCP.
    pub(crate) traffic: crate::api::Traffic,
    /// Rises with every operation that may have changed the bundle in force or
    /// the suspension, so that the drift watch looks again.
    pub(crate) changed: watch::Sender<u64>,
    /// While a restore runs nothing is repaired: the cluster is about to be
    /// another one.
    pub(crate) restoring: AtomicBool,
}

impl Shared {
    /// The parts of a daemon that has just started.
    pub(crate) fn new(appliance: Appliance) -> Self {
        Self {
            appliance,
            metrics: metrics::Metrics::default(),
            traffic: crate::api::Traffic::default(),
            changed: watch::channel(0).0,
            restoring: AtomicBool::new(false),
        }
    }

    /// What `/metrics` answers, on a socket and over TCP.
    pub(crate) fn exposition(&self) -> String {
        self.metrics.render(&self.appliance, &self.traffic)
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the sockets cannot be opened; everything later is logged, counted and
/// tried again.
pub async fn run(appliance: Appliance) -> Result<()> {
    // Without it the daemon has the values all the same, from where they are.
    if let Err(error) = appliance.adopt_site() {
        tracing::error!(%error, "the host's own values are not in the state directory");
    }
    let run_dir = appliance.config.host.run_dir.clone();
    let shared = Arc::new(Shared::new(appliance));
    let control = sockets::bind(&run_dir, crate::client::CONTROL_SOCKET, sockets::Users::Root)?;
    let read = sockets::bind(&run_dir, sockets::READ_SOCKET, sockets::Users::Readers)?;
    let serving = [
        tokio::spawn(sockets::serve(control, control::router(Arc::clone(&shared)))),
        tokio::spawn(sockets::serve(read, control::read_router(Arc::clone(&shared)))),
    ];
    // Before the first apply, which takes the Secret of Prometheus along.
    crate::api::prepare(&shared);
    let api = tokio::spawn(crate::api::run(Arc::clone(&shared)));
    let drift = tokio::spawn(drift::run(Arc::clone(&shared)));
    let converge = tokio::spawn(converge::run(Arc::clone(&shared)));
    let schedule = tokio::spawn(schedule::run(Arc::clone(&shared)));
    let gpu = tokio::spawn(gpu::run(Arc::clone(&shared)));
    let gpu_reset = tokio::spawn(gpu_reset::run(Arc::clone(&shared)));
    let remediation = tokio::spawn(remediation::run(Arc::clone(&shared)));
    notify::ready();
    tracing::info!(run_dir = %run_dir.display(), "supervising");
    termination().await;
    notify::stopping();
    tracing::info!("stopping");
    let tasks = [converge, drift, schedule, gpu, gpu_reset, remediation, api];
    for task in serving.into_iter().chain(tasks) {
        task.abort();
    }
    sockets::remove(&run_dir);
    Ok(())
}

/// SIGTERM or SIGINT.
pub(crate) async fn termination() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGTERM");
            std::future::pending().await
        }
    }
}
