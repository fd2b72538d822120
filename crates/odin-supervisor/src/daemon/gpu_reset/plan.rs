//! Which GPU is reset next, and why the others are not; pure.

use jiff::{SignedDuration, Timestamp};
use odin_gpu::mig::Holder;
use odin_model::config::Remediation;

use crate::operations::gpu_reset::{Need, Record};

/// Records younger than this count.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What is done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// No reset, and why not.
    Nothing { held: Vec<String> },
    /// This one; and why no other.
    Reset { need: Need, held: Vec<String> },
}

/// Decides. One GPU at a time: what a reset does to the others is seen before
/// the next.
pub(super) fn decide(
    needs: &[Need],
    policy: &Remediation,
    kubelet: &Result<Vec<Holder>, String>,
    records: &[Record],
    now: Timestamp,
) -> Decision {
    let mut held = Vec::new();
    let mut chosen = None;
    for need in needs {
        match why_held(need, policy, kubelet, records, now) {
            Some(reason) => held.push(format!("{need} needs a reset ({}): {reason}", need.finding)),
            None if chosen.is_none() => chosen = Some(need.clone()),
            None => held.push(format!("{need} needs a reset: another is reset first")),
        }
    }
    match chosen {
        Some(need) => Decision::Reset { need, held },
        None => Decision::Nothing { held },
    }
}

/// Why a GPU is not reset now, if so.
fn why_held(
    need: &Need,
    policy: &Remediation,
    kubelet: &Result<Vec<Holder>, String>,
    records: &[Record],
    now: Timestamp,
) -> Option<String> {
    if need.lasted < policy.after {
        return Some(format!("for less than {} s so far", policy.after.as_secs()));
    }
    let today = records
        .iter()
        .filter(|record| record.is_attempt_on(&need.uuid) && now.duration_since(record.time) < DAY)
        .count();
    if today >= usize::try_from(policy.resets_a_day).unwrap_or(usize::MAX) {
        return Some(format!("{today} resets of it in a day are enough, look at it"));
    }
    if need.is_cut {
        return Some("it is cut, and a reset takes its MIG devices away".to_owned());
    }
    why_had(need, kubelet)
}

/// Which pod has a GPU, or why nobody knows.
pub(super) fn why_had(need: &Need, kubelet: &Result<Vec<Holder>, String>) -> Option<String> {
    match kubelet {
        Err(reason) => Some(format!("the kubelet does not tell which pods have it: {reason}")),
        Ok(holders) => holders
            .iter()
            .find(|holder| holder.may_have(need.index, &need.uuid))
            .map(|holder| format!("{holder}; drain it first")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::operations::gpu_reset::Verdict;

    /// Name, who needs a reset, what the kubelet tells, what was done; which is
    /// reset, or a word of why none is.
    type Row = (&'static str, Vec<Need>, Result<Vec<Holder>, String>, Vec<Record>, Result<u32, &'static str>);

    fn need(index: u32, lasted: u64) -> Need {
        Need {
            index,
            uuid: format!("GPU-{index}"),
            finding: "row_remap_pending".to_owned(),
            is_cut: false,
            lasted: Duration::from_secs(lasted),
        }
    }

    fn record(index: u32, hours_ago: i64, verdict: Verdict, now: Timestamp) -> Record {
        Record { time: now - SignedDuration::from_hours(hours_ago), ..Record::of(&need(index, 0), verdict) }
    }

    #[test]
    fn a_gpu_is_reset_when_it_may_be() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1000);
        let policy = Remediation { resets_a_day: 2, ..Remediation::default() };
        let holder = |device: &str| Holder::new("team", "train", device);
        let free = Ok(Vec::new());
        let done = |index, hours| record(index, hours, Verdict::Begun, now);
        let table: Vec<Row> = vec![
            ("nothing", vec![], free.clone(), vec![], Err("")),
            ("free", vec![need(0, 60)], free.clone(), vec![], Ok(0)),
            ("fresh", vec![need(0, 59)], free.clone(), vec![], Err("for less than 60 s")),
            ("one at a time", vec![need(1, 90), need(2, 90)], free.clone(), vec![], Ok(1)),
            ("had", vec![need(0, 60)], Ok(vec![holder("GPU-0")]), vec![], Err("pod team/train has GPU-0")),
            ("had by index", vec![need(0, 60)], Ok(vec![holder("0")]), vec![], Err("pod team/train has 0")),
            ("another is had", vec![need(0, 60)], Ok(vec![holder("GPU-1")]), vec![], Ok(0)),
            ("a part is had", vec![need(0, 60)], Ok(vec![holder("MIG-7")]), vec![], Err("MIG-7")),
            ("the second is free", vec![need(0, 60), need(1, 60)], Ok(vec![holder("GPU-0")]), vec![], Ok(1)),
            ("no kubelet", vec![need(0, 60)], Err("no socket".to_owned()), vec![], Err("no socket")),
            ("once today", vec![need(0, 60)], free.clone(), vec![done(0, 1)], Ok(0)),
            ("twice today", vec![need(0, 60)], free.clone(), vec![done(0, 1), done(0, 23)], Err("2 resets")),
            ("yesterday", vec![need(0, 60)], free.clone(), vec![done(0, 1), done(0, 24)], Ok(0)),
            ("of another", vec![need(0, 60)], free.clone(), vec![done(1, 1), done(1, 2)], Ok(0)),
            (
                "what came of it is not another",
                vec![need(0, 60)],
                free.clone(),
                vec![
                    done(0, 1),
                    record(0, 1, Verdict::Failed("no".to_owned()), now),
                    record(0, 1, Verdict::WouldBeDone, now),
                ],
                Ok(0),
            ),
            ("cut", vec![Need { is_cut: true, ..need(0, 60) }], free, vec![], Err("MIG devices")),
        ];
        for (name, needs, kubelet, records, wanted) in table {
            match (decide(&needs, &policy, &kubelet, &records, now), wanted) {
                (Decision::Reset { need, .. }, Ok(index)) => assert_eq!(need.index, index, "{name}"),
                (Decision::Nothing { held }, Err(reason)) => {
                    assert!(held.join("").contains(reason), "{name}: {held:?}");
                    assert_eq!(held.len(), needs.len(), "{name}: every one has its reason");
                }
                (decision, wanted) => panic!("{name}: {decision:?}, wanted {wanted:?}"),
            }
        }
    }
}
