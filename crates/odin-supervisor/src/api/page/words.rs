//! Facts in the words of the page.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::api::view::{Alert, moment};
use crate::applies::ApplyRecord;
use crate::operations::status::{Report, Seen, age, short};

/// Changes that a reader is shown without being asked.
const SHORT: usize = 20;

/// The status as pairs of what and how.
pub(super) fn of_report(report: &Report) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |what: &str, how: String| rows.push((what.to_owned(), how));
    let active = if report.unit_active { "active" } else { "not active" };
    row("Machine", format!("{}: {} is {active}", report.host, report.unit));
    match &report.bundle {
        Seen::Known(bundle) => row(
            "Declared",
            format!(
                "bundle {} ({}), {} components, {} objects",
                short(&bundle.digest),
                bundle.overlay,
                bundle.components,
                bundle.objects
            ),
        ),
        Seen::Unknown { unknown } => row("Declared", format!("unknown: {unknown}")),
    }
    match &report.cluster {
        Seen::Known(cluster) if cluster.digest.is_empty() => row("Applied", "nothing yet".to_owned()),
        Seen::Known(cluster) => row(
            "Applied",
            format!(
                "bundle {} as generation {}, {} objects",
                short(&cluster.digest),
                cluster.generation,
                cluster.objects
            ),
        ),
        Seen::Unknown { unknown } => row("Applied", format!("unknown: {unknown}")),
    }
    if let Seen::Known(cluster) = &report.cluster {
        for node in &cluster.nodes {
            let ready = if node.ready { "ready" } else { node.reason.as_str() };
            row(&format!("Node {}", node.name), format!("{ready}, {}", node.version));
        }
    }
    row(
        "Backup",
        report.backup.as_ref().map_or_else(
            || "none yet".to_owned(),
            |backup| {
                format!(
                    "{}, {}: {} files, {}",
                    age(backup.time),
                    short(&backup.snapshot),
                    backup.files,
                    bytes(&backup.bytes)
                )
            },
        ),
    );
    row(
        "Drill",
        report.drill.as_ref().map_or_else(
            || "none yet".to_owned(),
            |drill| {
                let verdict = if drill.passed { "passed" } else { "FAILED" };
                format!("{verdict} {}, {} files compared", age(drill.time), drill.files)
            },
        ),
    );
    if let Some(upgrade) = &report.upgrade {
        row("Upgrade", upgrade.newest.clone());
    }
    if let Some(holder) = &report.under_way {
        row("Now", holder.clone());
    }
    rows
}

/// A size for people.
pub(super) fn bytes(count: &u64) -> String {
    let count = *count;
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Exact enough for three digits, and only for people.
    #[allow(clippy::cast_precision_loss, reason = "it is rounded to one decimal anyway")]
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// The beginning of an id.
pub(super) fn id(id: &str) -> &str {
    short(id)
}

/// A time for people.
pub(super) fn time(time: &jiff::Timestamp) -> String {
    moment(*time)
}

/// A duration for people.
pub(super) fn seconds(seconds: &f64) -> String {
    if *seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

/// How long ago something was.
pub(super) fn ago(time: &jiff::Timestamp) -> String {
    age(*time)
}

/// Milliseconds for people.
pub(super) fn milliseconds(milliseconds: &u64) -> String {
    seconds(&std::time::Duration::from_millis(*milliseconds).as_secs_f64())
}

/// When an alert began, as Alertmanager says it.
pub(super) fn since(since: &str) -> String {
    // What is no time is shown as it came.
    since
        .parse()
        .map_or_else(|_| since.to_owned(), |time: jiff::Timestamp| format!("{}, {}", moment(time), age(time)))
}

/// The tone of a GPU's verdict.
pub(super) fn tone(verdict: &str) -> &'static str {
    match verdict {
        "healthy" => "good",
        "degraded" => "warn",
        _ => "bad",
    }
}

/// The tone of an alert.
pub(super) fn tone_of_alert(alert: &Alert) -> &'static str {
    match (alert.is_trouble(), alert.severity.as_str()) {
        (false, _) => "good",
        (true, "critical") => "bad",
        (true, _) => "warn",
    }
}

/// The tone of what an apply did to an object.
pub(super) fn tone_of_verb(verb: &str) -> &'static str {
    match verb {
        "created" => "good",
        "deleted" | "failed" => "bad",
        _ => "warn",
    }
}

/// A name for the place of an alert, the same at each look.
pub(super) fn anchor(alert: &Alert) -> String {
    let mut hasher = DefaultHasher::new();
    alert.labels.hash(&mut hasher);
    format!("alert-{:x}", hasher.finish())
}

/// Whether the changes of an apply are few.
pub(super) fn is_short(apply: &ApplyRecord) -> bool {
    apply.changes.len() + apply.more <= SHORT
}

/// How many changes an apply made.
pub(super) fn changes(apply: &ApplyRecord) -> String {
    match apply.changes.len() + apply.more {
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        for (count, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(bytes(&count), text);
        }
        assert_eq!(bytes(&u64::MAX), "16384.0 PiB");
    }
}
