//! What must be refused: actions, pods beyond the quota, privileged pods.

use std::collections::BTreeSet;

use odin_model::report::Row;
use serde_json::{Value, json};

use super::{Finding, absent, restricted_pod, row};
use crate::cluster::{Cluster, Failure, Resource};
use crate::object::Gvk;

/// Actions that no least-privileged account may do.
const DENIED: [(&str, &str, &str); 4] = [
    ("", "nodes", "delete"),
    ("", "secrets", "list"),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "create"),
    ("", "namespaces", "delete"),
];

/// The declared account, `namespace/name`, is denied what it has no role for.
pub async fn denied_action(cluster: &Cluster, account: Option<&str>) -> Row {
    const NAME: &str = "denied-action";
    match account {
        None => absent(NAME, "verify.denied-account"),
        Some(account) => row(NAME, try_denied(cluster, account).await),
    }
}

async fn try_denied(cluster: &Cluster, account: &str) -> Finding {
    let (namespace, name) =
        account.split_once('/').ok_or_else(|| format!("{account:?} is not namespace/name"))?;
    let accounts = Resource::core("ServiceAccount", "serviceaccounts", true);
    let key = crate::object::ObjectKey {
        group: String::new(),
        kind: "ServiceAccount".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    // An account that does not exist is denied everything and proves nothing.
    let found = cluster.get(&accounts, &key).await.map_err(|failure| failure.reason().to_owned())?;
    found.ok_or_else(|| format!("the service account {account} does not exist"))?;
    let reviews = Resource::new(
        Gvk::new("authorization.k8s.io/v1", "SubjectAccessReview"),
        "subjectaccessreviews",
        false,
    );
    for (group, resource, verb) in DENIED {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:{namespace}:{name}"),
                "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"],
                "resourceAttributes": {"group": group, "resource": resource, "verb": verb},
            },
        });
        let answer = cluster
            .create(&reviews, None, &review, false)
            .await
            .map_err(|failure| failure.reason().to_owned())?;
        match answer.pointer("/status/allowed") {
            Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => return Err(format!("{account} may {verb} {resource}")),
            _ => return Err(format!("the API server did not say whether {account} may {verb} {resource}")),
        }
    }
    let told: Vec<String> = DENIED.iter().map(|(_, resource, verb)| format!("{verb} {resource}")).collect();
    Ok(format!("{account} is denied: {}", told.join(", ")))
}

/// A pod that asks for more than the quota of a namespace is refused.
pub async fn quota_holds(cluster: &Cluster, namespace: Option<&str>) -> Row {
    const NAME: &str = "quota-holds";
    match namespace {
        None => absent(NAME, "verify.quota-namespace"),
        Some(namespace) => row(NAME, try_quota(cluster, namespace).await),
    }
}

async fn try_quota(cluster: &Cluster, namespace: &str) -> Finding {
    let quotas = Resource::core("ResourceQuota", "resourcequotas", true);
    let found =
        cluster.list(&quotas, Some(namespace)).await.map_err(|failure| failure.reason().to_owned())?;
    if found.is_empty() {
        return Err(format!("namespace {namespace} has no ResourceQuota"));
    }
    let ranges = Resource::core("LimitRange", "limitranges", true);
    let ranges =
        cluster.list(&ranges, Some(namespace)).await.map_err(|failure| failure.reason().to_owned())?;
    let pod = beyond_quota(namespace, &ranges);
    match try_pod(cluster, namespace, &pod).await {
        Err(failure) if failure.code() == Some(403) && failure.reason().contains("exceeded quota") => {
            Ok(format!("refused in {namespace}: {}", failure.reason()))
        }
        Err(failure) => {
            Err(format!("the pod was not refused by the quota of {namespace}: {}", failure.reason()))
        }
        Ok(()) => Err(format!("a pod beyond all measure would be admitted to {namespace}")),
    }
}

/// A pod that asks for more than any machine has. A LimitRange, which is asked
/// before the quota, caps what one container may ask for; many containers at
/// the cap come to more than a quota allows all the same.
fn beyond_quota(namespace: &str, ranges: &[Value]) -> Value {
    const CONTAINERS: usize = 100;
    let cap = |resource: &str| {
        let limits = ranges.iter().filter_map(|range| range.pointer("/spec/limits")?.as_array()).flatten();
        limits
            .filter(|limit| limit["type"] == "Container")
            .find_map(|limit| limit.pointer(&format!("/max/{resource}")).cloned())
    };
    let (cpu, memory) = (cap("cpu"), cap("memory"));
    let copies = if cpu.is_some() && memory.is_some() { CONTAINERS } else { 1 };
    let asked = json!({
        "cpu": cpu.unwrap_or_else(|| "1000000".into()),
        "memory": memory.unwrap_or_else(|| "1000Ti".into()),
    });
    let mut pod = restricted_pod("odin-probe-quota", namespace, "true");
    let mut container = pod["spec"]["containers"][0].clone();
    container["resources"] = json!({"requests": asked, "limits": asked});
    let containers = (0..copies).map(|number| {
        container["name"] = format!("probe-{number}").into();
        container.clone()
    });
    pod["spec"]["containers"] = containers.collect();
    pod
}

