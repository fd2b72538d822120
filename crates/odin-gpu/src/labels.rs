//! Labels, written once for each device.

use std::sync::LazyLock;

use crate::catalogue::CATALOGUE;
use crate::dcgm;
use crate::events::{CLOCK_EVENT_REASONS, CLOCK_EVENTS};
use crate::fleet::Options;
use crate::identity::Identity;
use crate::nvml::Session;
use crate::sample::Labelled;

/// Writes the labels of a device.
pub(crate) fn of(identity: Identity, session: &Session, options: &Options) -> Labelled {
    let mut short = String::new();
    label(&mut short, "gpu", &identity.index.to_string());
    label(&mut short, "UUID", &identity.uuid);
    let mut all = short.clone();
    label(&mut all, "pci_bus_id", &identity.pci_bus_id);
    label(&mut all, "device", &format!("nvidia{}", identity.minor.unwrap_or(identity.index)));
    label(&mut all, "modelName", &identity.name);
    label(&mut all, "hostname", &options.hostname);
    let driver = session.nvml().sys_driver_version().unwrap_or_default();
    let nvml = session.nvml().sys_nvml_version().unwrap_or_default();
    for name in &options.dcgm_labels {
        if let Some(value) = dcgm::label_value(name, &identity, &driver, &nvml) {
            label(&mut all, name, value);
        }
    }
    Labelled { identity, short, dcgm: all }
}

/// Adds one label; a value may hold anything.
pub(crate) fn label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// The labels of one sample.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        label(&mut text, name, value);
    }
    text
}

/// Slots of the clock event reasons.
pub(crate) fn clock_event_slots() -> &'static [Option<usize>; CLOCK_EVENTS] {
    static SLOTS: LazyLock<[Option<usize>; CLOCK_EVENTS]> = LazyLock::new(|| {
        CLOCK_EVENT_REASONS
            .map(|reason| CATALOGUE.slot("odin_gpu_clock_event_active", &labels(&[("reason", reason)])))
    });
    &SLOTS
}
