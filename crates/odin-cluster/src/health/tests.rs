#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

#[derive(Debug, PartialEq)]
enum Wanted {
    Healthy,
    Waits(&'static str),
    Fails(&'static str),
}
use Wanted::{Fails, Healthy, Waits};

fn object(api_version: &str, kind: &str, generation: i64, spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "spec": spec, "status": status,
        "metadata": {"name": "x", "namespace": "n", "generation": generation},
    })
}

fn check(table: Vec<(&str, Value, Wanted)>) {
    let surroundings = Surroundings {
        late_binding: ["local-path".to_owned()].into(),
        used_claims: ["n/used".to_owned()].into(),
    };
    for (name, value, wanted) in table {
        let found = assess(&value, &surroundings);
        let fits = match (&found, &wanted) {
            (Health::Healthy, Healthy) => true,
            (Health::Progressing(reason), Waits(part)) | (Health::Failed(reason), Fails(part)) => {
                reason.contains(part)
            }
            _ => false,
        };
        assert!(fits, "{name}: {found:?}, wanted {wanted:?}");
    }
}

#[test]
fn deployments() {
    let with = |generation: i64, status: Value| {
        object("apps/v1", "Deployment", generation, json!({"replicas": 2}), status)
    };
    let good = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    let status = |change: Value| {
        let mut status = good.clone();
        for (key, value) in change.as_object().unwrap() {
            status[key] = value.clone();
        }
        status
    };
    let exceeded = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
    let failure = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]);
    check(vec![
        ("new", with(1, json!({})), Waits("has not seen")),
        ("there", with(2, good.clone()), Healthy),
        ("not seen yet", with(3, good.clone()), Waits("has not seen")),
        (
            "rolling",
            with(2, status(json!({"updatedReplicas": 1}))),
            Waits("1 of 2 replicas are of the present revision"),
        ),
        ("old ones left", with(2, status(json!({"replicas": 3}))), Waits("1 old replicas")),
        (
            "not available",
            with(2, status(json!({"availableReplicas": 1}))),
            Waits("1 of 2 replicas are available"),
        ),
        (
            "refused pods",
            with(2, status(json!({"conditions": failure, "availableReplicas": 0}))),
            Waits("exceeded quota"),
        ),
        ("stuck", with(2, status(json!({"conditions": exceeded.clone()}))), Fails("timed out")),
        ("stuck before, mended now", with(3, status(json!({"conditions": exceeded}))), Waits("has not seen")),
        (
            "none wanted",
            object("apps/v1", "Deployment", 1, json!({"replicas": 0}), json!({"observedGeneration": 1})),
            Healthy,
        ),
    ]);
}

#[test]
fn other_workloads() {
    let set = |status: Value| object("apps/v1", "StatefulSet", 1, json!({"replicas": 2}), status);
    let daemon = |status: Value| object("apps/v1", "DaemonSet", 1, json!({}), status);
    let job = |spec: Value, status: Value| object("batch/v1", "Job", 1, spec, status);
    let condition = |name: &str, reason: &str| json!({"conditions": [{"type": name, "status": "True", "reason": reason}]});
    check(vec![
        ("set", set(json!({"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2})), Healthy),
        (
            "set rolling",
            set(
                json!({"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"}),
            ),
            Waits("1 of 2 replicas are of the present"),
        ),
        (
            "set rolled",
            set(
                json!({"observedGeneration": 1, "readyReplicas": 2, "updateRevision": "a", "currentRevision": "a"}),
            ),
            Healthy,
        ),
        (
            "set starting",
            set(json!({"observedGeneration": 1, "readyReplicas": 1})),
            Waits("1 of 2 replicas are ready"),
        ),
        ("set unseen", set(json!({})), Waits("has not seen")),
        (
            "daemons",
            daemon(
                json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}),
            ),
            Healthy,
        ),
        (
            "daemons late",
            daemon(
                json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}),
            ),
            Waits("2 of 3 pods are available"),
        ),
        (
            "daemons without nodes",
            daemon(json!({"observedGeneration": 1, "desiredNumberScheduled": 0})),
            Healthy,
        ),
        (
            "replica set",
            object("apps/v1", "ReplicaSet", 1, json!({"replicas": 1}), json!({"observedGeneration": 1})),
            Waits("0 of 1"),
        ),
        ("job done", job(json!({}), condition("Complete", "")), Healthy),
        (
            "job failed",
            job(json!({}), condition("Failed", "BackoffLimitExceeded")),
            Fails("BackoffLimitExceeded"),
        ),
        ("job runs", job(json!({}), json!({"active": 1})), Waits("1 active")),
        ("job suspended", job(json!({"suspend": true}), json!({})), Healthy),
        ("cron job", object("batch/v1", "CronJob", 1, json!({}), json!({})), Healthy),
    ]);
}

#[test]
fn pods() {
    let pod = |status: Value| object("v1", "Pod", 1, json!({}), status);
    let waiting = |reason: &str| json!({"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": reason, "message": "why"}}}]});
    check(vec![
        (
            "ready",
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
            Healthy,
        ),
        (
            "running, not ready",
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]})),
            Waits("not ready"),
        ),
        ("done", pod(json!({"phase": "Succeeded"})), Healthy),
        ("image", pod(waiting("ImagePullBackOff")), Waits("container main: ImagePullBackOff: why")),
        ("creating", pod(waiting("ContainerCreating")), Waits("not ready")),
        (
            "unschedulable",
            pod(
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}),
            ),
            Waits("Unschedulable: 0/1 nodes"),
        ),
        (
            "failed",
            pod(
                json!({"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]}),
            ),
            Fails("exit code 3"),
        ),
        (
            "evicted",
            pod(json!({"phase": "Failed", "reason": "Evicted", "message": "disk"})),
            Fails("Evicted: disk"),
        ),
    ]);
}

