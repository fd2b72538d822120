use jiff::ToSpan;

use super::*;
use crate::engine::{HOLD, SnapshotId};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn snapshot(number: usize, time: Timestamp) -> SnapshotInfo {
    SnapshotInfo {
        id: SnapshotId(format!("{number:064x}")),
        time,
        host: "box".into(),
        tags: Vec::new(),
        bytes: None,
        files: None,
        added: None,
    }
}

/// One snapshot an hour, the first `hours` hours before now.
fn hourly(hours: usize, now: Timestamp) -> Vec<SnapshotInfo> {
    (0..hours).map(|hour| snapshot(hour, now - i64::try_from(hour).unwrap().hours())).collect()
}

fn kept(policy: Policy, snapshots: &[SnapshotInfo], now: Timestamp) -> usize {
    plan(&policy, snapshots, now, &TimeZone::UTC).unwrap().keep.len()
}

#[test]
fn each_rule_keeps_the_newest_of_each_period() {
    let now = at("2026-11-23T12:30:00Z");
    let year = hourly(24 * 400, now);
    for (policy, expected) in [
        (Policy { last: 5, ..Policy::default() }, 5),
        (Policy { hourly: 6, ..Policy::default() }, 6),
        (Policy { daily: 7, ..Policy::default() }, 7),
        (Policy { weekly: 4, ..Policy::default() }, 4),
        (Policy { monthly: 12, ..Policy::default() }, 12),
        // 400 days touch 2025 and 2026 only.
        (Policy { yearly: 3, ..Policy::default() }, 2),
        // The newest of a day is the newest of its week too: rules share.
        (Policy { last: 1, daily: 1, weekly: 1, monthly: 1, yearly: 1, hourly: 1 }, 1),
    ] {
        assert_eq!(kept(policy, &year, now), expected, "{policy:?}");
    }
}

#[test]
fn the_newest_and_held_ones_are_never_forgotten() {
    let now = at("2026-11-23T12:30:00Z");
    let mut snapshots = hourly(48, now);
    snapshots[40].tags.push(HOLD.to_owned());
    let plan = plan(&Policy { yearly: 1, ..Policy::default() }, &snapshots, now, &TimeZone::UTC).unwrap();
    let ids: Vec<_> = plan.keep.iter().map(|kept| kept.snapshot.id.clone()).collect();
    assert_eq!(ids, [snapshots[0].id.clone(), snapshots[40].id.clone()]);
    assert_eq!(plan.keep[1].reasons, ["held"]);
}

#[test]
fn a_clock_that_jumps_costs_nothing() {
    let now = at("2026-11-23T12:30:00Z");
    let snapshots = hourly(10, now);
    let policy = Policy { last: 3, ..Policy::default() };
    for clock in ["1970-01-01T00:00:00Z", "2026-11-22T12:30:00Z"] {
        let plan = plan(&policy, &snapshots, at(clock), &TimeZone::UTC).unwrap();
        assert!(plan.forget.is_empty(), "{clock}");
    }
    for clock in ["2026-11-24T12:30:00Z", "2038-01-20T00:00:00Z"] {
        let plan = plan(&policy, &snapshots, at(clock), &TimeZone::UTC).unwrap();
        let ids: Vec<_> = plan.keep.iter().map(|kept| &kept.snapshot.id).collect();
        assert_eq!(ids, [&snapshots[0].id, &snapshots[1].id, &snapshots[2].id], "{clock}");
    }
    let mut future = snapshots.clone();
    future.push(snapshot(99, at("2038-01-20T00:00:00Z")));
    let plan = plan(&policy, &future, now, &TimeZone::UTC).unwrap();
    assert_eq!(plan.keep.len(), 4, "one from the future uses up no place");
}

#[test]
fn an_empty_policy_is_refused_and_no_snapshots_are_no_error() {
    let now = at("2026-11-23T12:30:00Z");
    assert!(plan(&Policy::default(), &hourly(3, now), now, &TimeZone::UTC).is_err());
    let nothing = plan(&Policy { last: 1, ..Policy::default() }, &[], now, &TimeZone::UTC).unwrap();
    assert_eq!(nothing, ForgetPlan::default());
}

#[test]
fn every_snapshot_is_either_kept_or_forgotten() {
    let now = at("2026-11-23T12:30:00Z");
    let snapshots = hourly(1000, now);
    let plan =
        plan(&Policy { daily: 5, monthly: 2, ..Policy::default() }, &snapshots, now, &TimeZone::UTC).unwrap();
    assert_eq!(plan.keep.len() + plan.forget.len(), 1000);
}
