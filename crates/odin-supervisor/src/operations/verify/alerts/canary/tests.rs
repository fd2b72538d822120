use odin_model::report::Verdict;

use super::*;

fn alert(fingerprint: &str, state: &str, by: &[&str], receivers: &[&str]) -> Alert {
    let receivers: Vec<Value> = receivers.iter().map(|name| json!({"name": name})).collect();
    serde_json::from_value(json!({
        "fingerprint": fingerprint, "receivers": receivers, "updatedAt": "2026-11-23T12:00:00Z",
        "status": {"state": state, "silencedBy": by},
    }))
    .expect("an alert")
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_fires_when_it_is_active_and_is_routed_when_somebody_gets_it() {
    assert_eq!(fires(&[alert("a", "active", &[], &[])], SECOND), Ok("active after 1.00 s".to_owned()));
    assert!(fires(&[alert("a", "suppressed", &[], &[])], SECOND).is_err());
    assert!(fires(&[], SECOND).is_err());
    assert_eq!(routes(&[alert("a", "active", &[], &["mail", "chat"])]), Ok("to chat, mail".to_owned()));
    assert!(routes(&[alert("a", "active", &[], &[])]).is_err());
    assert!(routes(&[]).is_err());
}

#[test]
fn two_that_are_the_same_are_one() {
    let one = |name| vec![alert(name, "active", &[], &[])];
    assert!(deduplicates(&one("a"), &one("a")).is_ok());
    assert!(deduplicates(&one("a"), &one("b")).is_err());
    assert!(deduplicates(&one("a"), &[one("a"), one("b")].concat()).is_err());
    assert!(deduplicates(&one("a"), &[]).is_err());
}

#[test]
fn a_silence_counts_with_its_owner_and_its_end() {
    let ends: Timestamp = "2026-11-23T12:03:00Z".parse().expect("a time");
    let silence = |owner: &str, ends: &str| -> Silence {
        let answer = json!({"createdBy": owner, "endsAt": ends, "status": {"state": "active"}});
        serde_json::from_value(answer).expect("a silence")
    };
    let good = silence(OWNER, "2026-11-23T12:03:00.4Z");
    let quiet = [alert("a", "suppressed", &["s1"], &[])];
    assert!(silenced(&quiet, "s1", &good, ends, SECOND).is_ok());
    for (alerts, id, kept) in [
        (quiet.to_vec(), "s2", good.clone()),
        (Vec::new(), "s1", good.clone()),
        (vec![alert("a", "active", &["s1"], &[])], "s1", good),
        (quiet.to_vec(), "s1", silence("someone", "2026-11-23T12:03:00Z")),
        (quiet.to_vec(), "s1", silence(OWNER, "2026-11-23T14:03:00Z")),
    ] {
        assert!(silenced(&alerts, id, &kept, ends, SECOND).is_err(), "{alerts:?} {id} {kept:?}");
    }
}

#[test]
fn it_resolves_when_it_is_gone() {
    assert!(resolves(&[], SECOND).is_ok());
    assert!(resolves(&[alert("a", "active", &[], &[])], SECOND).is_err());
}

#[test]
fn steps_that_were_not_reached_are_failures_and_say_why() {
    let course = Course { fires: Some(Ok("active".to_owned())), ..Course::default() };
    let rows = course.rows(Some("no endpoints"));
    let verdicts: Vec<Verdict> = rows.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts[0], Verdict::Passed);
    assert!(verdicts[1..].iter().all(|verdict| *verdict == Verdict::Failed), "{verdicts:?}");
    assert!(rows[4].reason.contains("no endpoints"), "{}", rows[4].reason);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ROWS);
}
