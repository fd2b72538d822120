use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use odin_model::config::Window;

use super::super::record::Verdict;
use super::*;
use crate::alerting::alertmanager::AlertStatus;

/// Midnight, and the alerts fire for two minutes.
fn now() -> Zoned {
    (Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 100)).to_zoned(TimeZone::UTC)
}

fn alert(name: &str, remedy: &str, labels: &[(&str, &str)]) -> Alert {
    let mut all = vec![("alertname", name)];
    all.extend(labels);
    Alert {
        labels: all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        annotations: [(ANNOTATION.to_owned(), remedy.to_owned())].into(),
        starts_at: now().timestamp() - SignedDuration::from_secs(120),
        fingerprint: name.to_lowercase(),
        status: AlertStatus { state: "active".to_owned(), silenced_by: vec![], inhibited_by: vec![] },
    }
}

fn pod(name: &str) -> Alert {
    alert("Pod", "restart-pod", &[("namespace", "monitoring"), ("pod", name)])
}

fn node(remedy: &str, labels: &[(&str, &str)]) -> Alert {
    let mut all = vec![("instance", "node-1")];
    all.extend(labels);
    alert("Node", remedy, &all)
}

fn attempt(fingerprint: &str, target: &str, minutes_ago: i64, result: Verdict, resolved: bool) -> Attempt {
    let time = now().timestamp() - SignedDuration::from_mins(minutes_ago);
    Attempt {
        time,
        fingerprint: fingerprint.to_owned(),
        alert: "Pod".to_owned(),
        action: Remedy::RestartPod,
        target: target.to_owned(),
        dry_run: false,
        result,
        resolved_at: resolved.then_some(time),
    }
}

fn declared() -> AlertRemediation {
    AlertRemediation {
        actions: Remedy::ALL.to_vec(),
        dry_run: false,
        units: vec!["odin-gpu.service".to_owned()],
        window: Window::try_from("23:00-01:00".to_owned()).ok(),
        ..AlertRemediation::default()
    }
}

fn decided(alerts: &[Alert], attempts: &[Attempt], declared: &AlertRemediation, leads: bool) -> Decision {
    let policy = Policy { declared, node: "node-1", k3s_unit: "k3s.service", leads };
    decide(alerts, attempts, &policy, &now())
}

#[test]
fn every_remedy_finds_its_target() {
    let table = [
        (pod("a"), "pod monitoring/a"),
        (
            alert("W", "restart-workload", &[("namespace", "monitoring"), ("workload", "Deployment/a")]),
            "Deployment monitoring/a",
        ),
        (node("restart-unit", &[("unit", "odin-gpu.service")]), "unit odin-gpu.service"),
        (node("clean-images", &[]), "machine node-1"),
        (node("clean-journal", &[]), "machine node-1"),
        (node("rotate-certificate", &[]), "unit k3s.service"),
        (node("cordon", &[]), "node node-1"),
        (alert("B", "backup-now", &[]), "backups"),
        (alert("A", "apply", &[]), "bundle"),
    ];
    for (alert, target) in table {
        let decision = decided(std::slice::from_ref(&alert), &[], &declared(), true);
        let found: Vec<String> = decision.acts.iter().map(|act| act.target.to_string()).collect();
        assert_eq!(found, [target], "{:?}", decision.held);
    }
}

#[test]
fn an_api_server_is_named_by_an_address_or_not_at_all() {
    use crate::alerting::remediation::name_the_machine;

    let units = AlertRemediation { units: vec!["k3s.service".to_owned()], ..declared() };
    let table = [
        (&[("instance", "10.0.0.1:6443")][..], true),
        (&[("instance", "10.0.0.2:6443")], false),
        (&[("instance", "node-2")], false),
        (&[], true),
    ];
    for (instance, mine) in table {
        let mut labels = vec![("unit", "k3s.service")];
        labels.extend(instance);
        let mut alerts = [alert("ApiServerDown", "restart-unit", &labels)];
        name_the_machine(&mut alerts, "node-1", |address| address.to_string() == "10.0.0.1");
        // Without an API server nobody leads.
        let decision = decided(&alerts, &[], &units, false);
        assert_eq!(!decision.acts.is_empty(), mine, "{instance:?}: {:?}", decision.held);
    }
    // What cleans a machine needs to know which.
    let decision = decided(&[alert("Disk", "clean-journal", &[])], &[], &declared(), true);
    assert!(decision.acts.is_empty());
}

