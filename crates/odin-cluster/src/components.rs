//! How well each component of what is wanted is, without waiting for any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::{Desired, SECRETS};
use crate::health::{self, Surroundings};
use crate::observation::Observation;
use crate::{Cluster, Error};

/// One component as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ComponentHealth {
    /// Its name.
    pub name: String,
    /// Its place in the order, 0 first; declared secrets come before all.
    pub wave: usize,
    /// Objects it has.
    pub objects: usize,
    /// Those that are missing or not healthy; none when it is well.
    pub ill: Vec<Ill>,
}

/// An object that is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ill {
    /// `Kind namespace/name`.
    pub object: String,
    /// What it waits for, or why it failed.
    pub reason: String,
}

/// Looks at every component of what is wanted.
///
/// # Errors
/// When the objects cannot be listed.
pub async fn look(
    cluster: &Cluster,
    desired: &Desired,
    state_namespace: &str,
) -> Result<Vec<ComponentHealth>, Error> {
    let observation = cluster.observe(desired, state_namespace).await?;
    Ok(judge(desired, &observation))
}

/// Judges what was observed. Claims are left out, as everywhere: one that no
/// pod uses yet waits, and one that a pod uses shows in the pod.
fn judge(desired: &Desired, observation: &Observation) -> Vec<ComponentHealth> {
    let mut objects: BTreeMap<&str, (usize, Vec<Ill>)> = BTreeMap::new();
    for declared in &desired.objects {
        let (count, ill) = objects.entry(&declared.component).or_default();
        *count += 1;
        let reason = match observation.live.get(&declared.key) {
            None => "it does not exist".to_owned(),
            Some(live) if declared.key.kind != "PersistentVolumeClaim" && health::has_status(&live.value) => {
                match health::assess(&live.value, &Surroundings::default()) {
                    health::Health::Healthy => continue,
                    found => found.to_string(),
                }
            }
            Some(_) => continue,
        };
        ill.push(Ill { object: declared.key.to_string(), reason });
    }
    let secrets = objects.remove(SECRETS).map(|found| (SECRETS.to_owned(), 0, found));
    let components = desired.components.iter().map(|component| {
        let found = objects.remove(component.name.as_str()).unwrap_or_default();
        (component.name.clone(), component.wave, found)
    });
    let all = secrets.into_iter().chain(components);
    all.map(|(name, wave, (objects, ill))| ComponentHealth { name, wave, objects, ill }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::object::Declared;
    use crate::observation::Live;

    fn deployment(name: &str, ready: u64) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "monitoring", "generation": 1},
            "spec": {"replicas": 1},
            "status": {
                "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
                "readyReplicas": ready, "availableReplicas": ready,
            },
        })
    }

    #[test]
    fn an_ill_and_a_missing_object_show_in_their_component() {
        let config = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "monitoring"},
        });
        let declared = |value: &Value| Declared::new("grafana", value.clone()).expect("an object");
        let (well, waits) = (deployment("well", 1), deployment("waits", 0));
        let objects = vec![declared(&well), declared(&waits), declared(&config)];
        let mut observation = Observation::default();
        for (object, live) in objects.iter().zip([&well, &waits]) {
            observation.live.insert(object.key.clone(), Arc::new(Live::new(live.clone())));
        }
        let components = vec![crate::bundle::Component {
            name: "grafana".into(),
            namespace: "monitoring".into(),
            wave: 3,
            after: Vec::new(),
            gate: true,
            timeout: std::time::Duration::from_secs(1),
        }];
        let desired = Desired { digest: String::new(), components, objects };
        let found = judge(&desired, &observation);
        assert_eq!((found.len(), found[0].wave, found[0].objects), (1, 3, 3));
        let ill: Vec<&str> = found[0].ill.iter().map(|ill| ill.object.as_str()).collect();
        assert_eq!(ill, ["Deployment monitoring/waits", "ConfigMap monitoring/settings"]);
    }
}
