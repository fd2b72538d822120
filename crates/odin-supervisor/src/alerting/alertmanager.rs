//! Alertmanager's API (v2), through the API server's proxy to its Service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use odin_cluster::Cluster;
use odin_cluster::cluster::{Patience, Service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::direct::Way;
use crate::Result;

/// The Service of the bundle.
pub(crate) const SERVICE: Service<'static> =
    Service { namespace: "monitoring", name: "alertmanager", port: "http" };

/// How long a silent Alertmanager is waited for. One attempt: a silence that
/// arrived although its answer did not must not become two.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(10), total: Duration::ZERO };

/// An alert as Alertmanager has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    /// Its labels, which make it this alert.
    pub(crate) labels: BTreeMap<String, String>,
    /// What it says.
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Since when it fires.
    pub(crate) starts_at: Timestamp,
    /// Name of its labels.
    pub(crate) fingerprint: String,
    /// What Alertmanager does with it.
    pub(crate) status: AlertStatus,
}

/// What Alertmanager does with an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertStatus {
    /// `active`, `suppressed` by a silence or another alert, or `unprocessed`.
    pub(crate) state: String,
    /// Silences that suppress it.
    #[serde(default)]
    pub(crate) silenced_by: Vec<String>,
    /// Alerts that suppress it.
    #[serde(default)]
    pub(crate) inhibited_by: Vec<String>,
}

impl Alert {
    /// A label; empty when it has none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.label("alertname")
    }

    /// Whether somebody is told of it.
    pub(crate) fn is_active(&self) -> bool {
        self.status.state == "active"
    }
}

/// The Alertmanager of the cluster.
pub(crate) struct Alertmanager {
    cluster: Cluster,
}

impl Alertmanager {
    /// The one of this cluster; nothing is asked yet.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.with_patience(PATIENCE) }
    }

    /// Every alert that fires, silenced and inhibited ones too: an alert that
    /// is silenced is not resolved.
    pub(crate) async fn alerts(&self) -> Result<Vec<Alert>> {
        alerts_by(Way::Proxy(&self.cluster)).await
    }

    /// Where its pods listen. The Service's own address leads nowhere while
    /// their node is not called ready, which may be what an alert is about.
    pub(crate) async fn pods(&self) -> Result<Vec<SocketAddr>> {
        Ok(self.cluster.service_endpoints(SERVICE).await?)
    }

    /// Raises alerts, or resolves those that end now.
    pub(crate) async fn raise(&self, alerts: &[Raised]) -> Result<()> {
        self.cluster.service_post(SERVICE, "/api/v2/alerts", &json!(alerts)).await?;
        Ok(())
    }

    /// Names of the receivers of the configuration that runs.
    pub(crate) async fn receivers(&self) -> Result<Vec<String>> {
        let receivers: Vec<Named> = self.cluster.service_json(SERVICE, "/api/v2/receivers").await?;
        Ok(receivers.into_iter().map(|receiver| receiver.name).collect())
    }

    /// Its own metrics.
    pub(crate) async fn metrics(&self) -> Result<String> {
        Ok(self.cluster.service_get(SERVICE, "/metrics").await?)
    }

    /// Silences, those that ended too.
    pub(crate) async fn silences(&self) -> Result<Vec<Silenced>> {
        Ok(self.cluster.service_json(SERVICE, "/api/v2/silences").await?)
    }

    /// Makes a silence and tells its id.
    pub(crate) async fn silence(&self, silence: &Value) -> Result<String> {
        let answer = self.cluster.service_post(SERVICE, "/api/v2/silences", silence).await?;
        let made: Value = serde_json::from_str(&answer).unwrap_or_default();
        Ok(made["silenceID"].as_str().unwrap_or_default().to_owned())
    }

    /// Ends a silence.
    pub(crate) async fn unsilence(&self, id: &str) -> Result<()> {
        self.cluster.service_delete(SERVICE, &format!("/api/v2/silence/{id}")).await?;
        Ok(())
    }
}

/// Every alert that fires, asked for on any way.
///
/// # Errors
/// When Alertmanager does not answer in time.
pub(crate) async fn alerts_by(way: Way<'_>) -> Result<Vec<Alert>> {
    way.json(SERVICE, "/api/v2/alerts").await
}

/// An alert to raise.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Raised {
    /// Its labels.
    pub(crate) labels: BTreeMap<&'static str, String>,
    /// What it says.
    pub(crate) annotations: BTreeMap<&'static str, String>,
    /// Since when.
    pub(crate) starts_at: Timestamp,
    /// When it resolves by itself.
    pub(crate) ends_at: Timestamp,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A silence as Alertmanager has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Silenced {
    /// Its id.
    pub(crate) id: String,
    /// What it is about.
    pub(crate) matchers: Vec<Matcher>,
    /// When it ends.
    pub(crate) ends_at: Timestamp,
    /// Who made it.
    pub(crate) created_by: String,
    /// Why.
    pub(crate) comment: String,
    /// `active`, `pending` or `expired`.
    pub(crate) status: State,
}

/// The state of a silence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// `active`, `pending` or `expired`.
    pub(crate) state: String,
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Matcher {
    /// The label.
    pub(crate) name: String,
    /// What it is compared with.
    pub(crate) value: String,
    /// Whether that is a regular expression.
    pub(crate) is_regex: bool,
    /// Whether it must match rather than not.
    pub(crate) is_equal: bool,
}

impl Matcher {
    /// Reads one as a person writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = text.find(['=', '!'])?;
        let (name, rest) = text.split_at(at);
        let operators = [("=~", true, true), ("!~", true, false), ("!=", false, false), ("=", false, true)];
        let (operator, is_regex, is_equal) =
            operators.into_iter().find(|(operator, ..)| rest.starts_with(operator))?;
        let value = rest.get(operator.len()..)?.trim_matches('"').to_owned();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let named = !name.is_empty() && name.bytes().all(is_name);
        named.then(|| Self { name: name.to_owned(), value, is_regex, is_equal })
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operator = match (self.is_equal, self.is_regex) {
            (true, false) => "=",
            (true, true) => "=~",
            (false, false) => "!=",
            (false, true) => "!~",
        };
        write!(formatter, "{}{operator}{:?}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_as_they_are_written() {
        for (text, shown) in [
            ("alertname=TargetDown", "alertname=\"TargetDown\""),
            ("pod=~loki-.*", "pod=~\"loki-.*\""),
            ("pod!~\"loki-.*\"", "pod!~\"loki-.*\""),
            ("team!=a=b", "team!=\"a=b\""),
            ("team=", "team=\"\""),
        ] {
            assert_eq!(Matcher::parse(text).map(|one| one.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "TargetDown", "=a", "a b=c", "a!b"] {
            assert_eq!(Matcher::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_of_alertmanager_is_read() {
        let answer = include_str!("alertmanager/alerts.json");
        let alerts: Vec<Alert> = serde_json::from_str(answer).expect("alerts");
        assert_eq!(alerts.len(), 2);
        assert_eq!(alerts[0].name(), "TargetDown");
        assert_eq!(alerts[0].label("pod"), "node-exporter-8xk2j");
        assert_eq!(alerts[0].label("team"), "");
        assert!(alerts[0].is_active() && !alerts[1].is_active());
        assert_eq!(alerts[1].status.silenced_by, ["8b3d4a43-9a1c-4c0f-8a61-1f6d9d2cf8b1"]);
    }
}
