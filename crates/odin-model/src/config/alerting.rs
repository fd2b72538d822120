//! Where alerts go, and what is done about them without a person.
//!
//! What is written here becomes Alertmanager's configuration: routes and
//! receivers over the grouping and inhibition of the bundle's default. Secrets
//! are files; none is ever in this declaration.

mod receiver;
mod remediation;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::{Impossible, Secret, is_label};
use crate::schedule::Schedule;

pub use receiver::{Email, PagerDuty, Receiver, Slack, Webhook};
pub use remediation::{AlertRemediation, Remedy, Window};

/// `[alerting]`: who is told, when, and what is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Alerting {
    /// Receiver of what no route takes; nobody is told of it when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Receiver of the `Watchdog` alert, which always fires: who does not hear
    /// of it any more knows that alerting is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<String>,
    /// How often the dead-man's receiver hears; the bundle's `repeat_interval`
    /// when absent.
    #[serde(with = "compact::optional", skip_serializing_if = "Option::is_none")]
    pub dead_man_interval: Option<Duration>,
    /// How long the first notification of a group waits for more alerts of it;
    /// the bundle's when absent.
    #[serde(with = "compact::optional", skip_serializing_if = "Option::is_none")]
    pub group_wait: Option<Duration>,
    /// How long news of a group that was told wait; the bundle's when absent.
    #[serde(with = "compact::optional", skip_serializing_if = "Option::is_none")]
    pub group_interval: Option<Duration>,
    /// After how long an alert that still fires is told again; the bundle's
    /// when absent.
    #[serde(with = "compact::optional", skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<Duration>,
    /// Who can be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
    /// Who is told of what: the first that matches, and the next one as well
    /// where it says `continue`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// When delivery is tried end to end.
    pub self_test: SelfTest,
    /// What is done about alerts without a person.
    pub remediation: AlertRemediation,
}

/// `[[alerting.routes]]`: alerts with all of these labels go to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// Receiver.
    pub receiver: String,
    /// The label `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The label `namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The label `team`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Whether the routes after it, and `alerting.receiver` at last, are tried
    /// as well, as if it were not there.
    #[serde(default)]
    pub r#continue: bool,
}

impl Route {
    /// Labels with the values they must have.
    #[must_use]
    pub fn labels(&self) -> Vec<(&'static str, &str)> {
        [("severity", &self.severity), ("namespace", &self.namespace), ("team", &self.team)]
            .into_iter()
            .filter_map(|(label, value)| value.as_deref().map(|value| (label, value)))
            .collect()
    }
}

/// `[alerting.self-test]`: an alert that only proves that it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SelfTest {
    /// When every receiver is tried; only by `odin alerts test` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// Namespace and name of the Secret that the declaration becomes.
pub const ALERTMANAGER_SECRET: (&str, &str) = ("monitoring", "alertmanager-config");

/// Receiver of the bundle's default configuration that tells nobody.
pub const NOBODY: &str = "null";

impl Alerting {
    pub(super) fn validate(&self, secrets: &[Secret]) -> Result<(), Impossible> {
        let mut names = BTreeSet::new();
        for receiver in &self.receivers {
            receiver.validate()?;
            if !names.insert(receiver.name.as_str()) {
                return Err(Impossible::new(
                    "alerting.receivers.name",
                    &receiver.name,
                    "is the name of two receivers",
                ));
            }
        }
        let known = |key: &str, name: &String| {
            if names.contains(name.as_str()) || name == NOBODY {
                return Ok(());
            }
            Err(Impossible::new(key, name, "is no receiver: none of [[alerting.receivers]] has this name"))
        };
        for (key, named) in [("alerting.receiver", &self.receiver), ("alerting.dead-man", &self.dead_man)] {
            named.as_ref().map_or(Ok(()), |name| known(key, name))?;
        }
        for route in &self.routes {
            known("alerting.routes.receiver", &route.receiver)?;
            self.validate_route(route)?;
        }
        self.validate_intervals()?;
        let (namespace, name) = ALERTMANAGER_SECRET;
        let declared = |secret: &&Secret| secret.namespace == namespace && secret.name == name;
        if !self.receivers.is_empty()
            && let Some(secret) = secrets.iter().find(declared)
        {
            return Err(Impossible::new(
                "secrets",
                format!("{namespace}/{name} {}", secret.key),
                "is what [[alerting.receivers]] become; leave one of the two out",
            ));
        }
        self.remediation.validate()
    }

    fn validate_route(&self, route: &Route) -> Result<(), Impossible> {
        let labels = route.labels();
        if labels.is_empty() {
            return Err(Impossible::new(
                "alerting.routes",
                &route.receiver,
                "a route needs severity, namespace or team; alerting.receiver takes all the rest",
            ));
        }
        match labels.iter().find(|(_, value)| !is_label(value)) {
            Some((label, value)) => Err(Impossible::new(
                format!("alerting.routes.{label}"),
                value,
                "must be the whole value of that label: small letters, digits and dashes",
            )),
            None => Ok(()),
        }
    }

    fn validate_intervals(&self) -> Result<(), Impossible> {
        let spans = [
            ("alerting.dead-man-interval", self.dead_man_interval),
            ("alerting.group-interval", self.group_interval),
            ("alerting.repeat-interval", self.repeat_interval),
        ];
        for (key, span) in spans {
            if span.is_some_and(|span| span < Duration::from_secs(1)) {
                return Err(Impossible::new(key, "0s", "must be a second or longer"));
            }
        }
        if self.dead_man_interval.is_some() && self.dead_man.is_none() {
            return Err(Impossible::new(
                "alerting.dead-man-interval",
                "",
                "needs alerting.dead-man, the receiver it is about",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
