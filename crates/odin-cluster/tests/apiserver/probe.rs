//! The probes of `odin verify` that need no node.

use odin_cluster::probe;
use odin_model::config::Verify;
use odin_model::report::Verdict;
use serde_json::json;

use super::fixture::Corner;

#[tokio::test]
async fn probes_pass_on_what_is_declared_well_and_fail_on_what_is_not() {
    let corner = Corner::new("probe").await;
    let mut sources = corner.sources();
    let namespace = corner.namespace.clone();
    sources.edit("Namespace", &namespace, |value| {
        value["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    });
    sources.object(
        "base",
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}),
    );
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": {"hard": {"requests.cpu": "1", "limits.cpu": "2"}}});
    sources.object("base", quota);
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "default-deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    });
    sources.object("base", policy);
    corner.apply(&sources).await;
    // The quota controller counts first.
    super::fixture::eventually("the quota is counted", || {
        corner.get("resourcequota", "quota").pointer("/status/hard/requests.cpu").is_some()
    })
    .await;

    let verify = Verify {
        quota_namespace: Some(namespace.clone()),
        restricted_namespace: Some(namespace.clone()),
        denied_account: Some(format!("{namespace}/reader")),
        isolated_namespaces: vec![namespace.clone()],
        probe_namespace: None,
    };
    let desired = corner.desired(&sources);
    let rows = probe::all(&corner.cluster, &desired, &corner.settings, &verify).await;
    let verdict =
        |name: &str| rows.iter().find(|row| row.name == name).map(|row| (row.verdict, row.reason.clone()));
    for name in ["denied-action", "quota-holds", "network-policies", "pod-security", "bundle-in-force"] {
        assert_eq!(verdict(name).map(|found| found.0), Some(Verdict::Passed), "{name}: {:?}", verdict(name));
    }
    // No node, and no probe namespace declared.
    assert_eq!(verdict("node-ready").map(|found| found.0), Some(Verdict::Failed));
    assert_eq!(verdict("storage-class-binds").map(|found| found.0), Some(Verdict::Absent));

    // Each of them can fail.
    let cluster = &corner.cluster;
    let failed = |row: odin_model::report::Row| assert_eq!(row.verdict, Verdict::Failed, "{row:?}");
    failed(probe::quota_holds(cluster, Some("default")).await);
    failed(probe::pod_security(cluster, Some("default")).await);
    failed(probe::policies_admitted(cluster, &["default".to_owned()]).await);
    failed(probe::denied_action(cluster, Some("kube-system/namespace-controller")).await);
    failed(probe::denied_action(cluster, Some("default/nobody")).await);
    corner.kubectl(&[
        "patch",
        "networkpolicy",
        "default-deny",
        "--type=merge",
        "-p",
        r#"{"spec":{"policyTypes":["Ingress"]}}"#,
    ]);
    failed(probe::bundle_in_force(cluster, &desired, &corner.settings).await);
}
