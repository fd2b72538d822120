//! Pods asked at their own addresses, for when the API server does not answer or
//! calls their node not ready: a Service leads nowhere then.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use odin_cluster::Cluster;
use odin_cluster::cluster::Service;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// How long a silent Service is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer that is read, in bytes; an alert has about one KiB.
const MAXIMUM_BYTES: usize = 32 << 20;

/// The way to a Service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// Through the API server's proxy.
    Proxy(&'a Cluster),
    /// Straight to where its pods were before, one after the other.
    Pods(&'a [SocketAddr]),
}

impl Way<'_> {
    /// Asks a Service for a page that is JSON.
    ///
    /// # Errors
    /// When it does not answer in time, or something else than was asked for.
    pub(crate) async fn json<T: DeserializeOwned>(self, service: Service<'_>, path: &str) -> Result<T> {
        match self {
            Self::Proxy(cluster) => Ok(cluster.service_json(service, path).await?),
            Self::Pods(pods) => {
                let mut failed = Error::Alerting {
                    action: format!("ask {}", service.name),
                    reason: "nobody knows where it listens".to_owned(),
                    hint: "look at its pod: kubectl -n monitoring get pods",
                };
                for pod in pods {
                    match json_at(service, *pod, path).await {
                        Ok(answer) => return Ok(answer),
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
            }
        }
    }
}

async fn json_at<T: DeserializeOwned>(service: Service<'_>, address: SocketAddr, path: &str) -> Result<T> {
    let failed = |reason: String| Error::Alerting {
        action: format!("ask {} at {address}", service.name),
        reason,
        hint: "look at its pod: kubectl -n monitoring get pods",
    };
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let ask = async {
        let uri = format!("http://{address}{path}").parse().map_err(|_| "no address".to_owned())?;
        let answer = client.get(uri).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAXIMUM_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answered) => answered.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::alertmanager::{Alert, SERVICE};

    #[tokio::test]
    async fn a_service_is_asked_directly_where_nothing_else_answers() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            for status in ["200 OK", "500 No"] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.expect("a request");
                assert!(request[..length].starts_with(b"GET /api/v2/alerts HTTP/1.1\r\n"));
                let body = include_str!("alertmanager/alerts.json");
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await.expect("an answer");
            }
        });
        let pods = [address];
        let ask = || Way::Pods(&pods).json::<Vec<Alert>>(SERVICE, "/api/v2/alerts");
        assert_eq!(ask().await.expect("alerts").len(), 2);
        assert!(ask().await.expect_err("an error").to_string().contains("500"));
        assert!(ask().await.is_err(), "nobody listens any more");
        let unknown = Way::Pods(&[]).json::<Vec<Alert>>(SERVICE, "/api/v2/alerts").await;
        assert!(unknown.expect_err("an error").to_string().contains("nobody knows"));
    }
}
