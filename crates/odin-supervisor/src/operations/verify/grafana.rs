//! Rows about Grafana: whether it answers, and whether what it was given to
//! read from is well.
//!
//! Its API takes a name and a password, which the API server's proxy keeps to
//! itself; so it is asked at its Service's address, which the host reaches.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use odin_model::report::Row;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

use super::stack::{Finding, Stack, absent, bounded, judged};
use crate::appliance::Appliance;
use crate::secrets;

const PHASE: u8 = 2;
const COMPONENT: &str = "grafana";
const ROWS: [&str; 2] = ["grafana-answers", "grafana-datasources"];
/// Where the chart takes the password of its administrator from.
const SECRET: (&str, &str) = ("grafana-admin", "admin-password");
const ADMINISTRATOR: &str = "admin";
/// Data sources that Grafana's server asks itself. Others live in the browser
/// and have no health there.
const ASKED: [&str; 2] = ["prometheus", "loki"];
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn rows(appliance: &Appliance, stack: &Stack) -> Vec<Row> {
    let Some(service) = stack.service(COMPONENT, "http") else {
        return absent(PHASE, &ROWS, COMPONENT);
    };
    let answers = bounded(LIMIT, async { answers(&stack.ask(service, "/api/health", &[]).await?) }).await;
    let sources = bounded(LIMIT, async {
        let password = password(appliance, service.namespace)?;
        let address = stack.cluster.service_address(service).await.map_err(|error| error.to_string())?;
        sources(&Door { address, password }).await
    })
    .await;
    let [answering, healthy] = ROWS;
    vec![
        judged(PHASE, answering, answers, "`kubectl -n monitoring get pods`, then the log of grafana-0"),
        judged(PHASE, healthy, sources, "Grafana's page Connections shows what a data source answers"),
    ]
}

/// The password of the administrator, as `[[secrets]]` declares it.
fn password(appliance: &Appliance, namespace: &str) -> Result<String, String> {
    let (name, key) = SECRET;
    let declared = secrets::resolve(&appliance.config.secrets, &appliance.credentials_dir());
    let declared = declared.map_err(|error| error.to_string())?;
    let found = declared.iter().find(|secret| secret.namespace == namespace && secret.name == name);
    let value = found.and_then(|secret| secret.data.get(key));
    let value = value.ok_or_else(|| format!("[[secrets]] declares no {namespace}/{name} {key}"))?;
    // A file that a person wrote ends with a newline; Grafana leaves it out too.
    Ok(String::from_utf8_lossy(value).trim().to_owned())
}

/// Where Grafana is asked, and as whom.
struct Door {
    address: SocketAddr,
    password: String,
}

impl Door {
    async fn ask(&self, path: &str) -> Result<Value, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("cannot ask Grafana at {} for {path}: {error}", self.address)
        };
        let stream = TcpStream::connect(&self.address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let pump = tokio::spawn(connection);
        let credentials = STANDARD.encode(format!("{ADMINISTRATOR}:{}", self.password));
        let request = hyper::Request::get(path)
            .header("host", COMPONENT)
            .header("authorization", format!("Basic {credentials}"))
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        pump.abort();
        // An unhealthy data source is told with an error status and a JSON body.
        if status.is_success() || status.as_u16() == 400 || status.is_server_error() {
            return serde_json::from_slice(&body).map_err(|error| failed(&error));
        }
        Err(failed(&format!("it answered {status}")))
    }
}

fn answers(health: &Value) -> Finding {
    match (health["database"].as_str(), health["version"].as_str()) {
        (Some("ok"), version) => Ok(format!("version {}", version.unwrap_or("unknown"))),
        (other, _) => Err(format!("Grafana's database is {}", other.unwrap_or("not told of"))),
    }
}

#[derive(Debug, Deserialize)]
struct Source {
    name: String,
    uid: String,
    #[serde(rename = "type")]
    kind: String,
}

async fn sources(door: &Door) -> Finding {
    let sources: Vec<Source> = serde_json::from_value(door.ask("/api/datasources").await?)
        .map_err(|error| format!("Grafana's list of data sources is none: {error}"))?;
    let mut healths = Vec::new();
    for source in sources.iter().filter(|source| ASKED.contains(&source.kind.as_str())) {
        let health = door.ask(&format!("/api/datasources/uid/{}/health", source.uid)).await?;
        healths.push((source.name.clone(), health));
    }
    judge(&sources, &healths)
}

fn judge(sources: &[Source], healths: &[(String, Value)]) -> Finding {
    if !sources.iter().any(|source| source.kind == "prometheus") {
        return Err("Grafana has no data source of the type prometheus".to_owned());
    }
    let wrong: Vec<String> = healths
        .iter()
        .filter(|(_, health)| health["status"] != "OK")
        .map(|(name, health)| {
            format!("{name}: {}", health["message"].as_str().unwrap_or("no reason is told"))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let named = |asked: bool| -> Vec<&str> {
        let kind = |source: &&Source| ASKED.contains(&source.kind.as_str()) == asked;
        sources.iter().filter(kind).map(|source| source.name.as_str()).collect()
    };
    let mut words = format!("healthy: {}", named(true).join(", "));
    if !named(false).is_empty() {
        words.push_str(&format!("; without a health of their own: {}", named(false).join(", ")));
    }
    Ok(words)
}

#[cfg(test)]
mod tests;
