//! Who judges rules: Prometheus, and Loki where rules are about logs.
//!
//! Anybody who reaches Alertmanager can raise an alert there, with any labels
//! and annotations. Remedies are for what a rule fires, so an alert is believed
//! as far as the ruler shows it: labels, annotations and since when are its.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use jiff::Timestamp;
use odin_cluster::Cluster;
use odin_cluster::cluster::{Patience, Service};
use serde::Deserialize;

use super::alertmanager::Alert;
use super::direct::Way;
use crate::{Error, Result};

/// Labels of an alert.
type Labels = BTreeMap<String, String>;

/// A Service that judges rules, with the paths of its API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ruler {
    service: Service<'static>,
    alerts: &'static str,
    /// Where its configuration is shown, if it puts labels of its own on the
    /// alerts that it sends.
    configuration: Option<&'static str>,
}

/// Judges rules over metrics.
pub(crate) const PROMETHEUS: Ruler = Ruler {
    service: Service { namespace: "monitoring", name: "prometheus", port: "http" },
    alerts: "/api/v1/alerts",
    configuration: Some("/api/v1/status/config"),
};
/// Judges rules over logs.
pub(crate) const LOKI: Ruler = Ruler {
    service: Service { namespace: "monitoring", name: "loki", port: "http" },
    alerts: "/prometheus/api/v1/alerts",
    configuration: None,
};

/// How long a silent ruler is waited for; the next look asks again.
const PATIENCE: Patience =
    Patience { attempt: std::time::Duration::from_secs(10), total: std::time::Duration::ZERO };

impl Ruler {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.service.name
    }

    /// Where its pods listen.
    ///
    /// # Errors
    /// When the API server does not say.
    pub(crate) async fn pods(&self, cluster: &Cluster) -> Result<Vec<SocketAddr>> {
        Ok(cluster.with_patience(PATIENCE).service_endpoints(self.service).await?)
    }

    /// What fires there now, by the labels that Alertmanager gets.
    ///
    /// # Errors
    /// When it does not answer, or something else.
    pub(crate) async fn firing(&self, way: Way<'_>) -> Result<Firing> {
        let hasty;
        let way = match way {
            Way::Proxy(cluster) => {
                hasty = cluster.with_patience(PATIENCE);
                Way::Proxy(&hasty)
            }
            direct => direct,
        };
        let alerts: Answer<Alerts> = way.json(self.service, self.alerts).await?;
        let mut added = Labels::new();
        if let Some(path) = self.configuration {
            let shown: Answer<Configuration> = way.json(self.service, path).await?;
            added = external_labels(&shown.data.yaml).map_err(|reason| Error::Alerting {
                action: format!("read the configuration of {}", self.name()),
                reason,
                hint: "look at its page /config",
            })?;
        }
        Ok(Firing::of(alerts.data.alerts, &added))
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Ruled>,
}

/// An alert as the rulers show it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ruled {
    labels: Labels,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// `pending`, `firing`, or `inactive`.
    state: String,
    active_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Configuration {
    yaml: String,
}

/// Labels that Prometheus puts on every alert that it sends.
fn external_labels(yaml: &str) -> std::result::Result<Labels, String> {
    #[derive(Default, Deserialize)]
    struct Global {
        #[serde(default)]
        external_labels: Labels,
    }
    #[derive(Deserialize)]
    struct Whole {
        #[serde(default)]
        global: Global,
    }
    let whole: Whole = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    Ok(whole.global.external_labels)
}

/// What fires at a ruler.
#[derive(Debug, Default)]
pub(crate) struct Firing(HashMap<Labels, Known>);

/// What is believed of an alert, beside its labels.
#[derive(Debug)]
struct Known {
    annotations: BTreeMap<String, String>,
    active_at: Timestamp,
}