#[test]
fn what_may_not_be_is_held_with_its_reason() {
    let fresh = Alert { starts_at: now().timestamp() - SignedDuration::from_secs(59), ..pod("a") };
    let only = |actions: Vec<Remedy>| AlertRemediation { actions, ..declared() };
    let day = || AlertRemediation { window: Window::try_from("02:00-04:00".to_owned()).ok(), ..declared() };
    let slow = || AlertRemediation { maximum_an_hour: 1, ..declared() };
    let at = |minutes, result, resolved| vec![attempt("pod", "pod monitoring/a", minutes, result, resolved)];
    let other = |target: &str| vec![attempt("x", target, 5, Verdict::Resolved, true)];
    let users = alert("Pod", "restart-pod", &[("namespace", "workloads"), ("pod", "a")]);
    let table: Vec<(&str, Alert, Vec<Attempt>, AlertRemediation)> = vec![
        ("no such remedy", alert("X", "reboot", &[]), vec![], declared()),
        ("not among alerting.remediation.actions", pod("a"), vec![], only(vec![Remedy::Cordon])),
        ("not among alerting.remediation.actions", pod("a"), vec![], AlertRemediation::default()),
        ("workloads is not among alerting.remediation.namespaces", users, vec![], declared()),
        ("no label pod", alert("Pod", "restart-pod", &[("namespace", "monitoring")]), vec![], declared()),
        (
            "not KIND/NAME",
            alert("W", "restart-workload", &[("namespace", "monitoring"), ("workload", "a")]),
            vec![],
            declared(),
        ),
        ("sshd.service is not among", node("restart-unit", &[("unit", "sshd.service")]), vec![], declared()),
        ("waits for 02:00-04:00", node("rotate-certificate", &[]), vec![], day()),
        ("less than 60 s", fresh, vec![], declared()),
        ("fires since: done", pod("a"), at(5, Verdict::Done, false), declared()),
        ("fires since: begun", pod("a"), at(5, Verdict::Begun, false), declared()),
        // Never twice for one alert, however long ago.
        ("fires since: not-resolved", pod("a"), at(900, Verdict::NotResolved, false), declared()),
        ("fires since: failed", pod("a"), at(900, Verdict::Failed(String::new()), false), declared()),
        ("cools down", pod("a"), at(29, Verdict::Resolved, true), declared()),
        ("cools down", pod("a"), other("pod monitoring/a"), declared()),
        ("1 remedies in an hour are enough", pod("a"), other("pod monitoring/b"), slow()),
    ];
    for (reason, alert, attempts, declared) in table {
        let decision = decided(&[alert], &attempts, &declared, true);
        assert_eq!(decision.acts, [], "{reason}");
        assert!(decision.held[0].1.contains(reason), "{reason}: {:?}", decision.held);
    }
}

