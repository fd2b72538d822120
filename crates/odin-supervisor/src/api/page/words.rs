//! Facts in the words of the page.

use super::{Report, Seen, age, moment, short};

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