#[test]
fn volumes() {
    let claim = |name: &str, class: &str, phase: &str| {
        let mut value = object(
            "v1",
            "PersistentVolumeClaim",
            1,
            json!({"storageClassName": class, "volumeName": "pv"}),
            json!({"phase": phase}),
        );
        value["metadata"]["name"] = name.into();
        value
    };
    let volume = |phase: &str| {
        object("v1", "PersistentVolume", 1, json!({}), json!({"phase": phase, "message": "no space"}))
    };
    check(vec![
        ("bound", claim("a", "fast", "Bound"), Healthy),
        ("pending", claim("a", "fast", "Pending"), Waits("storage class fast")),
        ("waits for a pod", claim("a", "local-path", "Pending"), Healthy),
        ("a pod waits", claim("used", "local-path", "Pending"), Waits("a pod uses it")),
        ("no class", claim("a", "", "Pending"), Waits("no storage class")),
        ("lost", claim("a", "fast", "Lost"), Fails("pv is gone")),
        ("available", volume("Available"), Healthy),
        ("bound volume", volume("Bound"), Healthy),
        ("released", volume("Released"), Waits("Released")),
        ("failed", volume("Failed"), Fails("no space")),
    ]);
}

#[test]
fn the_api_itself() {
    let condition = |name: &str, status: &str| json!({"conditions": [{"type": name, "status": status, "reason": "Why", "message": "so"}]});
    let service = |kind: &str, status: Value| object("v1", "Service", 1, json!({"type": kind}), status);
    let definition =
        |status: Value| object("apiextensions.k8s.io/v1", "CustomResourceDefinition", 1, json!({}), status);
    let api = |status: Value| object("apiregistration.k8s.io/v1", "APIService", 1, json!({}), status);
    let budget = |observed: i64| {
        object("policy/v1", "PodDisruptionBudget", 2, json!({}), json!({"observedGeneration": observed}))
    };
    check(vec![
        ("service", service("ClusterIP", json!({})), Healthy),
        ("balancer", service("LoadBalancer", json!({"loadBalancer": {}})), Waits("no address")),
        (
            "balanced",
            service("LoadBalancer", json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})),
            Healthy,
        ),
        ("established", definition(condition("Established", "True")), Healthy),
        ("being established", definition(json!({})), Waits("no condition Established")),
        ("name taken", definition(condition("NamesAccepted", "False")), Fails("Why: so")),
        ("api up", api(condition("Available", "True")), Healthy),
        ("api down", api(condition("Available", "False")), Waits("Why: so")),
        ("namespace", object("v1", "Namespace", 1, json!({}), json!({"phase": "Active"})), Healthy),
        (
            "namespace going",
            object("v1", "Namespace", 1, json!({}), json!({"phase": "Terminating"})),
            Waits("Terminating"),
        ),
        ("budget", budget(2), Healthy),
        ("budget unseen", budget(1), Waits("has not seen")),
        ("ingress", object("networking.k8s.io/v1", "Ingress", 1, json!({}), json!({})), Healthy),
        ("unknown", object("v1", "ConfigMap", 1, json!({}), json!({})), Healthy),
    ]);
    let mut going = object("v1", "ConfigMap", 1, json!({}), json!({}));
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    check(vec![("going", going, Waits("being deleted"))]);
}

#[test]
fn custom_resources_by_rule() {
    let widget = |rule: &str, status: Value| {
        let mut value = object("test.odin/v1", "Widget", 2, json!({}), status);
        value["metadata"]["annotations"] = json!({"odin.local/health": rule});
        value
    };
    let condition = |status: &str, observed: Option<i64>| {
        let mut condition = json!({"type": "Ready", "status": status, "reason": "Starting"});
        if let Some(observed) = observed {
            condition["observedGeneration"] = observed.into();
        }
        json!({"conditions": [condition]})
    };
    check(vec![
        ("ready", widget("Ready=True", condition("True", None)), Healthy),
        ("ready, this generation", widget("Ready=True", condition("True", Some(2))), Healthy),
        ("ready before", widget("Ready=True", condition("True", Some(1))), Waits("earlier specification")),
        ("not ready", widget("Ready=True", condition("False", None)), Waits("Starting")),
        ("no status", widget("Ready=True", json!({})), Waits("no condition Ready")),
        ("inverse", widget("Ready=False", condition("False", None)), Healthy),
        ("none", widget("none", json!({})), Healthy),
        ("nonsense", widget("Ready", json!({})), Fails("is no rule")),
        (
            "status about the past",
            widget(
                "Ready=True",
                json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}),
            ),
            Waits("present specification"),
        ),
    ]);
}

#[test]
fn rules_are_read_strictly() {
    assert_eq!(Rule::parse("none"), Some(Rule::None));
    assert_eq!(
        Rule::parse("Ready = True"),
        Some(Rule::Condition { condition: "Ready".to_owned(), status: "True".to_owned() })
    );
    for wrong in ["", "Ready", "=True", "Ready="] {
        assert_eq!(Rule::parse(wrong), None, "{wrong}");
    }
}
