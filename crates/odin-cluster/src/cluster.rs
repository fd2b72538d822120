//! The connection to a cluster.
//!
//! Every request goes through [`Cluster::call`]: it is counted, has a time
//! limit and is repeated while the server is away or busy. An error that is
//! left after that is an error; it never looks like an empty answer.

mod amend;
mod config_maps;
mod count;
mod discovery;
mod failure;
mod nodes;
mod overrule;
mod restart;
mod retry;
mod service;
mod text;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, ValidationDirective,
};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::RwLock;

pub use config_maps::ConfigFile;
pub use discovery::Resource;
pub use failure::{Failure, FieldConflict};
pub use nodes::NodeState;
pub(crate) use retry::Backoff;
pub use service::Service;

use crate::Error;
use crate::fields::FIELD_MANAGER;
use crate::object::{Gvk, ObjectKey};
use discovery::Served;

/// How long requests may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One attempt of one request.
    pub attempt: Duration,
    /// All attempts of one request.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // An API server restart takes seconds, a partition up to a minute.
        Self { attempt: Duration::from_secs(20), total: Duration::from_secs(90) }
    }
}

/// A connection to a cluster, cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    server: String,
    calls: Arc<AtomicU64>,
    patience: Patience,
    served: Arc<RwLock<Option<Arc<Served>>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cluster({})", self.server)
    }
}

