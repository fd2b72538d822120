//! `odin alerts`: what fires, silences, and whether receivers are reached.

mod self_test;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use odin_cluster::cluster::Patience;
use odin_cluster::{Bundle, Cluster};
use odin_model::config::Alerting;
use serde::Serialize;
use serde_json::json;

use super::{Outcome, Silence, Status};
use crate::alerting::alertmanager::{Alert, Alertmanager, Matcher, Silenced};
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::{Error, Result};

pub(super) use self_test::test;

/// How long a silent API server is waited for.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(10) };

/// What fires and what is silenced.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    alerts: Vec<Alert>,
    silences: Vec<Silenced>,
    #[serde(skip)]
    now: Timestamp,
}

pub(super) async fn list(appliance: &Appliance) -> Result<Outcome> {
    let alertmanager = alertmanager(appliance).await?;
    let mut alerts = alertmanager.alerts().await?;
    alerts.sort_by(|one, other| {
        (rank(one), one.starts_at, one.name()).cmp(&(rank(other), other.starts_at, other.name()))
    });
    let mut silences = alertmanager.silences().await?;
    silences.retain(|silence| silence.status.state != "expired");
    let report = Report { alerts, silences, now: Timestamp::now() };
    Ok(Outcome::new(Status::Done, &report, &report))
}

pub(super) async fn silence(appliance: &Appliance, wanted: &Silence) -> Result<Outcome> {
    let matchers = wanted.matchers.iter().map(|text| {
        Matcher::parse(text).ok_or_else(|| Error::NotUnderstood {
            action: "silence alerts",
            value: text.clone(),
            reason: "it is not NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX".to_owned(),
        })
    });
    let matchers: Vec<Matcher> = matchers.collect::<Result<_>>()?;
    for (name, value) in [("--by", &wanted.by), ("--comment", &wanted.comment)] {
        if value.trim().is_empty() {
            return Err(Error::NotUnderstood {
                action: "silence alerts",
                value: name.to_owned(),
                reason: "it says nothing; whoever comes next wants to know who and why".to_owned(),
            });
        }
    }
    let now = Timestamp::now();
    let span = SignedDuration::from_secs(i64::try_from(wanted.seconds).unwrap_or(i64::MAX));
    let ends = now.checked_add(span).map_err(|error| Error::NotUnderstood {
        action: "silence alerts",
        value: format!("{} s", wanted.seconds),
        reason: error.to_string(),
    })?;
    let id = alertmanager(appliance)
        .await?
        .silence(&json!({
            "matchers": matchers, "startsAt": now, "endsAt": ends,
            "createdBy": wanted.by, "comment": wanted.comment,
        }))
        .await?;
    let text = format!("silence {id} until {}", ends.strftime("%Y-%m-%d %H:%M:%SZ"));
    Ok(Outcome::new(Status::Done, text, &json!({ "id": id, "ends-at": ends })))
}

pub(super) async fn unsilence(appliance: &Appliance, id: &str) -> Result<Outcome> {
    // It becomes a part of a path.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(Error::NotUnderstood {
            action: "end a silence",
            value: id.to_owned(),
            reason: "it is not the id of a silence; `odin alerts list` shows them".to_owned(),
        });
    }
    alertmanager(appliance).await?.unsilence(id).await?;
    Ok(Outcome::new(Status::Done, format!("silence {id} ended"), &json!({ "id": id })))
}

pub(super) fn config(appliance: &Appliance) -> Result<Outcome> {
    let alerting = with_receivers(appliance, "show Alertmanager's configuration")?;
    let text = declared::configuration_of(alerting, &Bundle::open(&appliance.config.apply.bundle)?)?;
    Ok(Outcome::new(Status::Done, &text, &json!({ "alertmanager.yml": text })))
}

async fn alertmanager(appliance: &Appliance) -> Result<Alertmanager> {
    let cluster = Cluster::connect_with(&appliance.config.host.kubeconfig, PATIENCE).await?;
    Ok(Alertmanager::of(&cluster))
}

fn with_receivers<'a>(appliance: &'a Appliance, action: &'static str) -> Result<&'a Alerting> {
    let alerting = appliance.config.alerting.as_ref().filter(|alerting| !alerting.receivers.is_empty());
    alerting.ok_or_else(|| Error::NotDeclared { action, key: "[[alerting.receivers]]".to_owned() })
}

/// Somebody else's words, which may be anything, without what moves a terminal.
fn plain(text: &str) -> String {
    // Beside the control characters those that turn the direction of writing.
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if moves(c) { '\u{fffd}' } else { c }).collect()
}

/// The gravest first.
fn rank(alert: &Alert) -> u8 {
    match alert.label("severity") {
        "critical" => 0,
        "warning" => 1,
        "info" => 2,
        _ => 3,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alerts.is_empty() {
            writeln!(formatter, "nothing fires, not even the watchdog: is Prometheus well?")?;
        }
        for alert in &self.alerts {
            let fires = SignedDuration::from_secs(self.now.duration_since(alert.starts_at).as_secs());
            let state = if alert.is_active() { "" } else { ", nobody is told" };
            let (severity, name) = (plain(alert.label("severity")), plain(alert.name()));
            writeln!(formatter, "{severity:<9} {name} for {fires:#}{state}")?;
            for name in ["summary", "runbook_url"] {
                if let Some(text) = alert.annotations.get(name) {
                    writeln!(formatter, "          {}", plain(text))?;
                }
            }
        }
        for silence in &self.silences {
            let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
            writeln!(
                formatter,
                "silence   {} until {} by {}: {} ({})",
                plain(&silence.id),
                silence.ends_at.strftime("%Y-%m-%d %H:%M:%SZ"),
                plain(&silence.created_by),
                plain(&matchers.join(" ")),
                plain(&silence.comment)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_moves_no_terminal() {
        let evil = "a\u{1b}[2J\r\n\u{9b}0m\u{202e}b";
        let alert: Alert = serde_json::from_value(json!({
            "labels": {"alertname": evil, "severity": evil}, "annotations": {"summary": evil},
            "startsAt": "2026-11-23T20:00:00Z", "fingerprint": "f", "status": {"state": "active"},
        }))
        .expect("an alert");
        let silence: Silenced = serde_json::from_value(json!({
            "id": evil, "endsAt": "2026-11-23T20:00:00Z", "createdBy": evil, "comment": evil,
            "matchers": [{"name": evil, "value": evil, "isRegex": false, "isEqual": true}],
            "status": {"state": "active"},
        }))
        .expect("a silence");
        let report = Report { alerts: vec![alert], silences: vec![silence], now: Timestamp::UNIX_EPOCH };
        let text = report.to_string();
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(!text.contains(['\u{1b}', '\r', '\u{9b}', '\u{202e}']), "{text:?}");
        assert_eq!(plain("Speicher läuft über: 90 %"), "Speicher läuft über: 90 %");
    }
}
