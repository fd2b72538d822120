//! What was done about an alert and what came of it: one line for each turn.

use std::collections::HashMap;

use jiff::Timestamp;
use odin_model::config::Remedy;
use serde::{Deserialize, Serialize};

/// File of the records, one JSON object a line.
pub(crate) const FILE: &str = "remedies.jsonl";

/// One remedy for one alert. Later lines of the same fingerprint and time
/// replace earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Attempt {
    /// When it was decided.
    pub(crate) time: Timestamp,
    /// Alertmanager's name of the alert's labels.
    pub(crate) fingerprint: String,
    /// The alert's name.
    pub(crate) alert: String,
    /// The remedy.
    pub(crate) action: Remedy,
    /// What it is about.
    pub(crate) target: String,
    /// Whether it was only recorded.
    pub(crate) dry_run: bool,
    /// How far it is.
    pub(crate) result: Verdict,
    /// Since when the alert fires no more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) resolved_at: Option<Timestamp>,
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It was begun; where this is the last line, `odin` was ended meanwhile.
    Begun,
    /// It would be done.
    WouldBeDone,
    /// It is done, and the alert is waited for.
    Done,
    /// It could not be done.
    Failed(String),
    /// The alert resolved in time.
    Resolved,
    /// It was done, and the alert fired on.
    NotResolved,
}

impl Verdict {
    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::WouldBeDone => "would-be-done",
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Resolved => "resolved",
            Self::NotResolved => "not-resolved",
        }
    }
}

impl Attempt {
    /// Whether its alert has fired ever since.
    pub(crate) fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// Takes note that the alert is gone since `at`; whether that is because
    /// of it. One that was found to have failed stays so.
    pub(crate) fn resolve(&mut self, at: Timestamp) -> bool {
        self.resolved_at = Some(at);
        // Ended in the middle, and the alert went: it was done far enough.
        let helped = matches!(self.result, Verdict::Done | Verdict::Begun);
        if helped {
            self.result = Verdict::Resolved;
        }
        helped
    }
}

/// The attempts that the lines of the file tell of, in their order.
pub(crate) fn fold(lines: Vec<Attempt>) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut places: HashMap<(Timestamp, String), usize> = HashMap::new();
    for line in lines {
        let place = *places.entry((line.time, line.fingerprint.clone())).or_insert(attempts.len());
        match attempts.get_mut(place) {
            Some(earlier) => *earlier = line,
            None => attempts.push(line),
        }
    }
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(result: Verdict) -> Attempt {
        Attempt {
            time: Timestamp::UNIX_EPOCH,
            fingerprint: "f".to_owned(),
            alert: "TargetDown".to_owned(),
            action: Remedy::RestartPod,
            target: "pod monitoring/a".to_owned(),
            dry_run: false,
            result,
            resolved_at: None,
        }
    }

    #[test]
    fn the_last_line_of_an_attempt_counts() {
        let other = Attempt { fingerprint: "g".to_owned(), ..attempt(Verdict::Done) };
        let lines = vec![attempt(Verdict::Begun), other.clone(), attempt(Verdict::Failed("no".to_owned()))];
        assert_eq!(fold(lines), [attempt(Verdict::Failed("no".to_owned())), other]);
    }

    #[test]
    fn only_what_was_done_in_time_resolved_an_alert() {
        let table = [
            (Verdict::Begun, true, "resolved"),
            (Verdict::Done, true, "resolved"),
            (Verdict::WouldBeDone, false, "would-be-done"),
            (Verdict::Failed("no".to_owned()), false, "failed"),
            (Verdict::NotResolved, false, "not-resolved"),
        ];
        for (verdict, helped, then) in table {
            let mut attempt = attempt(verdict);
            assert_eq!(attempt.resolve(Timestamp::UNIX_EPOCH), helped, "{then}");
            assert_eq!(attempt.result.name(), then);
            assert!(!attempt.is_open());
        }
    }

    #[test]
    fn a_record_is_one_line_that_a_person_can_read() {
        let line = serde_json::to_string(&attempt(Verdict::Failed("it is gone".to_owned()))).expect("JSON");
        assert_eq!(
            line,
            r#"{"time":"1970-01-01T00:00:00Z","fingerprint":"f","alert":"TargetDown","action":"restart-pod","target":"pod monitoring/a","dry-run":false,"result":{"failed":"it is gone"}}"#
        );
    }
}
