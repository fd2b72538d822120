//! The node tells the cluster how its GPUs are: labels, the condition
//! `GPUHealthy`, and an event for each turn. With the kubelet's identity, for
//! its own node only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use odin_cluster::Cluster;
use odin_cluster::node_report::{self, Condition, NodeEvent, NodeReport};
use odin_gpu::allocation::{Change, Gpu};
use tokio::sync::{mpsc, watch};

use super::Offer;
use crate::Result;

/// A report that was not taken is made again after this, and then less often.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// What somebody else removed is put back after this.
const AGAIN: Duration = Duration::from_secs(30);
/// The most a condition says; the rest is in the events.
const LONGEST_MESSAGE: usize = 1024;

/// Reports for ever; the labels only where they are wanted.
pub async fn run(
    kubeconfig: PathBuf,
    labels: bool,
    mut offers: watch::Receiver<Arc<Offer>>,
    mut changes: mpsc::Receiver<Change>,
) {
    let mut pause = FIRST;
    let mut told = String::new();
    // Nothing was looked at yet: a report now would take the last one's labels away.
    if offers.changed().await.is_err() {
        return;
    }
    let mut untold = None;
    loop {
        match report(&kubeconfig, labels, &mut offers, &mut changes, &mut untold).await {
            Ok(()) => return,
            Err(error) => {
                let reason = error.to_string();
                // A cluster that is not there yet is no news every two seconds.
                if reason != told {
                    tracing::warn!(%error, "the node's GPUs are not reported; trying again");
                }
                told = reason;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Connects and reports until it fails; well only when nothing more comes.
async fn report(
    kubeconfig: &Path,
    labels: bool,
    offers: &mut watch::Receiver<Arc<Offer>>,
    changes: &mut mpsc::Receiver<Change>,
    untold: &mut Option<Change>,
) -> Result<()> {
    let cluster = Cluster::connect(kubeconfig).await?;
    let node = node_report::own_node(&cluster).await?;
    loop {
        if let Some(change) = untold {
            node_report::tell(&cluster, &node, &event(change)).await?;
            *untold = None;
        }
        let offer = Arc::clone(&offers.borrow_and_update());
        if node_report::report(&cluster, &node, &of(&offer, labels)).await? {
            tracing::debug!(node, "the node's GPUs were reported");
        }
        tokio::select! {
            changed = offers.changed() => if changed.is_err() { return Ok(()) },
            change = changes.recv() => match change {
                // Kept until it was told: the cluster may be away.
                Some(change) => *untold = Some(change),
                None => return Ok(()),
            },
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

fn of(offer: &Offer, labels: bool) -> NodeReport {
    let labels = if labels { offer.labels.clone() } else { BTreeMap::new() };
    NodeReport { labels, condition: condition(offer) }
}

fn condition(offer: &Offer) -> Option<Condition> {
    if offer.gpus.is_empty() {
        // A machine that has none says nothing; one that cannot know says so.
        return offer.unknown.as_ref().map(|fault| Condition {
            status: None,
            reason: fault.reason.clone(),
            message: fault.message.clone(),
        });
    }
    let faulty: Vec<(&Gpu, &odin_gpu::allocation::Fault)> =
        offer.gpus.iter().filter_map(|gpu| Some((gpu, gpu.fault.as_ref()?))).collect();
    let Some((_, first)) = faulty.first() else {
        let message = format!("{} GPUs are well", offer.gpus.len());
        return Some(Condition { status: Some(true), reason: "AllHealthy".to_owned(), message });
    };
    let same = faulty.iter().all(|(_, fault)| fault.reason == first.reason);
    let reason = if same { first.reason.clone() } else { "SeveralFaults".to_owned() };
    let said: Vec<String> = faulty
        .iter()
        .map(|(gpu, fault)| format!("GPU {} ({}): {}: {}", gpu.index, gpu.uuid, fault.reason, fault.message))
        .collect();
    let mut message =
        format!("{} of {} GPUs are not well: {}", faulty.len(), offer.gpus.len(), said.join("; "));
    if message.len() > LONGEST_MESSAGE {
        message = message.chars().take(LONGEST_MESSAGE).chain("...".chars()).collect();
    }
    Some(Condition { status: Some(false), reason, message })
}

fn event(change: &Change) -> NodeEvent {
    let (reason, message) = match &change.fault {
        Some(fault) => ("GPUUnhealthy", format!("{}: {}: {}", change.uuid, fault.reason, fault.message)),
        None => {
            let after = change.after_seconds.map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
            ("GPURecovered", format!("{} is well again{after}", change.uuid))
        }
    };
    NodeEvent { time: change.time, reason: reason.to_owned(), message, warning: change.fault.is_some() }
}

#[cfg(test)]
mod tests {
    use odin_gpu::allocation::Fault;

    use super::*;

    fn offer(faults: &[Option<&str>]) -> Offer {
        let gpus = (0..)
            .zip(faults)
            .map(|(index, fault)| Gpu {
                index,
                uuid: format!("GPU-{index}"),
                fault: fault.map(|reason| Fault::new(reason, "seen")),
                ..Gpu::default()
            })
            .collect();
        Offer { gpus, ..Offer::default() }
    }

    #[test]
    fn the_condition_says_which_gpus_are_not_well() {
        type Row<'a> = (&'a [Option<&'a str>], Option<bool>, &'a str, &'a str);
        let rows: [Row<'_>; 3] = [
            (&[None, None], Some(true), "AllHealthy", "2 GPUs are well"),
            (
                &[None, Some("GpuLost")],
                Some(false),
                "GpuLost",
                "1 of 2 GPUs are not well: GPU 1 (GPU-1): GpuLost: seen",
            ),
            (
                &[Some("GpuHung"), Some("GpuLost")],
                Some(false),
                "SeveralFaults",
                "2 of 2 GPUs are not well: GPU 0 (GPU-0): GpuHung: seen; GPU 1 (GPU-1): GpuLost: seen",
            ),
        ];
        for (faults, status, reason, message) in rows {
            let said = condition(&offer(faults)).expect("a condition");
            assert_eq!((said.status, said.reason.as_str(), said.message.as_str()), (status, reason, message));
        }
    }

    #[test]
    fn a_machine_that_cannot_know_says_unknown_and_one_without_gpus_nothing() {
        assert_eq!(condition(&Offer::default()), None);
        let unknown =
            Offer { unknown: Some(Fault::new("NvmlUnavailable", "no library")), ..Offer::default() };
        let said = condition(&unknown).expect("a condition");
        assert_eq!((said.status, said.reason.as_str()), (None, "NvmlUnavailable"));
    }

    #[test]
    fn a_turn_is_an_event() {
        let change = |fault, after_seconds| Change {
            uuid: "GPU-1".into(),
            time: jiff::Timestamp::UNIX_EPOCH,
            fault,
            after_seconds,
        };
        let ill = event(&change(Some(Fault::new("GpuLost", "seen")), None));
        assert_eq!(
            (ill.reason.as_str(), ill.warning, ill.message.as_str()),
            ("GPUUnhealthy", true, "GPU-1: GpuLost: seen")
        );
        let well = event(&change(None, Some(73)));
        assert_eq!(
            (well.reason.as_str(), well.warning, well.message.as_str()),
            ("GPURecovered", false, "GPU-1 is well again after 73 s")
        );
    }

    #[test]
    fn a_long_message_is_cut() {
        let many = vec![Some("GpuLost"); 100];
        let said = condition(&offer(&many)).expect("a condition");
        assert!(said.message.len() < 1100 && said.message.ends_with("..."), "{}", said.message.len());
    }
}
