//! The life of one resource's registration, over and over.
//!
//! Listen, register, and watch for what ends it: the kubelet's socket is
//! another (it restarted), our own is gone (a starting kubelet removes all),
//! nobody listens any more, or our server ended. Each leads back to the
//! beginning; none is an error for good.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Server;

use super::kubelet::{self, Identity};
use super::service::{DevicePlugin, Listeners};
use super::{Settings, Standing, Standings, api};
use crate::gpu::Offer;

/// Longest a server may take to close its connections.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Endpoint {
    resource: String,
    settings: Settings,
    offers: watch::Receiver<Arc<Offer>>,
    standings: watch::Sender<Standings>,
}

/// A socket of ours with its server; gone when dropped.
struct Serving {
    path: PathBuf,
    identity: Identity,
    listeners: Listeners,
    ended: watch::Sender<bool>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Endpoint {
    pub(super) fn new(
        resource: String,
        settings: Settings,
        offers: watch::Receiver<Arc<Offer>>,
        standings: watch::Sender<Standings>,
    ) -> Self {
        Self { resource, settings, offers, standings }
    }

    /// Runs until the machine no longer has the resource; gives back its name.
    pub(super) async fn run(self) -> String {
        let mut pause = self.settings.pace.look;
        while self.is_offered() {
            let kubelet = self.kubelet_socket();
            let Some(seen) = Identity::of(&kubelet) else {
                self.stand(Standing::Waiting(format!("the kubelet is not there: no {}", kubelet.display())));
                tokio::time::sleep(self.settings.pace.look).await;
                continue;
            };
            match self.begin().await {
                Ok(serving) => {
                    pause = self.settings.pace.look;
                    self.stand(Standing::Registered);
                    tracing::info!(resource = self.resource, "registered with the kubelet");
                    let reason = self.watch(&serving, seen).await;
                    tracing::info!(resource = self.resource, reason, "the registration ended");
                    self.stand(Standing::Waiting(reason.to_owned()));
                    serving.end().await;
                }
                Err(reason) => {
                    tracing::warn!(resource = self.resource, reason, "not registered; trying again");
                    self.stand(Standing::Waiting(reason));
                    self.pause(pause, seen).await;
                    pause = (pause * 2).min(self.settings.pace.longest_pause);
                }
            }
        }
        self.standings.send_if_modified(|standings| standings.remove(&self.resource).is_some());
        self.resource
    }

    async fn begin(&self) -> Result<Serving, String> {
        let name = format!("odin-{}.sock", self.resource.replace('/', "_"));
        let serving = self.listen(&name)?;
        let request = api::RegisterRequest {
            version: api::VERSION.to_owned(),
            endpoint: name,
            resource_name: self.resource.clone(),
            options: Some(api::DevicePluginOptions {
                pre_start_required: false,
                get_preferred_allocation_available: true,
            }),
        };
        match kubelet::register(&self.kubelet_socket(), request).await {
            Ok(()) => Ok(serving),
            Err(status) => {
                serving.end().await;
                Err(format!("the kubelet did not take {}: {}", self.resource, status.message()))
            }
        }
    }

    fn listen(&self, name: &str) -> Result<Serving, String> {
        let path = self.settings.directory.join(name);
        let failed = |action: &str, error: io::Error| format!("cannot {action} {}: {error}", path.display());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(|error| failed("listen on", error))?;
        let identity = Identity::of(&path).ok_or_else(|| failed("find", io::ErrorKind::NotFound.into()))?;
        let listeners = Listeners::default();
        let (ended, end) = watch::channel(false);
        let plugin =
            DevicePlugin::new(self.resource.clone(), self.offers.clone(), listeners.clone(), end.clone());
        let incoming = futures::stream::unfold(listener, |listener| async move {
            let connection = listener.accept().await.map(|(stream, _)| stream);
            Some((connection, listener))
        });
        let mut end = end;
        let server = tokio::spawn(async move {
            let end = async move { drop(end.wait_for(|ended| *ended).await) };
            Server::builder().serve_with_incoming_shutdown(plugin, incoming, end).await
        });
        Ok(Serving { path, identity, listeners, ended, server })
    }

    /// Returns when the registration has ended, with the reason.
    async fn watch(&self, serving: &Serving, kubelet: Identity) -> &'static str {
        let mut heard = Instant::now();
        loop {
            tokio::time::sleep(self.settings.pace.look).await;
            if serving.listeners.count() > 0 {
                heard = Instant::now();
            }
            if !self.is_offered() {
                return "the machine no longer has it";
            }
            if serving.server.is_finished() {
                return "the server of the plugin's socket ended";
            }
            if Identity::of(&serving.path) != Some(serving.identity) {
                return "the plugin's socket was removed";
            }
            match Identity::of(&self.kubelet_socket()) {
                None => return "the kubelet's socket is gone",
                Some(present) if present != kubelet => return "the kubelet's socket is another",
                Some(_) => {}
            }
            if heard.elapsed() > self.settings.pace.unheard {
                return "the kubelet does not listen";
            }
        }
    }

    /// Waits, but no longer than until the kubelet's socket is another.
    async fn pause(&self, pause: Duration, kubelet: Identity) {
        let until = Instant::now() + pause;
        while Instant::now() < until && Identity::of(&self.kubelet_socket()) == Some(kubelet) {
            tokio::time::sleep(self.settings.pace.look.min(pause)).await;
        }
    }

    fn is_offered(&self) -> bool {
        self.offers.borrow().resource(&self.resource).is_some()
    }

    fn kubelet_socket(&self) -> PathBuf {
        self.settings.directory.join(api::KUBELET_SOCKET)
    }

    fn stand(&self, standing: Standing) {
        self.standings.send_if_modified(|standings| {
            standings.insert(self.resource.clone(), standing.clone()) != Some(standing)
        });
    }
}

impl Serving {
    /// Ends every list and waits for the server to close its connections.
    async fn end(mut self) {
        self.ended.send_replace(true);
        match tokio::time::timeout(FAREWELL, &mut self.server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, socket = %self.path.display(), "a server ended"),
            Ok(Err(error)) => tracing::error!(%error, socket = %self.path.display(), "a server failed"),
            Err(_) => tracing::debug!(socket = %self.path.display(), "a connection stayed open"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.server.abort();
        // Only ours: by now another may lie at the path.
        if Identity::of(&self.path) == Some(self.identity) {
            drop(fs::remove_file(&self.path));
        }
    }
}
