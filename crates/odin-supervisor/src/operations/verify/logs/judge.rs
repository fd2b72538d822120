//! What Loki's answers mean. Pure: answers in, findings out.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::operations::verify::stack::Finding;

/// How long a line may be under way.
const DELAY: SignedDuration = SignedDuration::from_secs(10);
/// The part of its queue that a collector may have filled.
const FULL: f64 = 0.9;

/// What `/config` tells, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    compactor: Compactor,
    limits_config: Limits,
}

#[derive(Debug, Deserialize)]
struct Compactor {
    #[serde(default)]
    retention_enabled: bool,
}

#[derive(Debug, Deserialize)]
struct Limits {
    #[serde(default)]
    retention_period: String,
}

/// Loki says that it is ready.
pub(super) fn ready(page: &str) -> Finding {
    match page.trim() {
        "ready" => Ok("it is ready".to_owned()),
        other => Err(format!("Loki is not ready: {:?}", other.lines().next().unwrap_or_default())),
    }
}

/// Old lines are deleted.
pub(super) fn retention(settings: &Settings) -> Finding {
    let period = &settings.limits_config.retention_period;
    if !settings.compactor.retention_enabled {
        return Err("Loki's compactor deletes nothing".to_owned());
    }
    // Loki's own word for never.
    if period.is_empty() || period.starts_with('0') {
        return Err(format!("Loki keeps lines for ever: retention_period is {period:?}"));
    }
    Ok(format!("lines are kept for {period}"))
}

/// What a search brought.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// A line, with the time it was written at.
    Line(Timestamp),
}

/// Reads the answer to a search for one line.
pub(super) fn found(answer: &Value) -> Result<Found, String> {
    let refused = || "Loki answered with something that is no line".to_owned();
    let streams = answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(refused)?;
    let mut lines = Vec::new();
    for stream in streams {
        for line in stream["values"].as_array().ok_or_else(refused)? {
            let nanoseconds =
                line[0].as_str().and_then(|text| text.parse::<i128>().ok()).ok_or_else(refused)?;
            lines.push(Timestamp::from_nanosecond(nanoseconds).map_err(|_| refused())?);
        }
    }
    match lines.as_slice() {
        [] => Ok(Found::Nothing),
        [one] => Ok(Found::Line(*one)),
        more => Err(format!("one line was written and {} are in Loki", more.len())),
    }
}

/// The time between a line and the search that found it.
pub(super) fn delay(written: Timestamp, now: Timestamp) -> Finding {
    let took = now.duration_since(written);
    let words = format!("found {:.1} s after it was written", took.as_secs_f64().max(0.0));
    if took <= DELAY { Ok(words) } else { Err(format!("{words}, at most {} s are allowed", DELAY.as_secs())) }
}

/// No collector is about to stop reading.
pub(super) fn queue(full: &[f64]) -> Finding {
    let most = full.iter().copied().fold(0.0, f64::max);
    if full.is_empty() {
        return Err("no collector tells how full its queue is".to_owned());
    }
    if full.iter().all(|part| *part <= FULL) {
        return Ok(format!("{:.0} % of the queue is used", most * 100.0));
    }
    Err(format!("{:.0} % of the queue is used: Loki is away or too slow", most * 100.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn loki_is_ready_when_it_says_so() {
        assert!(ready("ready\n").is_ok());
        for page in ["", "Ingester not ready: waiting for 15s", "<html>ready</html>"] {
            assert!(ready(page).is_err(), "{page}");
        }
    }

    #[test]
    fn retention_is_on_and_has_an_end() {
        let table = [
            (
                json!({"compactor": {"retention_enabled": true}, "limits_config": {"retention_period": "1d"}}),
                true,
            ),
            (
                json!({"compactor": {"retention_enabled": false}, "limits_config": {"retention_period": "1d"}}),
                false,
            ),
            (
                json!({"compactor": {"retention_enabled": true}, "limits_config": {"retention_period": "0s"}}),
                false,
            ),
            (json!({"compactor": {}, "limits_config": {"retention_period": "1d"}}), false),
            (json!({"compactor": {"retention_enabled": true}, "limits_config": {}}), false),
        ];
        for (settings, holds) in table {
            let read: Settings = serde_json::from_value(settings.clone()).expect("settings");
            assert_eq!(retention(&read).is_ok(), holds, "{settings}");
        }
        assert!(serde_json::from_value::<Settings>(json!({"compactor": {}})).is_err());
    }

    #[test]
    fn a_search_finds_one_line_or_none() {
        let answer = |streams: Value| json!({"status": "success", "data": {"result": streams}});
        let line = json!(["1763900000000000001", "x"]);
        let time = Timestamp::from_nanosecond(1_763_900_000_000_000_001).expect("a time");
        assert_eq!(found(&answer(json!([]))), Ok(Found::Nothing));
        assert_eq!(found(&answer(json!([{"values": [line]}]))), Ok(Found::Line(time)));
        let wrong = [
            answer(json!([{"values": [line, line]}])),
            answer(json!([{"values": [line]}, {"values": [line]}])),
            answer(json!([{"stream": {}}])),
            answer(json!([{"values": [["now", "x"]]}])),
            answer(json!([{"values": [[]]}])),
            json!({"status": "success"}),
            json!(null),
        ];
        for answer in wrong {
            assert!(found(&answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_line_may_be_under_way_for_ten_seconds() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let written = at("2026-11-23T12:00:00Z");
        assert_eq!(
            delay(written, at("2026-11-23T12:00:01.5Z")),
            Ok("found 1.5 s after it was written".to_owned())
        );
        assert!(delay(written, at("2026-11-23T12:00:10Z")).is_ok());
        assert!(delay(written, at("2026-11-23T12:00:10.1Z")).is_err());
        // The pod's clock may be another node's.
        assert!(delay(written, at("2026-11-23T11:59:59Z")).is_ok());
    }

    #[test]
    fn a_queue_that_is_nearly_full_or_unknown_is_a_failure() {
        assert_eq!(queue(&[0.0, 0.25]), Ok("25 % of the queue is used".to_owned()));
        for full in [&[0.95][..], &[0.1, f64::NAN], &[]] {
            assert!(queue(full).is_err(), "{full:?}");
        }
    }
}