impl Firing {
    fn of(alerts: Vec<Ruled>, added: &Labels) -> Self {
        let firing = alerts.into_iter().filter(|alert| alert.state == "firing");
        let known = firing.filter_map(|mut alert| {
            // As Prometheus does it: an alert's own label stays.
            for (name, value) in added {
                alert.labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
            alert.labels.retain(|_, value| !value.is_empty());
            Some((alert.labels, Known { annotations: alert.annotations, active_at: alert.active_at? }))
        });
        Self(known.collect())
    }

    #[cfg(test)]
    pub(crate) fn of_alerts(alerts: &[Alert]) -> Self {
        let known =
            |alert: &Alert| Known { annotations: alert.annotations.clone(), active_at: alert.starts_at };
        Self(alerts.iter().map(|alert| (alert.labels.clone(), known(alert))).collect())
    }

    /// The alert as far as the ruler bears it out; none where it does not fire
    /// there.
    pub(crate) fn confirm(&self, alert: &Alert) -> Option<Alert> {
        let known = self.0.get(&alert.labels)?;
        Some(Alert {
            annotations: known.annotations.clone(),
            // It is active while it is pending; it fires since it was sent.
            starts_at: alert.starts_at.max(known.active_at),
            ..alert.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// As Prometheus 3 answers (prometheus.io/docs, HTTP API, alerts).
    fn firing(added: &Labels) -> Firing {
        let answer: Answer<Alerts> = serde_json::from_value(json!({
            "status": "success",
            "data": {"alerts": [
                {
                    "labels": {"alertname": "TargetDown", "pod": "a", "severity": "critical"},
                    "annotations": {"remediation": "restart-pod"},
                    "state": "firing", "activeAt": "2026-11-23T20:00:00.123456789Z", "value": "1e+00",
                },
                {
                    "labels": {"alertname": "TargetDown", "pod": "b"}, "annotations": {},
                    "state": "pending", "activeAt": "2026-11-23T20:00:00Z", "value": "1e+00",
                },
            ]},
        }))
        .expect("an answer");
        Firing::of(answer.data.alerts, added)
    }

    fn raised(labels: Labels, starts_at: &str) -> Alert {
        serde_json::from_value(json!({
            "labels": labels, "annotations": {"remediation": "apply"}, "startsAt": starts_at,
            "fingerprint": "f", "status": {"state": "active"},
        }))
        .expect("an alert")
    }

    #[test]
    fn only_what_a_rule_fires_is_believed_and_as_it_says() {
        let added = labels(&[("cluster", "box"), ("severity", "none")]);
        let firing = firing(&added);
        let sent = [("alertname", "TargetDown"), ("pod", "a"), ("severity", "critical"), ("cluster", "box")];
        let alert = firing.confirm(&raised(labels(&sent), "2026-11-23T20:01:00Z")).expect("confirmed");
        assert_eq!(alert.annotations["remediation"], "restart-pod", "the rule's, not the sender's");
        assert_eq!(alert.starts_at.to_string(), "2026-11-23T20:01:00Z");
        // Whoever raised it says that it fires for years.
        let alert = firing.confirm(&raised(labels(&sent), "2016-11-23T20:01:00Z")).expect("confirmed");
        assert_eq!(alert.starts_at.to_string(), "2026-11-23T20:00:00.123456789Z");

        let mut other = sent;
        other[1] = ("pod", "c");
        let mut pending = sent;
        pending[1] = ("pod", "b");
        let mut elsewhere = sent;
        elsewhere[3] = ("cluster", "other");
        for labelled in [&other[..], &pending, &elsewhere, &sent[..3], &[&sent[..], &[("x", "1")]].concat()] {
            let alert = raised(labels(labelled), "2026-11-23T20:01:00Z");
            assert_eq!(firing.confirm(&alert), None, "{labelled:?}");
        }
    }

    #[test]
    fn labels_of_every_alert_are_read_from_the_configuration() {
        let yaml = "global:\n  scrape_interval: 10s\n  external_labels:\n    cluster: box\nrule_files: []\n";
        assert_eq!(external_labels(yaml), Ok(labels(&[("cluster", "box")])));
        assert_eq!(external_labels("global:\n  scrape_interval: 10s\n"), Ok(labels(&[])));
        assert_eq!(external_labels("scrape_configs: []\n"), Ok(labels(&[])));
        assert!(external_labels("global: [").is_err());
    }
}