#[test]
fn what_is_no_name_is_no_target() {
    let in_monitoring = |label: &str, value: &str| {
        vec![("namespace".to_owned(), "monitoring".to_owned()), (label.to_owned(), value.to_owned())]
    };
    let long = "a".repeat(254);
    for name in ["gpu-01?x", "a/b", "a/../b", "..", "a%2fb", "A", "-a", "a.", "a b", "a\nb", &long] {
        let table = [
            ("cordon", vec![("instance".to_owned(), name.to_owned())]),
            ("restart-pod", in_monitoring("pod", name)),
            (
                "restart-pod",
                vec![("namespace".to_owned(), name.to_owned()), ("pod".to_owned(), "a".to_owned())],
            ),
            ("restart-workload", in_monitoring("workload", &format!("Deployment/{name}"))),
        ];
        for (remedy, labels) in table {
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let decision = decided(&[alert("X", remedy, &labels)], &[], &declared(), true);
            assert_eq!(decision.acts, [], "{remedy} {name}");
            assert!(decision.held[0].1.contains("no name of an object"), "{:?}", decision.held);
        }
    }
    for unit in ["-a.service", "a", "a/b.service", "a b.service", "a.service;b", ""] {
        let decision = decided(&[node("restart-unit", &[("unit", unit)])], &[], &declared(), true);
        assert_eq!(decision.acts, [], "{unit}");
        assert!(decision.held[0].1.contains("unit"), "{:?}", decision.held);
    }
    // As it is by itself: two dots, an escape, an instance.
    let escaped = r"odin-gpu@dev-disk\x2d1.service";
    let declared = AlertRemediation { units: vec![escaped.to_owned()], ..declared() };
    let decision = decided(&[node("restart-unit", &[("unit", escaped)])], &[], &declared, true);
    assert_eq!(decision.acts.len(), 1, "{:?}", decision.held);
    let dotted = decided(&[alert("N", "cordon", &[("instance", "gpu-01.site.local")])], &[], &declared, true);
    assert_eq!(dotted.acts.len(), 1, "{:?}", dotted.held);
}

#[test]
fn what_is_over_does_not_count() {
    let table = [
        attempt("pod", "pod monitoring/a", 30, Verdict::Resolved, true),
        attempt("pod", "pod monitoring/a", 120, Verdict::Failed(String::new()), true),
        // Only told, not done.
        Attempt { dry_run: true, ..attempt("pod", "pod monitoring/a", 1, Verdict::WouldBeDone, false) },
    ];
    for attempt in table {
        let decision = decided(&[pod("a")], std::slice::from_ref(&attempt), &declared(), true);
        assert_eq!(decision.acts.len(), 1, "{attempt:?}: {:?}", decision.held);
    }
}

#[test]
fn a_dry_run_is_told_once() {
    let dry = AlertRemediation { dry_run: true, ..declared() };
    assert_eq!(decided(&[pod("a")], &[], &dry, true).acts.len(), 1);
    let told = Attempt { dry_run: true, ..attempt("pod", "x", 100, Verdict::WouldBeDone, false) };
    assert_eq!(decided(&[pod("a")], &[told], &dry, true).acts, []);
}

#[test]
fn only_active_alerts_of_ones_own_are_looked_at() {
    let silenced = Alert {
        status: AlertStatus {
            state: "suppressed".to_owned(),
            silenced_by: vec!["s".to_owned()],
            inhibited_by: vec![],
        },
        ..pod("a")
    };
    let unasked = Alert { annotations: [].into(), ..pod("a") };
    let elsewhere = alert("N", "clean-journal", &[("instance", "node-2")]);
    for alert in [silenced, unasked, elsewhere] {
        assert_eq!(decided(&[alert], &[], &declared(), true), Decision::default());
    }
    // A server that does not lead restores its own machine and nothing else.
    assert_eq!(decided(&[pod("a")], &[], &declared(), false), Decision::default());
    assert_eq!(decided(&[node("clean-journal", &[])], &[], &declared(), false).acts.len(), 1);
}

#[test]
fn one_round_keeps_the_limits_too() {
    let named = |name: &str| Alert { fingerprint: name.to_owned(), ..pod(name) };
    let same = Alert { fingerprint: "other".to_owned(), ..pod("a") };
    let decision = decided(&[named("a"), same], &[], &declared(), true);
    assert_eq!((decision.acts.len(), decision.held.len()), (1, 1));
    assert!(decision.held[0].1.contains("for another alert"));
    let two = AlertRemediation { maximum_an_hour: 2, after: Duration::ZERO, ..declared() };
    let decision = decided(&[named("a"), named("b"), named("c")], &[], &two, true);
    assert_eq!((decision.acts.len(), decision.held.len()), (2, 1));
}
