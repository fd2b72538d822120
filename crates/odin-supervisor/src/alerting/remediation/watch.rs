//! When an alert is gone.
//!
//! An alert can be missing in Alertmanager's answer although it fires: after
//! its restart until Prometheus has sent everything again, and for good when
//! Prometheus is dead. So an alert is gone only when it was missing for a
//! while, all of it with the watchdog present.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use odin_model::config::Remedy;

use super::ANNOTATION;
use crate::alerting::alertmanager::{Alert, AlertStatus};
use crate::alerting::configuration::{SELF_TEST, WATCHDOG};

/// How long an alert must be missing. Prometheus sends each again every minute
/// (`rules.alert.resend-delay`).
const GONE: SignedDuration = SignedDuration::from_secs(90);
/// How long the watchdog must be missing after it was there.
const DEAD: SignedDuration = SignedDuration::from_mins(3);
/// How long it may take to come at all: Prometheus reads its log first.
const LATE: SignedDuration = SignedDuration::from_mins(10);
/// Alerts that are remembered, those that are gone for a moment with them; what
/// comes beyond is served and not counted.
const REMEMBERED: usize = 10_000;
/// The alert that stands for a watchdog that is missing.
pub(crate) const MISSING: &str = "WatchdogMissing";
/// What that alert has in the place of Alertmanager's hash.
const FINGERPRINT: &str = "watchdog-missing";

/// What was seen of alerts so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<String, Seen>,
    watchdog: Option<Dog>,
}

#[derive(Debug)]
struct Seen {
    /// None for an attempt of an earlier life of the daemon.
    alert: Option<Alert>,
    missing_since: Option<Timestamp>,
}

/// The watchdog: when it was there last, or when it was first looked for.
#[derive(Clone, Copy, Debug)]
struct Dog {
    at: Timestamp,
    was_there: bool,
}

/// An alert that fires no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Its fingerprint.
    pub(crate) fingerprint: String,
    /// The alert, where it was seen in this life of the daemon.
    pub(crate) alert: Option<Alert>,
    /// Since when it is missing.
    pub(crate) since: Timestamp,
}

impl Watch {
    /// Waits for the end of an alert that was acted on before.
    pub(crate) fn expect(&mut self, fingerprint: &str) {
        self.seen.entry(fingerprint.to_owned()).or_insert(Seen { alert: None, missing_since: None });
    }

    /// Finds an alert gone once more by the next look: what that means could
    /// not be recorded.
    pub(crate) fn keep(&mut self, gone: Gone) {
        self.seen.insert(gone.fingerprint, Seen { alert: gone.alert, missing_since: Some(gone.since) });
    }

    /// Takes note of an answer of Alertmanager; adds to it what its silence
    /// says, and tells which alerts are gone.
    pub(crate) fn look(&mut self, alerts: &mut Vec<Alert>, now: Timestamp) -> Vec<Gone> {
        let is_watched = alerts.iter().any(|alert| alert.name() == WATCHDOG);
        // Nobody else says what is said here.
        let is_own = |alert: &Alert| [WATCHDOG, SELF_TEST].contains(&alert.name()) || is_made_here(alert);
        alerts.retain(|alert| !is_own(alert));
        let dog = match self.watchdog {
            _ if is_watched => Dog { at: now, was_there: true },
            Some(dog) => dog,
            None => Dog { at: now, was_there: false },
        };
        self.watchdog = Some(dog);
        let allowed = if dog.was_there { DEAD } else { LATE };
        if !is_watched && now.duration_since(dog.at) >= allowed {
            alerts.push(missing(dog.at));
        }
        for alert in alerts.iter() {
            if self.seen.len() < REMEMBERED || self.seen.contains_key(&alert.fingerprint) {
                let seen = Seen { alert: Some(alert.clone()), missing_since: None };
                self.seen.insert(alert.fingerprint.clone(), seen);
            }
        }
        let present: HashSet<&str> = alerts.iter().map(|alert| alert.fingerprint.as_str()).collect();
        let mut gone = Vec::new();
        self.seen.retain(|fingerprint, seen| {
            if present.contains(fingerprint.as_str()) {
                return true;
            }
            if !is_watched {
                seen.missing_since = None;
                return true;
            }
            let since = *seen.missing_since.get_or_insert(now);
            if now.duration_since(since) < GONE {
                return true;
            }
            gone.push(Gone { fingerprint: fingerprint.clone(), alert: seen.alert.take(), since });
            false
        });
        gone
    }
}

/// Whether an alert is the one that this module makes of the watchdog's
/// absence; of Alertmanager's answer none is, after [`Watch::look`].
pub(crate) fn is_made_here(alert: &Alert) -> bool {
    alert.fingerprint == FINGERPRINT
}

