//! Waiting until the objects of a step are healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use odin_model::event::{Event, StepState};
use serde_json::Value;

use super::changeset::Unhealthy;
use super::diagnose;
use super::run::Run;
use crate::cluster::{Cluster, Resource};
use crate::health::{self, Health, Surroundings};
use crate::object::{Gvk, ObjectKey};
use crate::observe::key_of;
use crate::plan::Step;

/// Pause between looks: short for what comes up at once, longer later.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);
/// A failure must last this long: controllers write several conditions, and
/// one of them may still be about the past.
const LASTING: Duration = Duration::from_secs(3);
/// How often it is told what is waited for.
const TELL: Duration = Duration::from_secs(5);
/// From here on a list is cheaper than asking one by one.
const MANY: usize = 4;

/// Waits for the objects of one step.
pub(super) struct Gate<'a> {
    run: &'a Run<'a>,
}

struct Watched {
    key: ObjectKey,
    gvk: Gvk,
    live: Option<Value>,
    failed_since: Option<Instant>,
    health: Health,
}

impl<'a> Gate<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Self {
        Self { run }
    }

    /// Returns what is not healthy after the time given; an empty list when
    /// all is well. Objects that were healthy in the observation cost nothing.
    pub(super) async fn wait(&self, step: &Step, timeout: Duration) -> Vec<Unhealthy> {
        let began = Instant::now();
        let (mut pause, mut told) = (FIRST, began);
        let mut watched = self.watched(step);
        let mut surroundings = Surroundings::default();
        loop {
            if watched.iter().any(|object| object.key.kind == "PersistentVolumeClaim") {
                surroundings = surroundings_of(self.run.cluster, &watched).await.unwrap_or(surroundings);
            }
            watched.retain_mut(|object| !judge(object, &surroundings));
            if watched.is_empty() {
                return Vec::new();
            }
            let hopeless =
                |object: &Watched| object.failed_since.is_some_and(|since| since.elapsed() >= LASTING);
            if began.elapsed() >= timeout || watched.iter().any(hopeless) {
                break;
            }
            if let Some(first) = watched.first().filter(|_| told.elapsed() >= TELL) {
                told = Instant::now();
                let detail = format!("waits for {}: {}", first.key, first.health);
                let (name, state) = (step.name.clone(), StepState::Started);
                self.run.observer.event(Event::Step { name, state, detail });
            }
            tokio::time::sleep(pause.min(timeout.saturating_sub(began.elapsed()))).await;
            pause = (pause * 3 / 2).min(LONGEST);
            self.refresh(&mut watched).await;
        }
        let mut found = Vec::with_capacity(watched.len());
        for object in watched {
            let reason = match object.health {
                Health::Healthy => continue,
                Health::Progressing(reason) | Health::Failed(reason) => reason,
            };
            let evidence = match &object.live {
                Some(live) => diagnose::evidence(self.run.cluster, live).await,
                None => diagnose::Evidence::default(),
            };
            let parts: Vec<String> = std::iter::once(reason).chain(evidence.pods).collect();
            found.push(Unhealthy {
                object: object.key.to_string(),
                reason: parts.join("; "),
                events: evidence.events,
                logs: evidence.logs,
            });
        }
        found
    }

    fn watched(&self, step: &Step) -> Vec<Watched> {
        let shown = |key: &ObjectKey| self.run.shown(key);
        step.actions
            .iter()
            .filter_map(|action| {
                let live = shown(&action.object)?;
                let gvk = Gvk::of(&live)?;
                health::has_status(&live).then(|| Watched {
                    key: action.object.clone(),
                    gvk,
                    live: Some(live),
                    failed_since: None,
                    health: Health::waits("it was not looked at"),
                })
            })
            .collect()
    }

    /// Looks again; what cannot be looked at keeps what was seen last.
    async fn refresh(&self, watched: &mut [Watched]) {
        let mut groups: BTreeMap<(Gvk, Option<String>), Vec<usize>> = BTreeMap::new();
        for (index, object) in watched.iter().enumerate() {
            groups.entry((object.gvk.clone(), object.key.namespace.clone())).or_default().push(index);
        }
        for ((gvk, namespace), members) in groups {
            let Ok(Some(resource)) = self.run.cluster.resource(&gvk).await else { continue };
            if members.len() >= MANY {
                let Ok(items) = self.run.cluster.list(&resource, namespace.as_deref()).await else {
                    continue;
                };
                let mut items: BTreeMap<ObjectKey, Value> =
                    items.into_iter().filter_map(|item| Some((key_of(&item)?, item))).collect();
                for index in members {
                    watched[index].live = items.remove(&watched[index].key);
                }
            } else {
                for index in members {
                    if let Ok(found) = self.run.cluster.get(&resource, &watched[index].key).await {
                        watched[index].live = found;
                    }
                }
            }
        }
    }
}

/// Updates the health of an object and tells whether it is healthy.
fn judge(object: &mut Watched, surroundings: &Surroundings) -> bool {
    object.health = match &object.live {
        Some(live) => health::assess(live, surroundings),
        None => Health::waits("it is gone"),
    };
    object.failed_since = match object.health {
        Health::Failed(_) => object.failed_since.or_else(|| Some(Instant::now())),
        _ => None,
    };
    object.health.is_healthy()
}

/// Which storage classes bind late, and which claims are in use.
async fn surroundings_of(cluster: &Cluster, watched: &[Watched]) -> Option<Surroundings> {
    let mut surroundings = Surroundings::default();
    let classes = Resource::new(Gvk::new("storage.k8s.io/v1", "StorageClass"), "storageclasses", false);
    for class in cluster.list(&classes, None).await.ok()? {
        if class["volumeBindingMode"] == "WaitForFirstConsumer"
            && let Some(name) = class.pointer("/metadata/name").and_then(Value::as_str)
        {
            surroundings.late_binding.insert(name.to_owned());
        }
    }
    let claims = watched.iter().filter(|object| object.key.kind == "PersistentVolumeClaim");
    let namespaces: BTreeSet<&str> = claims.filter_map(|object| object.key.namespace.as_deref()).collect();
    for namespace in namespaces {
        for pod in cluster.list(&Resource::core("Pod", "pods", true), Some(namespace)).await.ok()? {
            let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
            for volume in volumes.into_iter().flatten() {
                if let Some(claim) =
                    volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str)
                {
                    surroundings.used_claims.insert(format!("{namespace}/{claim}"));
                }
            }
        }
    }
    Some(surroundings)
}
