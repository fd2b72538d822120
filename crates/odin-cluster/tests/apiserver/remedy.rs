//! Servers that would all remedy nodes whose GPUs are unwell.

use std::time::Duration;

use odin_cluster::Error;
use odin_cluster::node_remedy::{Policy, Result as Came, attempt};
use serde_json::{Value, json};

use super::fixture::Corner;

fn make_unwell(corner: &Corner, name: &str) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"conditions": [{
            "type": "GPUHealthy", "status": "False", "reason": "GpuLost", "message": "GPU-0 is lost",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
        }]},
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), node.to_string()).expect("written");
    corner.kubectl(&["create", "-f", &file.path().display().to_string()]);
}

/// Nodes of the test that carry marks of ODIN's.
fn marked(corner: &Corner, names: &[String]) -> Vec<String> {
    let all: Value =
        serde_json::from_str(&corner.kubectl(&["get", "nodes", "-o", "json"])).expect("a list of nodes");
    let items = all["items"].as_array().cloned().unwrap_or_default();
    let is_marked = |node: &&Value| !node["metadata"]["annotations"]["odin.local/gpu-remedies"].is_null();
    let name = |node: &Value| node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    items.iter().filter(is_marked).map(name).filter(|name| names.contains(name)).collect()
}

#[tokio::test]
async fn two_servers_do_not_act_on_more_nodes_than_one_may() {
    let mut one = Corner::new("remedy").await;
    let mut two = Corner::new("remedy").await;
    two.settings.state_namespace.clone_from(&one.settings.state_namespace);
    two.settings.holder = "other-machine".to_owned();
    (one.settings.lease, two.settings.lease) = (Duration::from_secs(3), Duration::from_secs(3));
    // It makes the namespace of the lease.
    one.apply(&one.sources()).await;
    let names = ["a", "b"].map(|name| format!("{}-{name}", one.namespace));
    for name in &names {
        make_unwell(&one, name);
    }
    let policy = Policy { taint: true, cordon: true, maximum_nodes: 1, ..Policy::default() };

    let mut acted = 0;
    for _ in 0..20 {
        let both = tokio::join!(
            attempt(&one.cluster, &one.settings, &policy, false),
            attempt(&two.cluster, &two.settings, &policy, false)
        );
        for result in [both.0, both.1] {
            match result {
                Ok((_, attempts)) => {
                    acted += attempts.iter().filter(|attempt| attempt.result == Came::Done).count();
                }
                Err(Error::Held { holder, .. }) => {
                    assert!(["this-machine", "other-machine"].iter().any(|name| holder.starts_with(name)));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(marked(&one, &names).len() <= 1, "one at a time: {:?}", marked(&one, &names));
        if acted > 0 {
            break;
        }
    }
    assert_eq!((acted, marked(&one, &names).len()), (1, 1), "one of them acted, once");
    one.kubectl(&["delete", "node", &names[0], &names[1]]);
}
