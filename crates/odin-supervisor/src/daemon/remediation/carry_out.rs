//! The remedies, one by one.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use odin_cluster::Cluster;
use odin_cluster::cluster::NodeState;
use odin_model::config::{AlertRemediation, Remedy};
use odin_model::event::Silent;
use tokio::process::Command;

use crate::alerting::remediation::Target;
use crate::alerting::remediation::decide::Act;
use crate::daemon::{Shared, control};
use crate::lock::Lock;
use crate::operations::{Apply, Request, STATE_NAMESPACE, Status};
use crate::wire::Line;
use crate::{Error, Result, bundle_in_force};

/// How long a command may take; the machine's lock is held meanwhile.
const LONGEST: Duration = Duration::from_secs(300);

/// Carries one out; what comes of it is seen in the alert.
pub(super) async fn carry_out(
    shared: &Shared,
    cluster: &Cluster,
    act: &Act,
    declared: &AlertRemediation,
) -> Result<()> {
    // These take the lock themselves.
    match act.remedy {
        Remedy::BackupNow => return operation(shared, Request::BackupNow).await,
        Remedy::Apply => return apply_again(shared, cluster).await,
        _ => {}
    }
    let host = &shared.appliance.config.host;
    let _lock = Lock::take(host, "carry out a remedy", &Silent).await?;
    match (act.remedy, &act.target) {
        (_, Target::Pod { namespace, name }) => Ok(cluster.restart_pod(namespace, name).await?),
        (_, Target::Workload { namespace, kind, name }) => {
            Ok(cluster.restart_workload(namespace, kind, name).await?)
        }
        (_, Target::Unit(unit)) => run("systemctl", &["restart", "--", unit], LONGEST).await,
        (_, Target::Node(node)) => cordon(cluster, node).await,
        (Remedy::CleanImages, _) => {
            let endpoint = endpoint(&host.cri_socket);
            run("crictl", &["--runtime-endpoint", &endpoint, "rmi", "--prune"], LONGEST).await
        }
        (Remedy::CleanJournal, _) => {
            let size = format!("--vacuum-size={}", declared.journal_size);
            // Only files that are not written to any more are removed.
            run("journalctl", &["--rotate", &size], LONGEST).await
        }
        (remedy, target) => Err(refused(remedy, format!("it is not for {target}"))),
    }
}

/// Applies what is in force once more. What is declared is not asked: a person
/// may have undone it, and that stays so.
async fn apply_again(shared: &Shared, cluster: &Cluster) -> Result<()> {
    let (inventory, _) = cluster.inventory(STATE_NAMESPACE).await?;
    let pending = inventory.pending.as_ref().map(|pending| pending.digest.as_str());
    let bundle = bundle_in_force::to_apply_again(&shared.appliance, pending)
        .map_err(|reason| refused(Remedy::Apply, reason))?;
    // With a bundle of its own an apply leaves the mark of an undo alone.
    operation(shared, Request::Apply(Apply { bundle: Some(bundle), ..Apply::default() })).await
}

/// Keeps new pods away, as long as they have somewhere else to go.
async fn cordon(cluster: &Cluster, node: &str) -> Result<()> {
    if let Some(reason) = why_not_cordoned(&cluster.nodes().await?, node) {
        return Err(refused(Remedy::Cordon, reason));
    }
    Ok(cluster.cordon(node, true).await?)
}

fn why_not_cordoned(nodes: &[NodeState], node: &str) -> Option<String> {
    if !nodes.iter().any(|other| other.name == node) {
        return Some(format!("the cluster has no node {node}"));
    }
    let other = nodes.iter().any(|other| other.name != node && other.ready);
    (!other).then(|| format!("no other node than {node} takes pods"))
}

async fn operation(shared: &Shared, request: Request) -> Result<()> {
    let name = request.name();
    let failed = |reason: String| Error::Alerting {
        action: name.to_owned(),
        reason,
        hint: "call it by hand; it says more",
    };
    match control::carry_out(shared, request, Arc::new(Silent)).await {
        Line::Outcome(outcome) if outcome.status != Status::Failed => Ok(()),
        Line::Outcome(_) => Err(failed("it did not succeed".to_owned())),
        Line::Failure(failure) => Err(failed(failure.message)),
        Line::Event(_) => Err(failed("it ended without an outcome".to_owned())),
    }
}

async fn run(program: &str, arguments: &[&str], within: Duration) -> Result<()> {
    let command = format!("{program} {}", arguments.join(" "));
    let failed = |reason: String| Error::Host {
        action: format!("run `{command}`"),
        reason,
        hint: "run it by hand; it says more",
    };
    // Dropped where it takes too long, and with it killed.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let done = match tokio::time::timeout(within, output).await {
        Ok(done) => done.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("it did not end within {} s", within.as_secs()))),
    };
    if done.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ")))
}

fn endpoint(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

fn refused(remedy: Remedy, reason: String) -> Error {
    Error::Alerting { action: format!("carry out {remedy}"), reason, hint: "look at the alert's runbook" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, ready: bool) -> NodeState {
        NodeState {
            name: name.to_owned(),
            ready,
            version: String::new(),
            reason: String::new(),
            boot: String::new(),
        }
    }

    #[tokio::test]
    async fn a_command_has_its_time_and_no_more() {
        let within = Duration::from_millis(50);
        let error = run("sleep", &["600"], within).await.expect_err("too late").to_string();
        assert!(error.contains("did not end within"), "{error}");
        let error = run("ls", &["--no-such-option"], LONGEST).await.expect_err("an error").to_string();
        assert!(error.contains("no-such-option"), "{error}");
        run("true", &[], LONGEST).await.expect("done");
    }

    #[test]
    fn only_a_node_of_the_cluster_that_is_not_its_last_is_cordoned() {
        let nodes = [node("a", true), node("b", true), node("c", false)];
        assert_eq!(why_not_cordoned(&nodes, "a"), None);
        assert_eq!(why_not_cordoned(&nodes, "c"), None);
        let reason = why_not_cordoned(&nodes, "a?x").expect("a reason");
        assert!(reason.contains("no node a?x"), "{reason}");
        let reason = why_not_cordoned(&nodes[1..], "b").expect("a reason");
        assert!(reason.contains("no other node than b"), "{reason}");
    }
}
