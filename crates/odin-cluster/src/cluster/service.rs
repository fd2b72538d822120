//! HTTP to a Service of the cluster, through the API server's proxy.
//!
//! The proxy needs neither a route to pods nor the cluster's DNS, so it works
//! from every machine whose kubeconfig works, and with any network plugin.

use std::fmt;
use std::net::SocketAddr;

use http::Method;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cluster, Failure, Resource};
use crate::Error;
use crate::object::{Gvk, ObjectKey};

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

    /// Deletes what `path` names.
    ///
    /// # Errors
    /// As [`Cluster::service_get`].
    pub async fn service_delete(&self, service: Service<'_>, path: &str) -> Result<String, Error> {
        self.service_call(service, Method::DELETE, path, Vec::new()).await
    }

    /// Address and port of the Service inside the cluster. Its own machines
    /// reach it without the API server, as long as kube-proxy's rules stand.
    ///
    /// # Errors
    /// When the Service does not exist or has no address, or cannot be asked.
    pub async fn service_address(&self, service: Service<'_>) -> Result<SocketAddr, Error> {
        let action = format!("find the address of the Service {service}");
        let key = ObjectKey {
            group: String::new(),
            kind: "Service".to_owned(),
            namespace: Some(service.namespace.to_owned()),
            name: service.name.to_owned(),
        };
        let found = self.get(&Resource::core("Service", "services", true), &key).await;
        let found = found.map_err(|failure| failure.into_error(&action, self))?.unwrap_or_default();
        let ip = found.pointer("/spec/clusterIP").and_then(Value::as_str).and_then(|ip| ip.parse().ok());
        let ports = found.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let port = ports.filter(|port| port["name"] == service.port).find_map(|port| port["port"].as_u64());
        match (ip, port.and_then(|port| u16::try_from(port).ok())) {
            (Some(ip), Some(port)) => Ok(SocketAddr::new(ip, port)),
            _ => Err(Failure::local("it has none".to_owned()).into_error(&action, self)),
        }
    }

    /// Addresses of the pods behind the Service, also of those that Kubernetes
    /// sends nothing to, because they or their node are not called ready.
    ///
    /// # Errors
    /// When its endpoints cannot be listed.
    pub async fn service_endpoints(&self, service: Service<'_>) -> Result<Vec<SocketAddr>, Error> {
        let slices = Resource::new(Gvk::new("discovery.k8s.io/v1", "EndpointSlice"), "endpointslices", true);
        let its = ListParams::default().labels(&format!("kubernetes.io/service-name={}", service.name));
        let found = self.list_by(&slices, Some(service.namespace), &its).await.map_err(|failure| {
            failure.into_error(&format!("list the endpoints of the Service {service}"), self)
        })?;
        Ok(found.iter().flat_map(|slice| addresses(slice, service.port)).collect())
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

fn addresses(slice: &Value, port: &str) -> Vec<SocketAddr> {
    let entries = |key: &str| slice[key].as_array().cloned().unwrap_or_default();
    let named = entries("ports").into_iter().find(|one| one["name"] == port);
    let Some(port) = named.and_then(|one| u16::try_from(one["port"].as_u64()?).ok()) else { return vec![] };
    let endpoints = entries("endpoints");
    let found = endpoints.iter().filter_map(|one| one["addresses"].as_array()).flatten();
    found.filter_map(|ip| Some(SocketAddr::new(ip.as_str()?.parse().ok()?, port))).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_that_is_not_ready_has_an_address_too() {
        let slice = json!({
            "endpoints": [
                {"addresses": ["10.42.0.7"], "conditions": {"ready": false}},
                {"addresses": ["10.42.0.8"], "conditions": {"ready": true}},
                {"conditions": {}},
            ],
            "ports": [{"name": "other", "port": 1}, {"name": "http", "port": 9093}],
        });
        let found: Vec<String> = addresses(&slice, "http").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.42.0.7:9093", "10.42.0.8:9093"]);
        assert!(addresses(&slice, "none").is_empty());
        assert!(addresses(&json!({"endpoints": null}), "http").is_empty());
    }
}
