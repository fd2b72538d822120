//! How rows about the monitoring stack ask: through the API server, with
//! little patience, and never without a verdict.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use odin_cluster::cluster::{Patience, Service};
use odin_cluster::{Bundle, Cluster, Error};
use odin_model::report::{Row, Verdict};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Result;
use crate::appliance::Appliance;

/// Evidence, or why a row failed and what to do.
pub(super) type Finding = std::result::Result<String, String>;

/// A service that is down is told soon; a machine that is busy gets its time.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(10), total: Duration::from_secs(20) };
/// Time between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// The declared stack and the way to it.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) cluster: Cluster,
    /// Namespaces of the bundle's components.
    components: BTreeMap<String, String>,
}

impl Stack {
    pub(super) async fn connect(appliance: &Appliance) -> Result<Self> {
        let bundle = Bundle::open(&appliance.config.apply.bundle)?;
        let named = |part: &odin_cluster::bundle::Component| (part.name.clone(), part.namespace.clone());
        let components = bundle.components().iter().map(named).collect();
        let cluster = Cluster::connect_with(&appliance.config.host.kubeconfig, PATIENCE).await?;
        Ok(Self { cluster, components })
    }

    /// Whether the bundle has a component.
    pub(super) fn has(&self, component: &str) -> bool {
        self.components.contains_key(component)
    }

    /// The Service of a component of the bundle, which has its name.
    pub(super) fn service<'a>(&'a self, component: &'a str, port: &'a str) -> Option<Service<'a>> {
        Some(Service { namespace: self.components.get(component)?, name: component, port })
    }

    /// Asks for a page that is JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        service: Service<'_>,
        path: &str,
        query: &[(&str, &str)],
    ) -> std::result::Result<T, String> {
        self.cluster.service_json(service, &with_query(path, query)).await.map_err(said)
    }

    /// Asks for a page that is YAML.
    pub(super) async fn yaml<T: DeserializeOwned>(
        &self,
        service: Service<'_>,
        path: &str,
    ) -> std::result::Result<T, String> {
        self.cluster.service_yaml(service, path).await.map_err(said)
    }

    /// Asks for a page as it is.
    pub(super) async fn page(&self, service: Service<'_>, path: &str) -> std::result::Result<String, String> {
        self.cluster.service_get(service, path).await.map_err(said)
    }

    /// Posts JSON; the answer may be empty.
    pub(super) async fn post(
        &self,
        service: Service<'_>,
        path: &str,
        body: &Value,
    ) -> std::result::Result<String, String> {
        self.cluster.service_post(service, path, body).await.map_err(said)
    }

    /// Deletes what a path names.
    pub(super) async fn delete(&self, service: Service<'_>, path: &str) -> std::result::Result<(), String> {
        self.cluster.service_delete(service, path).await.map(drop).map_err(said)
    }
}

/// A path with its query encoded.
fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

/// An error in words; of Prometheus' and Loki's own errors only what they say.
fn said(error: Error) -> String {
    if let Error::Api { reason, .. } = &error
        && let Ok(answer) = serde_json::from_str::<Value>(reason)
        && let Some(text) = answer["error"].as_str()
    {
        return text.to_owned();
    }
    error.to_string()
}

/// Asks again until an answer is `done` or the time is up. The last answer
/// counts; what cannot be asked at all is not asked again.
pub(super) async fn settled<T, F>(
    limit: Duration,
    ask: impl Fn() -> F,
    done: impl Fn(&T) -> bool,
) -> std::result::Result<T, String>
where
    F: Future<Output = std::result::Result<T, String>>,
{
    let began = Instant::now();
    loop {
        let answer = ask().await?;
        if done(&answer) || began.elapsed() >= limit {
            return Ok(answer);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A finding that is there when its time is up, whatever happens.
pub(super) async fn bounded(limit: Duration, finding: impl Future<Output = Finding>) -> Finding {
    match tokio::time::timeout(limit, finding).await {
        Ok(finding) => finding,
        Err(_) => Err(format!("nothing was found out within {} s", limit.as_secs())),
    }
}

/// The row of a finding; `next` is what a person does when it failed.
pub(super) fn judged(phase: u8, name: &str, finding: Finding, next: &str) -> Row {
    let (verdict, reason) = match finding {
        Ok(evidence) => (Verdict::Passed, evidence),
        Err(reason) => (Verdict::Failed, format!("{reason}; next: {next}")),
    };
    super::row(phase, name, verdict, reason)
}

/// Rows of a component that the bundle does not have.
pub(super) fn absent(phase: u8, names: &[&str], component: &str) -> Vec<Row> {
    let reason = format!("the bundle has no component {component}");
    names.iter().map(|name| super::row(phase, name, Verdict::Absent, reason.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(with_query("/x", &[]), "/x");
        assert_eq!(
            with_query("/x", &[("query", "up{job=\"a b\"} & 1")]),
            "/x?query=up%7Bjob%3D%22a+b%22%7D+%26+1"
        );
    }

    #[test]
    fn of_an_error_of_prometheus_only_its_own_words_are_told() {
        let error = |reason: &str| Error::Api {
            action: "GET /x".to_owned(),
            code: Some(400),
            reason: reason.to_owned(),
        };
        let text = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert_eq!(said(error(text)), "parse error");
        assert_eq!(said(error("no endpoints")), "cannot GET /x: no endpoints");
        assert_eq!(said(error("{\"error\":7}")), "cannot GET /x: {\"error\":7}");
    }

    #[tokio::test]
    async fn what_is_not_done_is_asked_again_and_what_fails_is_not() {
        let asked = Cell::new(0);
        let ask = || async {
            asked.set(asked.get() + 1);
            Ok::<u32, String>(asked.get())
        };
        assert_eq!(settled(Duration::from_secs(60), ask, |count| *count == 3).await, Ok(3));
        assert_eq!(settled(Duration::ZERO, ask, |_| false).await, Ok(4));
        let fail = || async { Err::<u32, String>("down".to_owned()) };
        assert_eq!(settled(Duration::from_secs(60), fail, |_| true).await, Err("down".to_owned()));
    }

    #[tokio::test]
    async fn a_finding_that_never_comes_is_a_failure() {
        let never = bounded(Duration::from_millis(1), std::future::pending()).await;
        assert_eq!(never, Err("nothing was found out within 0 s".to_owned()));
    }
}
