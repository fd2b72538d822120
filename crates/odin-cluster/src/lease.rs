//! One `odin` applies at a time, and one looks after nodes.
//!
//! The lease is renewed while it is held. A holder that could not renew in
//! time stops before its next write and goes on only after a renewal that
//! shows that nobody took over meanwhile; a lease is taken over only after it
//! was seen unchanged for its whole duration.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::cluster::{Cluster, Mode, Patience, Resource};
use crate::object::{Gvk, ObjectKey};
use crate::settings::Settings;

/// Name of the lease for applying.
pub(crate) const NAME: &str = "odin-apply";

/// How often a foreign lease is looked at while it is waited for.
const INTERVAL: Duration = Duration::from_millis(500);

/// A lease that is held; released by [`Lease::release`], lost by drop.
#[derive(Debug)]
pub struct Lease {
    seat: Seat,
    state: watch::Receiver<State>,
    renewal: JoinHandle<()>,
    patience: Duration,
}

#[derive(Clone, Debug)]
enum State {
    Held { until: Instant },
    Lost(String),
}

/// What is needed to write the lease.
#[derive(Clone, Debug)]
struct Seat {
    cluster: Cluster,
    resource: Resource,
    key: ObjectKey,
    identity: String,
    duration: Duration,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Lease {
    /// Takes the lease of that name, waiting out a holder that does not renew.
    ///
    /// # Errors
    /// When another holder renews it, or the API server refuses.
    pub async fn acquire(cluster: &Cluster, name: &str, settings: &Settings) -> Result<Self, Error> {
        let instance = RandomState::new().build_hasher().finish();
        let seat = Seat {
            cluster: cluster.clone(),
            resource: Resource::new(Gvk::new("coordination.k8s.io/v1", "Lease"), "leases", true),
            key: ObjectKey {
                group: "coordination.k8s.io".to_owned(),
                kind: "Lease".to_owned(),
                namespace: Some(settings.state_namespace.clone()),
                name: name.to_owned(),
            },
            identity: format!("{}/{instance:016x}", settings.holder),
            duration: settings.lease,
        };
        let stored = seat.take(settings).await?;
        let (sender, state) = watch::channel(State::Held { until: Instant::now() + seat.duration });
        let renewal = tokio::spawn(seat.clone().renew(stored, sender));
        Ok(Self { seat, state, renewal, patience: Patience::default().total })
    }

    /// Returns when the lease is held at this moment; waits for a renewal that
    /// is late.
    ///
    /// # Errors
    /// When it was lost.
    pub async fn ensure(&self) -> Result<(), Error> {
        let mut state = self.state.clone();
        let deadline = Instant::now() + self.patience;
        loop {
            let lost = match &*state.borrow_and_update() {
                State::Held { until } if Instant::now() < *until => return Ok(()),
                State::Held { .. } => None,
                State::Lost(reason) => Some(reason.clone()),
            };
            if let Some(reason) = lost {
                return Err(self.lost(reason));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(tokio::time::timeout(left, state.changed()).await, Ok(Ok(()))) {
                return Err(self.lost("it could not be renewed in time".to_owned()));
            }
        }
    }

    /// Gives the lease back, so that the next one need not wait.
    pub async fn release(self) {
        self.renewal.abort();
        // Failing to give it back costs the next holder a wait, nothing else.
        if let Err(error) = self.seat.give_back().await {
            tracing::warn!(%error, "the lease was not released; it will run out");
        }
    }

    fn lost(&self, reason: String) -> Error {
        Error::LeaseLost { lease: self.seat.place(), reason }
    }
}

impl Seat {
    fn place(&self) -> String {
        format!("{}/{}", self.key.namespace.as_deref().unwrap_or_default(), self.key.name)
    }

    fn body(&self, previous: Option<&Value>) -> Value {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let ours = previous.is_some_and(|lease| {
            lease.pointer("/spec/holderIdentity").is_some_and(|holder| *holder == self.identity)
        });
        let spec = |name: &str| previous.and_then(|lease| lease.pointer(&format!("/spec/{name}"))).cloned();
        let transitions =
            spec("leaseTransitions").and_then(|count| count.as_i64()).unwrap_or(0) + i64::from(!ours);
        let acquired = spec("acquireTime").filter(|_| ours).unwrap_or_else(|| now.clone().into());
        let version = previous.and_then(|lease| lease.pointer("/metadata/resourceVersion")).cloned();
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.key.name, "namespace": self.key.namespace, "resourceVersion": version},
            "spec": {
                "holderIdentity": self.identity, "leaseDurationSeconds": self.duration.as_secs().max(1),
                "acquireTime": acquired, "renewTime": now, "leaseTransitions": transitions,
            },
        })
    }

    async fn take(&self, settings: &Settings) -> Result<Value, Error> {
        let action = format!("take the lease {}", self.place());
        let fail = |failure: crate::cluster::Failure| failure.into_error(&action, &self.cluster);
        let mut seen: Option<(Value, Instant)> = None;
        loop {
            let present = self.cluster.get(&self.resource, &self.key).await.map_err(fail)?;
            let taken = match &present {
                None => {
                    let namespace = self.key.namespace.as_deref();
                    match self.cluster.create(&self.resource, namespace, &self.body(None), false).await {
                        Err(failure) if failure.code() == Some(404) => {
                            self.make_namespace(&settings.state_namespace).await?;
                            continue;
                        }
                        other => other,
                    }
                }
                Some(lease) if self.may_take(lease, settings, &mut seen)? => {
                    self.cluster.replace(&self.resource, &self.key, &self.body(Some(lease))).await
                }
                Some(_) => {
                    tokio::time::sleep(INTERVAL).await;
                    continue;
                }
            };
            match taken {
                Ok(stored) => return Ok(stored),
                // Someone was faster: look again.
                Err(failure) if failure.code() == Some(409) => tokio::time::sleep(INTERVAL).await,
                Err(failure) => return Err(fail(failure)),
            }
        }
    }

    /// Whether the holder is gone, or this machine itself.
    fn may_take(
        &self,
        lease: &Value,
        settings: &Settings,
        seen: &mut Option<(Value, Instant)>,
    ) -> Result<bool, Error> {
        let text =
            |name: &str| lease.pointer(&format!("/spec/{name}")).and_then(Value::as_str).unwrap_or_default();
        let holder = text("holderIdentity");
        if holder.is_empty() || holder.split('/').next() == Some(settings.holder.as_str()) {
            return Ok(true);
        }
        let spec = lease.get("spec").cloned().unwrap_or_default();
        let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(15);
        match seen {
            Some((before, since)) if *before == spec => Ok(since.elapsed() > Duration::from_secs(seconds)),
            // It was renewed before our eyes: its holder lives.
            Some(_) => Err(Error::Held { holder: holder.to_owned(), lease: self.place() }),
            None => {
                *seen = Some((spec, Instant::now()));
                Ok(false)
            }
        }
    }

    async fn make_namespace(&self, name: &str) -> Result<(), Error> {
        let key = ObjectKey {
            group: String::new(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {
                "app.kubernetes.io/part-of": "odin",
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        });
        let made = self
            .cluster
            .patch(&Resource::core("Namespace", "namespaces", false), &key, &body, Mode::Careful)
            .await;
        made.map(drop)
            .map_err(|failure| failure.into_error(&format!("create the namespace {name}"), &self.cluster))
    }

    async fn renew(self, mut stored: Value, state: watch::Sender<State>) {
        let beat = self.duration / 3;
        let cluster = self.cluster.with_patience(Patience { attempt: beat, total: beat });
        loop {
            tokio::time::sleep(beat).await;
            let asked = Instant::now();
            match cluster.replace(&self.resource, &self.key, &self.body(Some(&stored))).await {
                Ok(fresh) => stored = fresh,
                Err(failure) if failure.code() == Some(409) => {
                    match cluster.get(&self.resource, &self.key).await {
                        // Our own renewal arrived although its answer did not.
                        Ok(Some(lease))
                            if lease
                                .pointer("/spec/holderIdentity")
                                .is_some_and(|holder| *holder == self.identity) =>
                        {
                            stored = lease;
                        }
                        Ok(Some(lease)) => {
                            let holder = lease
                                .pointer("/spec/holderIdentity")
                                .and_then(Value::as_str)
                                .unwrap_or("nobody");
                            state.send_replace(State::Lost(format!("{holder} took it over")));
                            return;
                        }
                        Ok(None) => {
                            state.send_replace(State::Lost("it was deleted".to_owned()));
                            return;
                        }
                        Err(_) => continue,
                    }
                }
                Err(failure) if failure.code() == Some(404) => {
                    state.send_replace(State::Lost("it was deleted".to_owned()));
                    return;
                }
                Err(failure) => {
                    tracing::warn!(reason = failure.reason(), "the lease was not renewed");
                    continue;
                }
            }
            // It counts from the moment it was asked for, not answered.
            state.send_replace(State::Held { until: asked + self.duration });
        }
    }

    async fn give_back(&self) -> Result<(), Error> {
        let patience = Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(5) };
        let cluster = self.cluster.with_patience(patience);
        let fail = |failure: crate::cluster::Failure| failure.into_error("release the lease", &self.cluster);
        let Some(mut lease) = cluster.get(&self.resource, &self.key).await.map_err(fail)? else {
            return Ok(());
        };
        if lease.pointer("/spec/holderIdentity").is_none_or(|holder| *holder != self.identity) {
            return Ok(());
        }
        if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("holderIdentity".to_owned(), "".into());
        }
        cluster.replace(&self.resource, &self.key, &lease).await.map(drop).map_err(fail)
    }
}
