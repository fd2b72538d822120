use std::collections::BTreeSet;

use super::*;
use crate::family;

#[test]
fn every_field_becomes_a_metric_that_has_a_help() {
    let families: BTreeSet<&str> = family::of_nvml().map(|family| family.name).collect();
    let named = all().map(|field| field.family).chain(LANES.iter().map(|lane| lane.family));
    for name in named {
        assert!(families.contains(name), "{name}");
    }
}

#[test]
fn a_number_has_one_name_and_a_name_one_number() {
    let pairs: BTreeSet<(u32, &str)> = all().map(|field| (field.id, field.nvml)).collect();
    let ids: BTreeSet<u32> = pairs.iter().map(|(id, _)| *id).collect();
    let names: BTreeSet<&str> = pairs.iter().map(|(_, name)| *name).collect();
    assert_eq!((ids.len(), names.len()), (pairs.len(), pairs.len()));
}

#[test]
fn old_numbers_are_the_new_ones_in_another_order() {
    let new: BTreeSet<u32> = (251..=273).collect();
    let translated = |id: u32| field(id, "", "").id_for(true);
    assert_eq!(new.iter().map(|id| translated(*id)).collect::<BTreeSet<_>>(), new);
    // Power smoothing came after the clock event reasons then.
    assert_eq!((translated(251), translated(269)), (256, 251));
    assert_eq!((translated(250), translated(274)), (250, 274));
    assert_eq!(field(251, "", "").id_for(false), 251);
}
