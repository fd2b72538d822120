use serde_json::json;

use super::*;

fn targets(rows: &[(&str, &str, &str)]) -> Targets {
    let targets: Vec<Value> = rows
        .iter()
        .map(|(job, health, error)| {
            json!({
                "labels": {"job": job, "instance": "n1"}, "health": health,
                "lastError": error, "scrapeInterval": "1m30s", "scrapePool": job,
            })
        })
        .collect();
    serde_json::from_value(json!({ "activeTargets": targets, "droppedTargets": [] })).expect("targets")
}

#[test]
fn answers_that_are_something_else_are_refused() {
    let wrong = [json!({}), json!({"activeTargets": [{}]}), json!({"activeTargets": null}), json!([])];
    for answer in wrong {
        assert!(serde_json::from_value::<Targets>(answer.clone()).is_err(), "{answer}");
    }
    assert!(serde_json::from_value::<Rules>(json!({"groups": [{"name": "g"}]})).is_err());
    assert!(serde_json::from_value::<Runtime>(json!({"storageRetention": "6h"})).is_err());
    assert!(serde_json::from_value::<Storage>(json!({"headStats": {"numSeries": "many"}})).is_err());
    assert!(serde_json::from_value::<Answer<Value>>(json!({"status": "error", "error": "no"})).is_err());
}

#[test]
fn a_target_that_is_not_up_is_named_with_its_reason() {
    assert_eq!(up(&targets(&[("a", "up", ""), ("b", "up", "")])), Ok("2 targets".to_owned()));
    let down = up(&targets(&[("a", "up", ""), ("b", "down", "refused")]));
    assert_eq!(down, Err("b at n1: refused".to_owned()));
    let unknown = targets(&[("b", "unknown", "")]);
    assert!(!unknown.settled());
    assert_eq!(up(&unknown), Err("b at n1: unknown".to_owned()));
    assert!(up(&targets(&[])).is_err() && !targets(&[]).settled());
    let many = targets(&[("a", "down", "x"); 7]);
    assert!(up(&many).expect_err("down").ends_with("; and 2 more"));
}

#[test]
fn a_job_without_a_target_is_named() {
    let seen = targets(&[("kubelet", "up", ""), ("pods", "down", "")]);
    assert_eq!(found(&seen, &["kubelet"].into()), Ok("kubelet, pods".to_owned()));
    let missing = found(&seen, &["kubelet", "loki", "gpu"].into());
    assert_eq!(missing, Err("job gpu has no target; job loki has no target".to_owned()));
}

#[test]
fn samples_are_fresh_for_two_intervals() {
    let intervals = targets(&[("a", "up", "")]).intervals().expect("intervals");
    assert_eq!(intervals["a"], Duration::from_secs(90));
    let judge =
        |age: Option<f64>| fresh(&age.map(|age| ("a".to_owned(), age)).into_iter().collect(), &intervals);
    assert!(judge(Some(180.0)).is_ok());
    for age in [Some(180.1), Some(f64::NAN), Some(f64::INFINITY), None] {
        assert!(judge(age).is_err(), "{age:?}");
    }
    assert!(fresh(&BTreeMap::new(), &BTreeMap::new()).is_err());
    for text in ["", "soon", "-5s"] {
        assert!(seconds(text).is_err(), "{text}");
    }
}

#[test]
fn retention_is_by_time_and_by_size() {
    let runtime = |told: &str| Runtime { reload_config_success: true, storage_retention: told.to_owned() };
    let table = [
        ("6h or 128MiB", true),
        ("15d or 8GiB", true),
        ("15d", false),
        ("8GiB", false),
        ("0s or 8GiB", false),
        ("15d or 0B", false),
        ("", false),
    ];
    for (told, holds) in table {
        assert_eq!(retention(&runtime(told)).is_ok(), holds, "{told}");
    }
}

#[test]
fn a_rule_that_fails_and_a_refused_configuration_are_failures() {
    let made = |health: &str, error: Option<&str>| -> Rules {
        let rule = json!({"name": "Up", "health": health, "lastError": error.unwrap_or_default()});
        serde_json::from_value(json!({"groups": [{"name": "g", "rules": [rule]}]})).expect("rules")
    };
    let runtime = |reload_config_success| Runtime { reload_config_success, storage_retention: String::new() };
    assert_eq!(rules(&made("ok", None), &runtime(true)), Ok("1 rules in 1 groups".to_owned()));
    assert!(rules(&made("ok", None), &runtime(false)).is_err());
    assert_eq!(rules(&made("err", Some("bad")), &runtime(true)), Err("Up of g: bad".to_owned()));
    assert!(rules(&made("unknown", None), &runtime(true)).is_err() && !made("unknown", None).settled());
    assert!(rules(&Rules { groups: Vec::new() }, &runtime(true)).is_err());
}

#[test]
fn dropped_samples_are_counted_and_silence_is_no_proof() {
    assert!(accepted(&[("duplicates", Some(0.0))]).is_ok());
    assert_eq!(
        accepted(&[("duplicates", Some(1.2)), ("out of order", Some(0.0))]),
        Err("2 samples were dropped in 15 min: duplicates".to_owned())
    );
    assert!(accepted(&[("duplicates", None)]).is_err());
}

fn sample(what: &str, value: f64) -> Sample {
    Sample { labels: [("what".to_owned(), what.to_owned())].into(), value }
}

#[test]
fn the_storage_is_healthy_when_it_says_so_of_everything() {
    let head = |num_series| Storage { head_stats: Head { num_series } };
    let told = [sample("", 5.0)];
    assert_eq!(storage(&head(7), &told, &[]), Ok("7 series".to_owned()));
    assert!(storage(&head(0), &told, &[]).is_err());
    assert!(storage(&head(7), &[], &[]).is_err());
    assert!(storage(&head(7), &[sample("", 4.0)], &[]).is_err());
    let failed = storage(&head(7), &told, &[sample("wal_corruptions", 1.0)]);
    assert_eq!(failed, Err("wal_corruptions rose in 3 h".to_owned()));
}

#[test]
fn object_state_tells_of_every_node() {
    assert!(object_state(2, &[sample("", 2.0)]).is_ok());
    assert!(object_state(2, &[sample("", 1.0)]).is_err());
    assert!(object_state(2, &[]).is_err());
}

#[test]
fn only_a_vector_of_numbers_is_samples() {
    let read = |answer: Value| serde_json::from_value::<Vector>(answer).expect("an answer").samples();
    let one = json!({"metric": {"job": "a"}, "value": [1.5, "2"]});
    let good = read(json!({"resultType": "vector", "result": [one]})).expect("samples");
    assert_eq!((good[0].label("job"), good[0].value), (Some("a"), 2.0));
    assert_eq!(read(json!({"resultType": "vector", "result": []})), Ok(vec![]));
    for wrong in [
        json!({"resultType": "matrix", "result": []}),
        json!({"resultType": "scalar", "result": [1, "2"]}),
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}),
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [1, "many"]}]}),
        json!({"resultType": "vector", "result": [7]}),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}
