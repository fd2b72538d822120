use std::collections::BTreeSet;

use odin_model::config::DCGM_LABELS;

use super::*;

#[test]
fn every_row_has_its_number_or_a_reason() {
    for row in ROWS {
        match row.source {
            Source::Sample(..) => assert_eq!(row.source.slots().0.len(), 1, "{}", row.name),
            Source::Sum(..) => assert_eq!(row.source.slots().0.len(), 2, "{}", row.name),
            Source::Nothing(reason) => assert!(!reason.is_empty(), "{}", row.name),
            Source::LastXid | Source::XidWindow | Source::ClockEvents => {}
        }
    }
}

#[test]
fn names_and_aliases_are_there_once() {
    let mut names = BTreeSet::new();
    for name in ROWS.iter().flat_map(|row| std::iter::once(row.name).chain(row.alias)) {
        assert!(names.insert(name), "{name}");
    }
}

/// Ids of etc/default-counters.csv at d5e5f51, without its label fields.
#[test]
fn every_counter_of_the_exporters_default_file_has_a_row() {
    let ids = [
        100, 101, 140, 150, 155, 156, 202, 203, 204, 206, 207, 230, 240, 241, 242, 243, 244, 245, 251, 252,
        253, 310, 311, 312, 313, 390, 391, 392, 393, 394, 395, 409, 419, 429, 439, 440, 449, 526, 1001, 1002,
        1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 9001, 9002, 9003, 9004,
    ];
    let rows: BTreeSet<u32> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(rows, BTreeSet::from(ids));
}

#[test]
fn every_label_that_can_be_declared_has_a_value() {
    let text = String::from("told");
    let identity = Identity {
        brand: text.clone(),
        serial: text.clone(),
        inforom_oem: text.clone(),
        inforom_ecc: text.clone(),
        inforom_power: text.clone(),
        inforom_image: text.clone(),
        vbios: text,
        ..Identity::default()
    };
    for name in DCGM_LABELS {
        assert_eq!(label_value(name, &identity, "told", "told"), Some("told"), "{name}");
        assert_eq!(label_value(name, &Identity::default(), "", ""), None, "{name}");
    }
}
