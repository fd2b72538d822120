//! DCGM's metrics, with DCGM's labels.

use std::sync::LazyLock;
use std::time::Instant;

use super::{Page, View};
use crate::catalogue::CATALOGUE;
use crate::dcgm::{ROWS, Row, Source};
use crate::events::{CLOCK_EVENT_REASONS, WINDOW};
use crate::fleet::Fleet;
use crate::labels::label;

/// A row with its slots looked up once.
struct Resolved {
    row: &'static Row,
    slots: Vec<usize>,
    factor: f64,
    /// The slot of a MIG device that means the same.
    of_instance: Option<usize>,
}

static RESOLVED: LazyLock<Vec<Resolved>> = LazyLock::new(|| {
    ROWS.iter()
        .map(|row| {
            let (slots, factor) = row.source.slots();
            let of_instance = match row.source {
                Source::Sample(family, "", _) => {
                    let part = family.strip_prefix("odin_gpu_").unwrap_or(family);
                    CATALOGUE.slot(&format!("odin_gpu_mig_device_{part}"), "")
                }
                _ => None,
            };
            Resolved { row, slots, factor, of_instance }
        })
        .collect()
});

pub(super) fn write(page: &mut Page<'_>, fleet: &Fleet, views: &[View], now: Instant) {
    for resolved in RESOLVED.iter() {
        write_row(page, fleet, views, resolved, resolved.row.name, now);
        if fleet.shared.options.dcgm_aliases
            && let Some(alias) = resolved.row.alias
        {
            write_row(page, fleet, views, resolved, alias, now);
        }
    }
}

fn write_row(
    page: &mut Page<'_>,
    fleet: &Fleet,
    views: &[View],
    resolved: &Resolved,
    name: &str,
    now: Instant,
) {
    let mut lines: Vec<(String, f64)> = Vec::new();
    for view in views {
        let Some(identity) = &view.identity else { continue };
        let labels = || format!("{}{}", identity.dcgm, view.pod);
        match resolved.row.source {
            Source::Sample(..) | Source::Sum(..) => {
                let Some(sample) = &view.sample else { continue };
                let at = |slot: &usize| sample.values.get(*slot).copied().unwrap_or(f64::NAN);
                let value: f64 = resolved.slots.iter().map(at).sum::<f64>() * resolved.factor;
                if !value.is_nan() && !resolved.slots.is_empty() {
                    lines.push((labels(), value));
                }
                for instance in &sample.instances {
                    let value = resolved
                        .of_instance
                        .and_then(|slot| instance.values.iter().find(|(given, _)| *given == slot));
                    if let Some((_, value)) = value {
                        let mut all = identity.dcgm.clone();
                        label(&mut all, "GPU_I_PROFILE", &instance.profile);
                        label(&mut all, "GPU_I_ID", &instance.gpu_instance.to_string());
                        lines.push((all, value * resolved.factor));
                    }
                }
            }
            Source::LastXid => {
                let counted = fleet.shared.events.counted();
                match counted.last.get(&identity.identity.uuid) {
                    Some(xid) => lines.push((labels(), *xid as f64)),
                    None if counted.listening => lines.push((labels(), 0.0)),
                    None => {}
                }
            }
            Source::XidWindow => {
                let counted = fleet.shared.events.counted();
                let theirs = counted.xids.iter().filter(|((uuid, ..), _)| *uuid == identity.identity.uuid);
                let mut by_xid = std::collections::BTreeMap::<u64, usize>::new();
                for ((_, xid, _), xids) in theirs {
                    // Both sources tell of the same error; the larger is whole.
                    let count = by_xid.entry(*xid).or_default();
                    *count = (*count).max(xids.in_window(now));
                }
                for (xid, count) in by_xid {
                    let mut all = labels();
                    label(&mut all, "window_size_in_ms", &WINDOW.as_millis().to_string());
                    label(&mut all, "xid", &xid.to_string());
                    lines.push((all, count as f64));
                }
            }
            Source::ClockEvents => {
                for (reason, count) in CLOCK_EVENT_REASONS.iter().zip(view.clock_events) {
                    if count > 0 {
                        let mut all = labels();
                        label(&mut all, "clock_event", reason);
                        lines.push((all, count as f64));
                    }
                }
            }
            Source::Nothing(_) => {}
        }
    }
    if lines.is_empty() {
        return;
    }
    page.head(name, resolved.row.help, resolved.row.kind.name());
    for (labels, value) in lines {
        page.sample(name, &labels, value);
    }
}