/// Alertmanager answers and the watchdog does not come: Prometheus is dead or
/// cannot send. Its pod has the name that the chart gives it.
fn missing(since: Timestamp) -> Alert {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Alert {
        labels: map(&[
            ("alertname", MISSING),
            ("namespace", "monitoring"),
            ("pod", "prometheus-0"),
            ("severity", "critical"),
        ]),
        annotations: map(&[
            (ANNOTATION, Remedy::RestartPod.name()),
            ("summary", "Alertmanager hears nothing from Prometheus."),
        ]),
        starts_at: since,
        fingerprint: FINGERPRINT.to_owned(),
        status: AlertStatus { state: "active".to_owned(), silenced_by: Vec::new(), inhibited_by: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str) -> Alert {
        let mut alert = missing(Timestamp::UNIX_EPOCH);
        alert.labels.insert("alertname".to_owned(), name.to_owned());
        alert.fingerprint = name.to_lowercase();
        alert
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    /// Looks at times with alerts; which are gone then, since when, and which
    /// are there.
    fn look(watch: &mut Watch, seconds: i64, names: &[&str]) -> (Vec<(String, i64)>, Vec<String>) {
        let mut alerts: Vec<Alert> = names.iter().map(|name| alert(name)).collect();
        let gone = watch.look(&mut alerts, at(seconds));
        let gone = gone.into_iter().map(|gone| (gone.fingerprint, gone.since.as_second())).collect();
        (gone, alerts.iter().map(|alert| alert.name().to_owned()).collect())
    }

    #[test]
    fn an_alert_is_gone_after_a_while() {
        let mut watch = Watch::default();
        assert_eq!(look(&mut watch, 0, &["Watchdog", "A", "B"]).1, ["A", "B"]);
        assert_eq!(look(&mut watch, 10, &["Watchdog", "B"]).0, []);
        assert_eq!(look(&mut watch, 90, &["Watchdog", "B"]).0, []);
        assert_eq!(look(&mut watch, 100, &["Watchdog", "B"]).0, [("a".to_owned(), 10)]);
        assert_eq!(look(&mut watch, 300, &["Watchdog", "B"]).0, []);
    }

    #[test]
    fn one_that_comes_back_was_not_gone() {
        let mut watch = Watch::default();
        look(&mut watch, 0, &["Watchdog", "A"]);
        look(&mut watch, 10, &["Watchdog"]);
        look(&mut watch, 60, &["Watchdog", "A"]);
        assert_eq!(look(&mut watch, 110, &["Watchdog"]).0, []);
        assert_eq!(look(&mut watch, 200, &["Watchdog"]).0, [("a".to_owned(), 110)]);
    }

    #[test]
    fn a_dead_prometheus_resolves_nothing() {
        let mut watch = Watch::default();
        look(&mut watch, 0, &["Watchdog", "A"]);
        look(&mut watch, 10, &["Watchdog"]);
        assert_eq!(look(&mut watch, 50, &[]), (vec![], vec![]));
        // Dead for long enough to do something about it.
        assert_eq!(look(&mut watch, 190, &[]), (vec![], vec![MISSING.to_owned()]));
        assert_eq!(look(&mut watch, 200, &["Watchdog"]), (vec![], vec![]));
        let gone = look(&mut watch, 290, &["Watchdog"]).0;
        assert_eq!(gone, [("a".to_owned(), 200), ("watchdog-missing".to_owned(), 200)]);
    }

    #[test]
    fn one_that_could_not_be_recorded_is_gone_again() {
        let mut watch = Watch::default();
        look(&mut watch, 0, &["Watchdog", "A"]);
        look(&mut watch, 10, &["Watchdog"]);
        let mut alerts = vec![alert("Watchdog")];
        let gone = watch.look(&mut alerts, at(100));
        watch.keep(gone[0].clone());
        let mut alerts = vec![alert("Watchdog")];
        assert_eq!(watch.look(&mut alerts, at(110)), gone);
    }

    #[test]
    fn alerts_that_come_and_go_take_a_bounded_memory() {
        let mut watch = Watch::default();
        watch.expect("acted-on");
        // Without the watchdog none of them is gone.
        for round in 0..4 {
            let names: Vec<String> = (0..4000).map(|number| format!("a{round}-{number}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(look(&mut watch, round, &names).1.len(), 4000);
        }
        assert_eq!(watch.seen.len(), REMEMBERED);
        look(&mut watch, 100, &["Watchdog"]);
        assert_eq!(look(&mut watch, 200, &["Watchdog"]).0.len(), REMEMBERED);
        assert!(watch.seen.is_empty());
    }

    #[test]
    fn a_prometheus_that_begins_has_its_time() {
        let mut watch = Watch::default();
        assert_eq!(look(&mut watch, 0, &[]).1, Vec::<String>::new());
        assert_eq!(look(&mut watch, 599, &[]).1, Vec::<String>::new());
        assert_eq!(look(&mut watch, 600, &[]).1, [MISSING]);
    }

    #[test]
    fn an_attempt_of_an_earlier_life_ends_too() {
        let mut watch = Watch::default();
        watch.expect("a");
        look(&mut watch, 0, &["Watchdog"]);
        assert_eq!(look(&mut watch, 90, &["Watchdog"]).0, [("a".to_owned(), 0)]);
    }
}
