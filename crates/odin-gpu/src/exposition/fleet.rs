//! Metrics of ODIN's own: the library, the state of each device, coverage and
//! events.

use std::time::Instant;

use super::{Page, View};
use crate::coverage;
use crate::events::CLOCK_EVENT_REASONS;
use crate::family;
use crate::fleet::Fleet;
use crate::health::Verdict;
use crate::labels::{label, labels};
use crate::nvml::Unavailable;
use crate::sample::State;

/// Writes the head of a metric of ODIN's own; its help is in the table.
pub(super) fn head(page: &mut Page<'_>, name: &'static str) {
    if let Some(family) = family::of_fleet().find(|family| family.name == name) {
        page.head(family.name, family.help, family.kind());
    }
}

pub(super) fn write(page: &mut Page<'_>, fleet: &Fleet, views: &[View], now: Instant) {
    library(page, fleet, now);
    coverage_counts(page);
    devices(page, views);
    events(page, fleet, views);
    health(page, fleet, views, now);
}

fn library(page: &mut Page<'_>, fleet: &Fleet, now: Instant) {
    let library = fleet.shared.library();
    let unavailable = library.unavailable(now, fleet.shared.options.deadline);
    let name = unavailable.as_ref().map_or("open", Unavailable::name);
    head(page, "odin_gpu_library_state");
    for state in std::iter::once("open").chain(Unavailable::NAMES) {
        let value = f64::from(u8::from(state == name));
        page.sample("odin_gpu_library_state", &labels(&[("state", state)]), value);
    }
    head(page, "odin_gpu_library_opened_total");
    page.sample("odin_gpu_library_opened_total", "", library.opened as f64);
    if let (Ok(open), None) = (&library.state, unavailable) {
        head(page, "odin_gpu_driver_info");
        let versions = labels(&[("driver", &open.driver), ("nvml", &open.nvml), ("cuda", &open.cuda)]);
        page.sample("odin_gpu_driver_info", &versions, 1.0);
        head(page, "odin_gpu_devices");
        page.sample("odin_gpu_devices", "", f64::from(open.devices));
        head(page, "odin_gpu_library_calls_missing");
        page.sample("odin_gpu_library_calls_missing", "", open.session.missing() as f64);
    }
}

fn coverage_counts(page: &mut Page<'_>) {
    for (name, count) in [
        ("odin_gpu_coverage_listed", coverage::Counts::listed as fn(&coverage::Counts) -> usize),
        ("odin_gpu_coverage_covered", coverage::Counts::covered),
        ("odin_gpu_coverage_excluded", coverage::Counts::excluded),
    ] {
        head(page, name);
        for (table, counts) in coverage::counts() {
            page.sample(name, &labels(&[("table", table)]), count(counts) as f64);
        }
    }
}

fn devices(page: &mut Page<'_>, views: &[View]) {
    let identities = views.iter().filter_map(|view| Some((view, view.identity.as_ref()?)));
    if views.iter().any(|view| view.identity.is_some()) {
        head(page, "odin_gpu_info");
    }
    for (_, labelled) in identities {
        let identity = &labelled.identity;
        let mut all = labelled.short.clone();
        for (name, value) in [
            ("model", &identity.name),
            ("pci_bus_id", &identity.pci_bus_id),
            ("serial", &identity.serial),
            ("part_number", &identity.part_number),
            ("brand", &identity.brand),
            ("vbios", &identity.vbios),
            ("inforom_image", &identity.inforom_image),
            ("inforom_oem", &identity.inforom_oem),
            ("inforom_ecc", &identity.inforom_ecc),
            ("inforom_power", &identity.inforom_power),
            ("gsp_firmware", &identity.gsp_firmware),
        ] {
            label(&mut all, name, value);
        }
        page.sample("odin_gpu_info", &all, 1.0);
    }
    if views.is_empty() {
        return;
    }
    head(page, "odin_gpu_state");
    for view in views {
        for state in State::ALL {
            let mut all = view.labels();
            label(&mut all, "state", state.name());
            page.sample("odin_gpu_state", &all, f64::from(u8::from(state == view.state)));
        }
    }
    each(page, "odin_gpu_sample_age_seconds", views, |view| Some(view.age.as_secs_f64()));
    each(page, "odin_gpu_sample_duration_seconds", views, |view| view.took.map(|took| took.as_secs_f64()));
    each(page, "odin_gpu_links_age_seconds", views, |view| view.links_age.map(|age| age.as_secs_f64()));
    each(page, "odin_gpu_sample_failures_total", views, |view| Some(view.failures as f64));
    each(page, "odin_gpu_replaced_total", views, |view| Some(view.replaced as f64));
    let instances = |view: &View| {
        let sample = view.sample.clone();
        let labels = view.labels();
        let of =
            sample.map(|sample| sample.instances.iter().map(|one| one.labels(&labels)).collect::<Vec<_>>());
        of.unwrap_or_default()
    };
    let instances: Vec<String> = views.iter().flat_map(instances).collect();
    if !instances.is_empty() {
        head(page, "odin_gpu_mig_device_info");
    }
    for labels in instances {
        page.sample("odin_gpu_mig_device_info", &labels, 1.0);
    }
    if views.iter().any(|view| view.sample.is_some()) {
        head(page, "odin_gpu_answered");
    }
    for view in views {
        let Some(sample) = &view.sample else { continue };
        let answered = [("fields", sample.answered.fields), ("getters", sample.answered.getters)];
        for (table, count) in answered {
            let mut all = view.labels();
            label(&mut all, "table", table);
            page.sample("odin_gpu_answered", &all, f64::from(count));
        }
    }
}

