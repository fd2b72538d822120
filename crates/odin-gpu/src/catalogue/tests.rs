use std::collections::BTreeSet;

use super::*;

#[test]
fn every_metric_has_samples_and_every_sample_one_place() {
    let names: Vec<&str> = CATALOGUE.metrics.iter().map(|metric| metric.family.name).collect();
    let families: Vec<&str> = family::of_nvml().map(|family| family.name).collect();
    assert_eq!(names, families, "a metric without a field or getter, or one that is listed twice");
    let mut next = 0;
    for metric in &CATALOGUE.metrics {
        assert_eq!(metric.first, next, "{}", metric.family.name);
        next += metric.labels.len();
        let distinct: BTreeSet<&String> = metric.labels.iter().collect();
        assert_eq!(distinct.len(), metric.labels.len(), "{}", metric.family.name);
    }
    assert_eq!(CATALOGUE.slots(), next);
}

#[test]
fn every_call_knows_its_places() {
    for plan in &CATALOGUE.fields {
        let count = if plan.over == Over::EachLink { MAXIMUM_LINKS as usize } else { 1 };
        assert_eq!(plan.slots.len(), count, "field {}", plan.id);
    }
    for plan in &CATALOGUE.getters {
        assert!(plan.numbers.iter().all(|(_, slots)| !slots.is_empty()), "{:?}", plan.numbers);
    }
}

/// <https://prometheus.io/docs/practices/naming/>; promtool holds the rest.
#[test]
fn names_and_helps_are_in_form() {
    let mut seen = BTreeSet::new();
    for family in family::of_nvml().chain(family::of_fleet()) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(family.name.starts_with("odin_gpu_") && family.name.bytes().all(plain), "{}", family.name);
        assert!(seen.insert(family.name), "{} is there twice", family.name);
        assert!(!family.help.is_empty() && !family.help.contains(['\n', '\\']), "{}", family.name);
    }
}

#[test]
fn counters_of_links_are_never_older_than_they_may_be() {
    let table = [(1000, 15_000, 5, 30), (2000, 2500, 1, 15), (50, 15_000, 5, 30), (60_000, 90_000, 1, 1)];
    for (interval, maximum_age, links, steady) in table {
        let rhythm = Rhythm::of(Duration::from_millis(interval), Duration::from_millis(maximum_age));
        let due = |cadence| (1..).find(|round| rhythm.is_due(cadence, *round));
        assert_eq!(due(Cadence::Round), Some(1));
        assert_eq!((due(Cadence::Links), due(Cadence::Steady)), (Some(links), Some(steady)), "{interval} ms");
    }
}
