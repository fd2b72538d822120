//! Which snapshots are kept: a pure function of policy, snapshots and now.
//!
//! The newest snapshot and every held one are kept whatever the policy says,
//! and so is everything that claims to be from the future: a clock that was
//! wrong once must not cost a backup.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::engine::SnapshotInfo;
use crate::{Error, Result};

/// How many snapshots of each kind are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the last so many hours that have one.
    pub hourly: u32,
    /// The same by days.
    pub daily: u32,
    /// The same by weeks, which begin on Monday.
    pub weekly: u32,
    /// The same by months.
    pub monthly: u32,
    /// The same by years.
    pub yearly: u32,
}

/// A kept snapshot with the rules that keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The snapshot.
    pub snapshot: SnapshotInfo,
    /// Why: `newest`, `held`, `future`, `last`, `hourly`, ...
    pub reasons: Vec<String>,
}

/// What a retention comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetPlan {
    /// Kept snapshots, newest first.
    pub keep: Vec<Kept>,
    /// Forgotten ones, newest first.
    pub forget: Vec<SnapshotInfo>,
}

/// A rule: its name, how many it keeps, and the period a time falls into.
type Rule<'a> = (&'static str, u32, Box<dyn Fn(Timestamp) -> String + 'a>);

/// Plans what to forget. Periods are those of `zone`.
///
/// # Errors
///
/// Where the policy keeps nothing at all: that is never meant.
pub fn plan(
    policy: &Policy,
    snapshots: &[SnapshotInfo],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<ForgetPlan> {
    if *policy == Policy::default() {
        return Err(Error::Source {
            name: "retention".into(),
            reason: "the policy keeps no snapshot at all".into(),
        });
    }
    let mut newest_first: Vec<&SnapshotInfo> = snapshots.iter().collect();
    newest_first.sort_by(|left, right| right.time.cmp(&left.time).then_with(|| left.id.cmp(&right.id)));
    let mut rules = rules(policy, zone);
    let mut seen: Vec<BTreeSet<String>> = rules.iter().map(|_| BTreeSet::new()).collect();
    let mut plan = ForgetPlan::default();
    for (position, snapshot) in newest_first.into_iter().enumerate() {
        let mut reasons = Vec::new();
        if snapshot.time > now {
            // It keeps itself and uses up no place of the rules.
            reasons.push("future".to_owned());
        } else {
            for ((name, left, period), seen) in rules.iter_mut().zip(&mut seen) {
                if *left > 0 && seen.insert(period(snapshot.time)) {
                    *left -= 1;
                    reasons.push((*name).to_owned());
                }
            }
        }
        if position == 0 {
            reasons.push("newest".to_owned());
        }
        if snapshot.held() {
            reasons.push("held".to_owned());
        }
        if reasons.is_empty() {
            plan.forget.push(snapshot.clone());
        } else {
            plan.keep.push(Kept { snapshot: snapshot.clone(), reasons });
        }
    }
    // With a wrong clock everything but the newest could look like the future;
    // the newest that is not keeps its place above all rules.
    if !plan.keep.iter().any(|kept| kept.snapshot.time <= now)
        && let Some(index) = plan.forget.iter().position(|snapshot| snapshot.time <= now)
    {
        let snapshot = plan.forget.remove(index);
        plan.keep.push(Kept { snapshot, reasons: vec!["newest".to_owned()] });
    }
    Ok(plan)
}

fn rules<'a>(policy: &Policy, zone: &'a TimeZone) -> Vec<Rule<'a>> {
    let date = move |time: Timestamp| -> Date { zone.to_datetime(time).date() };
    vec![
        ("last", policy.last, Box::new(|time: Timestamp| time.as_nanosecond().to_string())),
        (
            "hourly",
            policy.hourly,
            // The offset tells the two hours of one name apart when clocks are
            // put back.
            Box::new(move |time| {
                format!("{} {} {}", date(time), zone.to_datetime(time).hour(), zone.to_offset(time))
            }),
        ),
        ("daily", policy.daily, Box::new(move |time| date(time).to_string())),
        (
            "weekly",
            policy.weekly,
            Box::new(move |time| {
                let week = date(time).iso_week_date();
                format!("{} {}", week.year(), week.week())
            }),
        ),
        (
            "monthly",
            policy.monthly,
            Box::new(move |time| format!("{} {}", date(time).year(), date(time).month())),
        ),
        ("yearly", policy.yearly, Box::new(move |time| date(time).year().to_string())),
    ]
}

#[cfg(test)]
mod tests;
