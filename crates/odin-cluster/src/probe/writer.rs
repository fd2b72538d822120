//! A pod that writes one line to its log, for whoever wants to find it again.

use std::time::{Duration, Instant};

use kube::api::ListParams;
use serde_json::Value;

use super::restricted_pod;
use crate::cluster::{Cluster, Patience, Resource};
use crate::health::{Surroundings, assess};
use crate::object::ObjectKey;

const PREFIX: &str = "odin-probe-logs-";
const LABEL: &str = "odin.local/probe";
const TIMEOUT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(200);
/// Cleaning up must not hold a report up for long.
const CLEANING: Patience = Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(10) };

/// The pod. Whoever starts it removes it, also when the line is not found.
#[derive(Debug)]
pub struct Writer<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    name: String,
}

impl<'a> Writer<'a> {
    /// The pod of a token, which is part of its name; it is not started yet.
    #[must_use]
    pub fn new(cluster: &'a Cluster, namespace: &'a str, token: &str) -> Self {
        Self { cluster, namespace, name: format!("{PREFIX}{token}") }
    }

    /// Name of the pod.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the pod and waits until it has written its line.
    ///
    /// # Errors
    /// In words, when it is refused, fails or does not run in time.
    pub async fn write(&self, line: &str) -> Result<(), String> {
        let pods = Resource::core("Pod", "pods", true);
        let said = |failure: crate::cluster::Failure| failure.reason().to_owned();
        let mut pod = restricted_pod(&self.name, self.namespace, &format!("echo '{line}'"));
        pod["metadata"]["labels"][LABEL] = "logs".into();
        self.cluster.create(&pods, Some(self.namespace), &pod, false).await.map_err(said)?;
        let began = Instant::now();
        loop {
            let live = self.cluster.get(&pods, &self.key()).await.map_err(said)?;
            let live = live.ok_or("someone deleted the pod that writes the line")?;
            let state = || assess(&live, &Surroundings::default());
            match live.pointer("/status/phase").and_then(Value::as_str) {
                Some("Succeeded") => return Ok(()),
                Some("Failed") => return Err(format!("the pod could not write its line: {}", state())),
                _ if began.elapsed() > TIMEOUT => {
                    let limit = TIMEOUT.as_secs();
                    return Err(format!("the pod did not write its line within {limit} s: {}", state()));
                }
                _ => tokio::time::sleep(INTERVAL).await,
            }
        }
    }

    /// Removes the pod, and those that interrupted runs left.
    ///
    /// # Errors
    /// In words, when the API server refuses.
    pub async fn remove(&self) -> Result<(), String> {
        let said = |failure: crate::cluster::Failure| {
            format!("cannot remove the pod that wrote the line: {}", failure.reason())
        };
        let cluster = self.cluster.with_patience(CLEANING);
        let pods = Resource::core("Pod", "pods", true);
        let ours = ListParams::default().labels(&format!("{LABEL}=logs"));
        for pod in cluster.list_by(&pods, Some(self.namespace), &ours).await.map_err(said)? {
            if let Some(name) = pod.pointer("/metadata/name").and_then(Value::as_str) {
                let key = ObjectKey { name: name.to_owned(), ..self.key() };
                cluster.delete(&pods, &key, None).await.map_err(said)?;
            }
        }
        Ok(())
    }

    fn key(&self) -> ObjectKey {
        ObjectKey {
            group: String::new(),
            kind: "Pod".to_owned(),
            namespace: Some(self.namespace.to_owned()),
            name: self.name.clone(),
        }
    }
}