/// A privileged pod is refused in a namespace.
pub async fn pod_security(cluster: &Cluster, namespace: Option<&str>) -> Row {
    const NAME: &str = "pod-security";
    match namespace {
        None => absent(NAME, "verify.restricted-namespace"),
        Some(namespace) => row(NAME, try_pod_security(cluster, namespace).await),
    }
}

async fn try_pod_security(cluster: &Cluster, namespace: &str) -> Finding {
    let mut pod = restricted_pod("odin-probe-privileged", namespace, "true");
    pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let refusal = match try_pod(cluster, namespace, &pod).await {
        Err(failure) if failure.code() == Some(403) && failure.reason().contains("violates PodSecurity") => {
            failure
        }
        Err(failure) => {
            return Err(format!("the privileged pod was not refused by Pod Security: {}", failure.reason()));
        }
        Ok(()) => return Err(format!("a privileged pod would be admitted to {namespace}")),
    };
    Ok(format!("refused in {namespace}: {}", refusal.reason()))
}

/// Asks whether a pod would be admitted, without making it.
async fn try_pod(cluster: &Cluster, namespace: &str, pod: &Value) -> Result<(), Failure> {
    cluster.create(&Resource::core("Pod", "pods", true), Some(namespace), pod, true).await.map(drop)
}

/// Each namespace has a NetworkPolicy that denies everything by default.
pub async fn policies_admitted(cluster: &Cluster, namespaces: &[String]) -> Row {
    const NAME: &str = "network-policies";
    if namespaces.is_empty() {
        return absent(NAME, "verify.isolated-namespaces");
    }
    row(NAME, try_policies(cluster, namespaces).await)
}

async fn try_policies(cluster: &Cluster, namespaces: &[String]) -> Finding {
    let policies = Resource::new(Gvk::new("networking.k8s.io/v1", "NetworkPolicy"), "networkpolicies", true);
    let found = cluster.list(&policies, None).await.map_err(|failure| failure.reason().to_owned())?;
    for namespace in namespaces {
        let here = found
            .iter()
            .filter(|policy| policy.pointer("/metadata/namespace").is_some_and(|has| has == namespace));
        let denied: BTreeSet<&str> = here.flat_map(denies).collect();
        for direction in ["Ingress", "Egress"] {
            if !denied.contains(direction) {
                return Err(format!(
                    "namespace {namespace} does not deny {} by default",
                    direction.to_lowercase()
                ));
            }
        }
    }
    Ok(format!("admitted, default deny in {}; enforcement is not tried here", namespaces.join(", ")))
}

/// Directions that a policy closes for every pod of its namespace.
fn denies(policy: &Value) -> Vec<&str> {
    let everyone = policy.pointer("/spec/podSelector").is_some_and(|selector| {
        selector.as_object().is_some_and(|map| {
            map.values().all(|part| part.as_object().is_some_and(serde_json::Map::is_empty))
        })
    });
    let types = policy.pointer("/spec/policyTypes").and_then(Value::as_array);
    let open = |direction: &str| {
        let rules = policy.pointer(&format!("/spec/{}", direction.to_lowercase())).and_then(Value::as_array);
        rules.is_some_and(|rules| !rules.is_empty())
    };
    let closed = types.into_iter().flatten().filter_map(Value::as_str).filter(|direction| !open(direction));
    if everyone { closed.collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_policy_for_every_pod_without_rules_denies_by_default() {
        let policy = |selector: Value, types: Value, ingress: Value| json!({"spec": {"podSelector": selector, "policyTypes": types, "ingress": ingress}});
        let both = json!(["Ingress", "Egress"]);
        let table = [
            (policy(json!({}), both.clone(), Value::Null), vec!["Ingress", "Egress"]),
            (policy(json!({}), json!(["Egress"]), Value::Null), vec!["Egress"]),
            (policy(json!({"matchLabels": {"app": "a"}}), both.clone(), Value::Null), vec![]),
            (policy(json!({}), both, json!([{}])), vec!["Egress"]),
        ];
        for (policy, wanted) in table {
            assert_eq!(denies(&policy), wanted, "{policy}");
        }
    }

    fn range(max: &Value) -> Value {
        json!({"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}, {"type": "Container", "max": max}]}})
    }

    #[test]
    fn the_pod_stays_below_the_cap_of_one_container_and_beyond_any_quota() {
        let cases = [
            (vec![], 1, "1000000", "1000Ti"),
            (vec![range(&json!({"memory": "256Mi"}))], 1, "1000000", "256Mi"),
            (vec![range(&json!({"memory": "256Mi", "cpu": "2"}))], 100, "2", "256Mi"),
        ];
        for (ranges, containers, cpu, memory) in cases {
            let pod = beyond_quota("here", &ranges);
            let made = pod["spec"]["containers"].as_array().expect("containers");
            assert_eq!(made.len(), containers);
            let asked = &made[containers - 1]["resources"]["limits"];
            assert_eq!((&asked["cpu"], &asked["memory"]), (&json!(cpu), &json!(memory)));
        }
    }
}
