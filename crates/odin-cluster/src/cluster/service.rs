//! HTTP to a Service of the cluster, through the API server's proxy.
//!
//! The proxy needs neither a route to pods nor the cluster's DNS, so it works
//! from every machine whose kubeconfig works, and with any network plugin.

use std::fmt;

use http::Method;
use serde::de::DeserializeOwned;

use super::{Cluster, Failure, Resource};
use crate::Error;
use crate::object::ObjectKey;

/// A named port of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// Namespace it is in.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Name or number of the port.
    pub port: &'a str,
}

impl fmt::Display for Service<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}

impl Cluster {
    /// Gets a page of a Service. `path` begins with `/` and may have a query,
    /// encoded already.
    ///
    /// # Errors
    /// When no endpoint of the Service answers within the patience, or one
    /// answers with another status than success.
    pub async fn service_get(&self, service: Service<'_>, path: &str) -> Result<String, Error> {
        self.service_call(service, Method::GET, path, Vec::new()).await
    }

    /// [`Cluster::service_get`] of a page that is JSON.
    ///
    /// # Errors
    /// As [`Cluster::service_get`], and when the answer is something else.
    pub async fn service_json<T: DeserializeOwned>(
        &self,
        service: Service<'_>,
        path: &str,
    ) -> Result<T, Error> {
        let text = self.service_get(service, path).await?;
        serde_json::from_str(&text).map_err(|error| misread(service, path, &error))
    }

    /// [`Cluster::service_get`] of a page that is YAML.
    ///
    /// # Errors
    /// As [`Cluster::service_get`], and when the answer is something else.
    pub async fn service_yaml<T: DeserializeOwned>(
        &self,
        service: Service<'_>,
        path: &str,
    ) -> Result<T, Error> {
        let text = self.service_get(service, path).await?;
        serde_saphyr::from_str(&text).map_err(|error| misread(service, path, &error))
    }

    /// Posts JSON to a Service. A request that got no answer is sent again, so
    /// this is for calls that may arrive twice.
    ///
    /// # Errors
    /// As [`Cluster::service_get`].
    pub async fn service_post(
        &self,
        service: Service<'_>,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<String, Error> {
        self.service_call(service, Method::POST, path, body.to_string().into_bytes()).await
    }

    /// Asks a Service to delete what a path names.
    ///
    /// # Errors
    /// As [`Cluster::service_get`].
    pub async fn service_delete(&self, service: Service<'_>, path: &str) -> Result<String, Error> {
        self.service_call(service, Method::DELETE, path, Vec::new()).await
    }

    /// The address that a Service has inside the cluster; a machine that runs
    /// pods reaches it too. `None` when there is no such Service, or it has none.
    ///
    /// For what the API server's proxy does not pass on: it keeps the header
    /// `Authorization` to itself.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn service_address(&self, service: Service<'_>) -> Result<Option<String>, Error> {
        let services = Resource::core("Service", "services", true);
        let key = ObjectKey {
            group: String::new(),
            kind: "Service".to_owned(),
            namespace: Some(service.namespace.to_owned()),
            name: service.name.to_owned(),
        };
        let found = self.get(&services, &key).await.map_err(|failure| {
            failure.into_error(&format!("look for the address of the Service {service}"), self)
        })?;
        let address = found.as_ref().and_then(|found| found.pointer("/spec/clusterIP")?.as_str());
        Ok(address.filter(|address| !address.is_empty() && *address != "None").map(str::to_owned))
    }

    async fn service_call(
        &self,
        service: Service<'_>,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<String, Error> {
        let Service { namespace, name, port } = service;
        let uri = format!("/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy{path}");
        let request = http::Request::builder()
            .method(method.clone())
            .uri(uri)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| error.to_string());
        let answered = self.call_text(request).await;
        answered.map_err(|failure: Failure| failure.into_error(&describe(&method, service, path), self))
    }
}

fn misread(service: Service<'_>, path: &str, error: &dyn fmt::Display) -> Error {
    Error::Api {
        action: describe(&Method::GET, service, path),
        code: None,
        reason: format!("the answer is not what was asked for: {error}"),
    }
}

/// The request in words; a query may be long and is left out.
fn describe(method: &Method, service: Service<'_>, path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{method} {path} of the Service {service}")
}