fn health(page: &mut Page<'_>, fleet: &Fleet, views: &[View], now: Instant) {
    if let Ok(Some(baseline)) = &*fleet.baseline() {
        head(page, "odin_gpu_baseline_devices");
        page.sample("odin_gpu_baseline_devices", "", baseline.gpus.len() as f64);
        head(page, "odin_gpu_baseline_timestamp_seconds");
        page.sample("odin_gpu_baseline_timestamp_seconds", "", baseline.recorded.as_second() as f64);
    }
    let health = fleet.judge_all(views, now);
    let labels_of = |gpu: &crate::health::Gpu| {
        let uuid = gpu.identity.as_ref().map(|identity| identity.uuid.clone()).unwrap_or_default();
        labels(&[("gpu", &gpu.index.to_string()), ("UUID", &uuid)])
    };
    if !health.gpus.is_empty() {
        head(page, "odin_gpu_health");
    }
    for gpu in &health.gpus {
        let value = match gpu.verdict {
            Verdict::Healthy => 0.0,
            Verdict::Degraded => 1.0,
            Verdict::Failed => 2.0,
            Verdict::Unknown => 3.0,
        };
        page.sample("odin_gpu_health", &labels_of(gpu), value);
    }
    let of_gpus = health.gpus.iter().flat_map(|gpu| {
        let labels = labels_of(gpu);
        gpu.findings.iter().map(move |finding| (labels.clone(), finding))
    });
    let of_machine = health.findings.iter().map(|finding| (String::new(), finding));
    let mut is_headed = false;
    for (mut all, finding) in of_gpus.chain(of_machine) {
        if !is_headed {
            head(page, "odin_gpu_finding");
            is_headed = true;
        }
        label(&mut all, "finding", &finding.name);
        label(&mut all, "verdict", &finding.verdict.to_string());
        page.sample("odin_gpu_finding", &all, 1.0);
    }
}

/// One sample a device, where it has one.
pub(super) fn each(
    page: &mut Page<'_>,
    name: &'static str,
    views: &[View],
    value: impl Fn(&View) -> Option<f64>,
) {
    let mut is_headed = false;
    for view in views {
        let Some(value) = value(view) else { continue };
        if !is_headed {
            head(page, name);
            is_headed = true;
        }
        page.sample(name, &view.labels(), value);
    }
}

fn events(page: &mut Page<'_>, fleet: &Fleet, views: &[View]) {
    let counted = fleet.shared.events.counted();
    head(page, "odin_gpu_events_listening");
    page.sample("odin_gpu_events_listening", "", f64::from(u8::from(counted.listening)));
    if !counted.kinds.is_empty() {
        head(page, "odin_gpu_events_total");
    }
    for ((uuid, kind), count) in &counted.kinds {
        page.sample("odin_gpu_events_total", &labels(&[("UUID", uuid), ("event", kind)]), *count as f64);
    }
    if !counted.xids.is_empty() || !counted.unclaimed.is_empty() {
        head(page, "odin_gpu_xid_errors_total");
    }
    for ((uuid, xid, source), xids) in &counted.xids {
        let all = labels(&[("UUID", uuid), ("xid", &xid.to_string()), ("source", source.name())]);
        page.sample("odin_gpu_xid_errors_total", &all, xids.count as f64);
    }
    for ((address, xid), xids) in &counted.unclaimed {
        let all = labels(&[("pci_bus_id", address), ("xid", &xid.to_string()), ("source", "kernel")]);
        page.sample("odin_gpu_xid_errors_total", &all, xids.count as f64);
    }
    drop(counted);
    let read: Vec<&View> = views.iter().filter(|view| view.took.is_some()).collect();
    if !read.is_empty() {
        head(page, "odin_gpu_clock_events_total");
    }
    for view in read {
        for (reason, count) in CLOCK_EVENT_REASONS.iter().zip(view.clock_events) {
            let mut all = view.labels();
            label(&mut all, "reason", reason);
            page.sample("odin_gpu_clock_events_total", &all, count as f64);
        }
    }
}
