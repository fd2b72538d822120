use jiff::SignedDuration;
use odin_model::config::{Config, Remedy};

use super::*;
use crate::appliance::Appliance;

fn shared(state: &std::path::Path) -> Shared {
    let mut config = Config::default();
    config.host.state_dir = state.to_owned();
    Shared::new(Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() })
}

fn attempt(fingerprint: &str) -> Attempt {
    Attempt {
        time: Timestamp::UNIX_EPOCH,
        fingerprint: fingerprint.to_owned(),
        alert: "TargetDown".to_owned(),
        action: Remedy::RestartPod,
        target: format!("pod monitoring/{fingerprint}"),
        dry_run: false,
        result: Verdict::Done,
        resolved_at: None,
    }
}

fn gone(fingerprint: &str) -> Gone {
    Gone { fingerprint: fingerprint.to_owned(), alert: None, since: Timestamp::UNIX_EPOCH }
}

fn results(keeper: &Keeper<'_>) -> Vec<&'static str> {
    keeper.attempts.iter().flatten().map(|attempt| attempt.result.name()).collect()
}

#[test]
fn a_record_that_cannot_be_written_ends_nothing_and_is_tried_again() {
    let state = tempfile::tempdir().expect("a directory");
    let shared = shared(state.path());
    let mut keeper = Keeper::new(&shared, AlertRemediation::default());
    keeper.attempts = Some(vec![attempt("a"), attempt("b")]);
    // A directory in the place of the file: nothing can be appended.
    let file = shared.appliance.history_dir().join(FILE);
    std::fs::create_dir_all(&file).expect("a directory");
    assert!(keeper.ended(vec![gone("a"), gone("b")], true).is_err());
    assert!(keeper.overdue(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1)).is_err());
    assert_eq!(results(&keeper), ["done", "done"]);

    std::fs::remove_dir(&file).expect("removed");
    let watchdog = |fingerprint: &str| -> Alert {
        serde_json::from_value(serde_json::json!({
            "labels": {"alertname": "Watchdog"}, "startsAt": "1970-01-01T00:00:00Z",
            "fingerprint": fingerprint, "status": {"state": "active"},
        }))
        .expect("an alert")
    };
    // Both are still remembered as gone.
    let again = keeper.watch.look(&mut vec![watchdog("w")], Timestamp::now());
    assert_eq!(again, [gone("a"), gone("b")]);
    keeper.ended(again, true).expect("recorded");
    assert_eq!(results(&keeper), ["resolved", "resolved"]);
    assert_eq!(keeper.records.lines::<Attempt>(FILE).expect("lines").len(), 2);
}
