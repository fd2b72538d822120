use serde_json::{Value, json};

use super::*;

const METRICS: &str = "\
# TYPE alertmanager_config_last_reload_successful gauge
alertmanager_config_last_reload_successful 1
alertmanager_build_info{version=\"0.31.1\"} 1
alertmanager_notifications_total{integration=\"email\"} 3
alertmanager_notifications_total{integration=\"webhook\"} 4
alertmanager_notifications_failed_total{integration=\"email\",reason=\"other\"} 0
alertmanager_notifications_failed_total{integration=\"email\",reason=\"serverError\"} 0
";

fn state() -> State {
    let answer = json!({"config": {"original": "route:"}, "versionInfo": {"version": "v1"}, "uptime": "x"});
    serde_json::from_value(answer).expect("a state")
}

fn receivers(names: &[&str]) -> Vec<Receiver> {
    names.iter().map(|name| Receiver { name: (*name).to_owned() }).collect()
}

#[test]
fn it_is_ready_with_a_configuration_it_took() {
    let mail = receivers(&["mail"]);
    assert_eq!(ready(&state(), &mail, METRICS), Ok("v1, receivers: mail".to_owned()));
    assert!(ready(&state(), &[], METRICS).is_err());
    assert!(ready(&state(), &mail, "").is_err());
    let refused = METRICS.replace("successful 1", "successful 0");
    assert!(ready(&state(), &mail, &refused).is_err());
}

#[test]
fn answers_that_are_something_else_are_refused() {
    for wrong in [json!({}), json!({"config": {}, "versionInfo": {"version": "v1"}}), json!("ok")] {
        assert!(serde_json::from_value::<State>(wrong.clone()).is_err(), "{wrong}");
    }
    for wrong in [json!({}), json!([{}]), json!([{"fingerprint": "a", "updatedAt": "soon"}])] {
        assert!(serde_json::from_value::<Vec<Alert>>(wrong.clone()).is_err(), "{wrong}");
    }
}

fn alert(updated: &str) -> Alert {
    let answer: Value = json!({
        "fingerprint": "f", "receivers": [{"name": "null"}], "updatedAt": updated,
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}, "labels": {},
    });
    serde_json::from_value(answer).expect("an alert")
}

#[test]
fn the_watchdog_is_there_and_was_repeated_lately() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    let judge = |times: &[&str]| watchdog(&times.iter().map(|time| alert(time)).collect::<Vec<_>>(), now);
    assert_eq!(judge(&["2026-11-23T11:59:50Z"]), Ok("Prometheus repeated it 10 s ago".to_owned()));
    assert!(judge(&["2026-11-23T11:00:00Z", "2026-11-23T11:57:00.5Z"]).is_ok());
    assert!(judge(&["2026-11-23T11:56:59Z"]).is_err());
    assert!(judge(&[]).is_err());
    // A clock that was set back makes nothing old.
    assert!(judge(&["2026-11-23T12:00:09Z"]).is_ok());
}

#[test]
fn failed_notifications_are_told_by_how_they_were_sent() {
    assert_eq!(sent(METRICS), Ok("7 sent and none failed since Alertmanager started".to_owned()));
    let failed = format!(
        "{METRICS}alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"a\"}} 1\n\
         alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"b\"}} 2\n"
    );
    assert!(sent(&failed).expect_err("failed").ends_with(": 3 by webhook"));
    assert!(sent("").is_err());
    let untold = "alertmanager_build_info{version=\"0.31.1\"} 1\n";
    assert!(sent(untold).is_ok_and(|words| words.starts_with("no receiver")));
    assert!(sent("alertmanager_notifications_total{integration=\"email\"} many\n").is_err());
}

#[test]
fn receivers_are_named_once() {
    assert_eq!(names(&receivers(&["b", "a", "b"])), "a, b");
}
