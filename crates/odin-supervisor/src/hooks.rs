//! The ports `odin-backup` meets the machine through.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use odin_backup::source::{Hooks, VolumeOf};
use odin_backup::steps::Steps;
use odin_cluster::Cluster;

use crate::interrupt;

/// Lets every step pass until an end is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interruptible;

impl Steps for Interruptible {
    fn reached(&self, step: &str) -> odin_backup::Result<()> {
        tracing::debug!(step, "step");
        if interrupt::is_requested() {
            return Err(odin_backup::Error::Stopped { step: step.to_owned() });
        }
        Ok(())
    }
}

/// Ends an executor that has a way back: the step after the request fails, and
/// the steps of the way back are not hindered, so that an interrupted restore
/// has its old data in place and its machine running when it ends.
#[derive(Debug)]
pub(crate) struct InterruptibleOnce {
    is_requested: fn() -> bool,
    refused: AtomicBool,
}

impl InterruptibleOnce {
    pub(crate) fn new(is_requested: fn() -> bool) -> Self {
        Self { is_requested, refused: AtomicBool::new(false) }
    }
}

impl Steps for InterruptibleOnce {
    fn reached(&self, step: &str) -> odin_backup::Result<()> {
        tracing::debug!(step, "step");
        if (self.is_requested)() && !self.refused.swap(true, Ordering::SeqCst) {
            return Err(odin_backup::Error::Stopped { step: step.to_owned() });
        }
        Ok(())
    }
}

/// Runs the commands of volumes in the pods that mount them.
#[derive(Debug)]
pub(crate) struct PodHooks {
    kubeconfig: PathBuf,
}

impl PodHooks {
    /// Connects only when there is a command to run, so that a backup without
    /// commands needs no API server.
    pub(crate) fn new(kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned() }
    }
}

impl Hooks for PodHooks {
    fn run(&self, volume: &VolumeOf<'_>, command: &[String]) -> Result<(), String> {
        tokio::runtime::Handle::current()
            .block_on(async {
                let cluster = Cluster::connect(&self.kubeconfig).await?;
                cluster.exec_for_claim(volume.namespace, volume.claim, command).await
            })
            .map_err(|error: odin_cluster::Error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_not_hindered() {
        let steps = InterruptibleOnce::new(|| true);
        assert!(steps.reached("swap").is_err());
        assert!(steps.reached("put back").is_ok());
        assert!(InterruptibleOnce::new(|| false).reached("swap").is_ok());
    }
}