impl Cluster {
    /// Reads a kubeconfig and asks the API server for its version.
    ///
    /// # Errors
    /// When the file cannot be used, the server does not answer within the
    /// patience, or does not accept the credentials.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, Error> {
        Self::connect_with(kubeconfig, Patience::default()).await
    }

    /// [`Cluster::connect`] with other time limits.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub async fn connect_with(kubeconfig: &Path, patience: Patience) -> Result<Self, Error> {
        let cluster = Self::prepare(kubeconfig, patience).await?;
        cluster.version().await?;
        Ok(cluster)
    }

    /// Reads a kubeconfig without speaking to the server yet.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn prepare(kubeconfig: &Path, patience: Patience) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Kubeconfig { path: kubeconfig.to_owned(), reason };
        // kube's own error repeats the path and hides the system's reason.
        let text = tokio::fs::read_to_string(kubeconfig).await.map_err(|error| refuse(error.to_string()))?;
        let parsed = Kubeconfig::from_yaml(&text).map_err(|error| refuse(failure::chain(&error)))?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(parsed, &options)
            .await
            .map_err(|error| refuse(failure::chain(&error)))?;
        config.connect_timeout = Some(Duration::from_secs(5));
        // Retrying is done here, where a deadline is known.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let calls = Arc::new(AtomicU64::new(0));
        let builder = ClientBuilder::try_from(config).map_err(|error| refuse(failure::chain(&error)))?;
        let client = builder.with_layer(&count::CountLayer(Arc::clone(&calls))).build();
        Ok(Self { client, server, calls, patience, served: Arc::new(RwLock::new(None)) })
    }

    /// The same connection with other time limits.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self { patience, ..self.clone() }
    }

    /// Address of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Requests sent so far, watches and repeated ones included.
    #[must_use]
    pub fn api_calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Version of the API server, for example `v1.35.4`.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn version(&self) -> Result<String, Error> {
        let request = http::Request::get("/version").body(Vec::new());
        let about: Value = self
            .call(request.map_err(|error| error.to_string()))
            .await
            .map_err(|failure| failure.into_error("ask the API server for its version", self))?;
        Ok(about["gitVersion"].as_str().unwrap_or("unknown").to_owned())
    }

    pub(crate) fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Sends a request, again while the server is away or busy.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, String>,
    ) -> Result<T, Failure> {
        self.repeat(request, |request| self.client.request::<T>(request)).await
    }

    /// Sends a request whose answer is text and not an object, and of a size.
    pub(crate) async fn call_text(
        &self,
        request: Result<http::Request<Vec<u8>>, String>,
    ) -> Result<String, Failure> {
        self.repeat(request, |request| text::request(&self.client, request)).await
    }

    async fn repeat<T, F>(
        &self,
        request: Result<http::Request<Vec<u8>>, String>,
        send: impl Fn(http::Request<Vec<u8>>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let request = request.map_err(Failure::local)?;
        let began = Instant::now();
        let mut backoff = retry::Backoff::new();
        loop {
            let sent = tokio::time::timeout(self.patience.attempt, send(request.clone())).await;
            let failure = match sent {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Failure::from_kube(error, began.elapsed()),
                Err(_) => Failure::silent(self.patience.attempt, began.elapsed()),
            };
            let pause = backoff.pause(failure.retry_after());
            if !failure.is_passing() || began.elapsed() + pause > self.patience.total {
                return Err(failure);
            }
            tracing::debug!(reason = %failure.reason(), method = %request.method(), path = request.uri().path(), "request will be repeated");
            tokio::time::sleep(pause).await;
        }
    }

    /// Lists every object of a kind, in all namespaces or in one.
    pub(crate) async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        self.list_by(resource, namespace, &ListParams::default()).await
    }

    /// Lists objects by selector.
    pub(crate) async fn list_by(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        params: &ListParams,
    ) -> Result<Vec<Value>, Failure> {
        let request = Request::new(resource.path(namespace)).list(params).map_err(|error| error.to_string());
        let mut list: Value = self.call(request).await?;
        // An answer without items is not an empty list.
        let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) else {
            return Err(Failure::local(format!("the list of {} has no items", resource.plural())));
        };
        let (api_version, kind) = (resource.gvk().api_version(), resource.gvk().kind.clone());
        Ok(items
            .into_iter()
            .map(|mut item| {
                // Items of a list carry no type of their own.
                if let Some(map) = item.as_object_mut() {
                    map.insert("apiVersion".to_owned(), api_version.clone().into());
                    map.insert("kind".to_owned(), kind.clone().into());
                }
                item
            })
            .collect())
    }

    /// Gets one object; `None` when it does not exist.
    pub(crate) async fn get(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Value>, Failure> {
        let path = Request::new(resource.path(key.namespace.as_deref()));
        let request =
            path.get(&key.name, &kube::api::GetParams::default()).map_err(|error| error.to_string());
        match self.call(request).await {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Applies an object on the server's side and returns it as it is then.
    pub(crate) async fn patch(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        value: &Value,
        mode: Mode,
    ) -> Result<Value, Failure> {
        let mut params = PatchParams::apply(FIELD_MANAGER);
        params.force = mode == Mode::Force;
        // Warnings about unknown fields cost time and nobody would see them;
        // bundles are validated where they are built.
        params.field_validation = Some(ValidationDirective::Ignore);
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .patch(&key.name, &params, &Patch::Apply(value))
            .map_err(|error| error.to_string());
        self.call(request).await
    }

    /// Creates an object; fails when it exists.
    pub(crate) async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        value: &Value,
        dry_run: bool,
    ) -> Result<Value, Failure> {
        let params = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let request = Request::new(resource.path(namespace))
            .create(&params, value.to_string().into_bytes())
            .map_err(|error| error.to_string());
        self.call(request).await
    }

    /// Replaces an object; the resource version in it must be the present one.
    pub(crate) async fn replace(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        value: &Value,
    ) -> Result<Value, Failure> {
        let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .replace(&key.name, &params, value.to_string().into_bytes())
            .map_err(|error| error.to_string());
        self.call(request).await
    }

    /// Deletes exactly the object with this uid; what is gone already is fine.
    pub(crate) async fn delete(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        uid: Option<&str>,
    ) -> Result<(), Failure> {
        let mut params = DeleteParams::background();
        if let Some(uid) = uid {
            params =
                params.preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        }
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .delete(&key.name, &params)
            .map_err(|error| error.to_string());
        match self.call::<Value>(request).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == Some(404) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Finds how a kind is served; `None` when it is not.
    pub(crate) async fn resource(&self, gvk: &Gvk) -> Result<Option<Resource>, Error> {
        if let Some(found) = self.served(FOR_EVER).await?.get(gvk) {
            return Ok(Some(found));
        }
        // It may have been defined since.
        Ok(self.served(MISSING).await?.get(gvk))
    }

    /// Forgets what is served; the next question asks the server again.
    pub(crate) async fn forget_served(&self) {
        *self.served.write().await = None;
    }

    /// What is served, as known for no longer than the time given.
    async fn served(&self, age: Duration) -> Result<Arc<Served>, Error> {
        let fresh =
            |slot: &Option<Arc<Served>>| slot.as_ref().filter(|served| served.age() < age).map(Arc::clone);
        if let Some(served) = fresh(&*self.served.read().await) {
            return Ok(served);
        }
        let mut slot = self.served.write().await;
        if let Some(served) = fresh(&slot) {
            return Ok(served);
        }
        let served = Arc::new(Served::ask(self).await?);
        *slot = Some(Arc::clone(&served));
        Ok(served)
    }
}

/// A kind that is served stays so until a request says otherwise.
const FOR_EVER: Duration = Duration::MAX;
/// A kind that is not served is asked for again after this long.
const MISSING: Duration = Duration::from_secs(10);

/// How a conflict with another field manager is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It fails.
    Careful,
    /// The other manager loses the field.
    Force,
}
