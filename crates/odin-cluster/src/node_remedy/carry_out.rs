//! Carries a plan out, or lets the API server say what would come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{MARKS, Mark, Plan, Policy, Step, plan};
use crate::Error;
use crate::cluster::{Cluster, Failure, Patience, Resource};
use crate::lease::Lease;
use crate::object::ObjectKey;
use crate::settings::Settings;

/// Name of the lease under which nodes are changed.
const LEASE: &str = "odin-gpu-remedy";

/// One attempt of each request: the next plan tries again, with what is so then.
const ONCE: Patience = Patience { attempt: Duration::from_secs(10), total: Duration::ZERO };

/// A step with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attempt {
    /// The step.
    pub step: Step,
    /// What came of it.
    pub result: Result,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// It is done.
    Done,
    /// It would be done: the API server took it as a dry run.
    WouldBeDone,
    /// A disruption budget forbids it for now.
    Blocked(String),
    /// It failed; the next plan tries again.
    Failed(String),
}

/// Looks at the cluster, plans and carries out, once. What is changed is
/// changed under a lease of its own, by a plan that was made under it: several
/// servers look, and one acts.
///
/// # Errors
/// When nodes or pods cannot be listed, or another server has the lease;
/// nothing was changed then.
pub async fn attempt(
    cluster: &Cluster,
    settings: &Settings,
    policy: &Policy,
    dry_run: bool,
) -> std::result::Result<(Plan, Vec<Attempt>), Error> {
    let planned = look(cluster, policy).await?;
    if planned.steps.is_empty() || dry_run {
        let attempts = walk(cluster, &planned, None).await;
        return Ok((planned, attempts));
    }
    let lease = Lease::acquire(cluster, LEASE, settings).await?;
    let done = match look(cluster, policy).await {
        Ok(planned) => {
            let attempts = walk(cluster, &planned, Some(&lease)).await;
            Ok((planned, attempts))
        }
        Err(error) => Err(error),
    };
    lease.release().await;
    done
}

async fn look(cluster: &Cluster, policy: &Policy) -> std::result::Result<Plan, Error> {
    let listed = |what: &str| {
        let action = format!("list the {what}");
        move |failure: Failure| failure.into_error(&action, cluster)
    };
    let nodes = cluster.list(&nodes(), None).await.map_err(listed("nodes"))?;
    let now = Timestamp::now();
    // Pods matter only where something is wrong; most of the time nothing is.
    if policy.drain && nodes.iter().any(node_is_unwell) {
        let pods = Resource::core("Pod", "pods", true);
        let pods = cluster.list(&pods, None).await.map_err(listed("pods"))?;
        return Ok(plan(&nodes, &pods, policy, now));
    }
    Ok(plan(&nodes, &[], policy, now))
}

/// Without a lease nothing is changed: the API server says what would come of
/// it.
async fn walk(cluster: &Cluster, planned: &Plan, lease: Option<&Lease>) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let once = cluster.with_patience(ONCE);
    for step in &planned.steps {
        if let Some(lease) = lease
            && let Err(error) = lease.ensure().await
        {
            attempts.push(Attempt { step: step.clone(), result: Result::Failed(error.to_string()) });
            break;
        }
        let result = match carry_out(&once, step, lease.is_none()).await {
            Ok(()) if lease.is_none() => Result::WouldBeDone,
            Ok(()) => Result::Done,
            Err(failure) if failure.code() == Some(429) => Result::Blocked(failure.reason().to_owned()),
            Err(failure) => Result::Failed(failure.reason().to_owned()),
        };
        attempts.push(Attempt { step: step.clone(), result });
    }
    attempts
}

fn node_is_unwell(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let is = |condition: &&Value| condition["type"] == crate::node_report::CONDITION;
    conditions.into_iter().flatten().find(is).is_some_and(|condition| condition["status"] == "False")
}

async fn carry_out(cluster: &Cluster, step: &Step, dry_run: bool) -> std::result::Result<(), Failure> {
    match step {
        Step::Mark { node, marks, before, version, taints, .. } => {
            let key = ObjectKey {
                group: String::new(),
                kind: "Node".to_owned(),
                namespace: None,
                name: node.clone(),
            };
            let change = change(marks, before, version, taints);
            cluster.merge(&nodes(), &key, &change, dry_run).await.map(drop)
        }
        Step::Evict { namespace, pod, uid, .. } => cluster.evict(namespace, pod, uid, dry_run).await,
    }
}

/// One write for all marks: a node is never half marked.
fn change(marks: &BTreeSet<Mark>, before: &BTreeSet<Mark>, version: &str, taints: &[Value]) -> Value {
    let names = marks.iter().map(|mark| mark.name()).collect::<Vec<_>>().join(",");
    let names = if names.is_empty() { Value::Null } else { names.into() };
    let mut spec = json!({"taints": taints});
    let (is, was) = (marks.contains(&Mark::Cordon), before.contains(&Mark::Cordon));
    if is != was {
        spec["unschedulable"] = if is { Value::Bool(true) } else { Value::Null };
    }
    json!({"metadata": {"resourceVersion": version, "annotations": {MARKS: names}}, "spec": spec})
}

fn nodes() -> Resource {
    Resource::core("Node", "nodes", false)
}
