//! Nodes: are they there, and ready.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Cluster, Patience, Resource};
use crate::Error;
use crate::fields::FIELD_MANAGER;
use crate::object::ObjectKey;

/// How often a node is looked at while it is waited for.
const INTERVAL: Duration = Duration::from_secs(1);

/// A node in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeState {
    /// Name.
    pub name: String,
    /// Whether its kubelet says Ready and it takes pods.
    pub ready: bool,
    /// Version of its kubelet.
    pub version: String,
    /// Why it is not ready; empty when it is.
    pub reason: String,
    /// The boot its kubelet last reported from
    /// (`/proc/sys/kernel/random/boot_id`): what a node said before a reboot
    /// stays in the API until its kubelet speaks again.
    #[serde(default)]
    pub boot: String,
}

impl NodeState {
    fn of(node: &Value) -> Self {
        let text = |path: &str| node.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        let condition = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        let cordoned = node.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
        let (ready, reason) = match condition {
            None => (false, "its kubelet has not reported yet".to_owned()),
            Some(condition) if condition["status"] != "True" => {
                (false, condition["message"].as_str().unwrap_or("not ready").to_owned())
            }
            Some(_) if cordoned => (false, "it is cordoned".to_owned()),
            Some(_) => (true, String::new()),
        };
        Self {
            name: text("/metadata/name"),
            ready,
            version: text("/status/nodeInfo/kubeletVersion"),
            reason,
            boot: text("/status/nodeInfo/bootID"),
        }
    }
}

impl Cluster {
    /// Lists the nodes.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn nodes(&self) -> Result<Vec<NodeState>, Error> {
        let nodes = self.list(&Resource::core("Node", "nodes", false), None).await;
        let nodes = nodes.map_err(|failure| failure.into_error("list the nodes", self))?;
        Ok(nodes.iter().map(NodeState::of).collect())
    }

    /// Address by which the cluster reaches a node; none while it has none.
    ///
    /// # Errors
    /// When the node cannot be asked for.
    pub async fn node_address(&self, node: &str) -> Result<Option<IpAddr>, Error> {
        let key = ObjectKey {
            group: String::new(),
            kind: "Node".to_owned(),
            namespace: None,
            name: node.to_owned(),
        };
        let found = self.get(&Resource::core("Node", "nodes", false), &key).await;
        let found = found.map_err(|failure| failure.into_error(&format!("read node {node}"), self))?;
        Ok(found.as_ref().and_then(internal_address))
    }

    /// Keeps new pods away from a node, or lets them in again.
    ///
    /// # Errors
    /// When the node does not exist or the API server refuses.
    pub async fn cordon(&self, node: &str, cordoned: bool) -> Result<(), Error> {
        let action = if cordoned { "cordon" } else { "uncordon" };
        // As `kubectl cordon` does: a field nobody declares, so no apply.
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let body = json!({"spec": {"unschedulable": cordoned}});
        let request = Request::new(Resource::core("Node", "nodes", false).path(None))
            .patch(node, &params, &Patch::Merge(&body))
            .map_err(|error| error.to_string());
        let done = self.call::<Value>(request).await;
        done.map(drop).map_err(|failure| failure.into_error(&format!("{action} node {node}"), self))
    }

    /// Waits until the API server answers and every node is ready.
    ///
    /// # Errors
    /// When that is not so within the time given; the error says what is
    /// missing.
    pub async fn wait_ready(&self, within: Duration) -> Result<Vec<NodeState>, Error> {
        let began = Instant::now();
        // One look must not take the whole time.
        let look =
            self.with_patience(Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(5) });
        loop {
            let reason = match look.nodes().await {
                Ok(nodes) if !nodes.is_empty() && nodes.iter().all(|node| node.ready) => return Ok(nodes),
                Ok(nodes) if nodes.is_empty() => "no node has registered".to_owned(),
                Ok(nodes) => {
                    let late = nodes.iter().filter(|node| !node.ready);
                    late.map(|node| format!("node {}: {}", node.name, node.reason))
                        .collect::<Vec<_>>()
                        .join("; ")
                }
                Err(error @ (Error::Unreachable { .. } | Error::Api { code: Some(500..), .. })) => {
                    error.to_string()
                }
                Err(error) => return Err(error),
            };
            if began.elapsed() + INTERVAL > within {
                return Err(Error::NotReady { waited: began.elapsed(), reason });
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// The first `InternalIP` of a node; of two the one of the cluster's first family.
fn internal_address(node: &Value) -> Option<IpAddr> {
    let addresses = node.pointer("/status/addresses").and_then(Value::as_array)?;
    let internal = addresses.iter().filter(|address| address["type"] == "InternalIP");
    internal.filter_map(|address| address["address"].as_str()?.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_address_that_the_cluster_uses() {
        let node = json!({"status": {"addresses": [
            {"type": "Hostname", "address": "gpu-01"},
            {"type": "ExternalIP", "address": "198.51.100.1"},
            {"type": "InternalIP", "address": "203.0.113.254"},
            {"type": "InternalIP", "address": "2001:db8::1"},
        ]}});
        assert_eq!(internal_address(&node), "203.0.113.254".parse().ok());
        assert_eq!(internal_address(&json!({"status": {}})), None);
    }
}
