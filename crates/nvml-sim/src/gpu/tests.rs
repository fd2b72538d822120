use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::profile::PROFILES;
use crate::scenario::Scenario;
use crate::world::Loaded;

fn read(text: &str) -> Loaded {
    Loaded::first(Scenario::parse(text).unwrap()).unwrap()
}

fn at(loaded: Loaded, now: f64) -> Snapshot {
    let enumerated = Arc::new(loaded.cards.iter().map(|card| card.uuid.clone()).collect());
    Snapshot { loaded: Arc::new(loaded), now, enumerated }
}

fn world(text: &str, now: f64) -> Snapshot {
    at(read(text), now)
}

#[test]
fn the_draw_follows_the_load_and_stays_below_the_limit() {
    for name in PROFILES.as_ref().unwrap().keys() {
        let mut last = 0;
        for load in [0, 1, 50, 100] {
            let world = world(&format!("profile = '{name}'\ncount = 1\nload = {load}"), 0.0);
            let gpu = world.at(0).unwrap();
            let power = gpu.power().unwrap();
            assert!(power > last && power <= gpu.power_limit(), "{name} at {load}: {power}");
            assert!(gpu.temperature() < gpu.threshold(3).unwrap(), "{name} at {load} is too hot");
            last = power;
        }
    }
}

#[test]
fn the_figures_of_a_model_fit_together() {
    for (name, profile) in PROFILES.as_ref().unwrap() {
        assert!(
            profile.power.minimum <= profile.power.limit && profile.power.limit <= profile.power.maximum,
            "{name}"
        );
        assert!(profile.temperature.target < profile.temperature.slowdown, "{name}");
        assert!(profile.temperature.slowdown < profile.temperature.shutdown, "{name}");
        assert!(profile.clocks.memory.is_sorted_by(|high, low| high > low), "{name}");
        for mig in &profile.mig {
            assert!(mig.instances * mig.memory_mib <= profile.memory_mib, "{name} {}", mig.name);
            assert!(mig.placements.len() >= mig.instances as usize, "{name} {}", mig.name);
            assert!(
                mig.placements.iter().all(|start| start + mig.placement_size <= 8),
                "{name} {}",
                mig.name
            );
        }
    }
}

#[test]
fn energy_is_the_area_under_the_power() {
    let text = "count = 1\nload = { kind = 'sine', minimum = 5, maximum = 95, period = 7 }";
    let steps = 10_000;
    let width = 20.0 / f64::from(steps);
    let area: f64 = (0..steps)
        .map(|step| {
            let world = world(text, (f64::from(step) + 0.5) * width);
            f64::from(world.at(0).unwrap().power().unwrap()) * width
        })
        .sum();
    let world = world(text, 20.0);
    #[expect(clippy::cast_precision_loss, reason = "a test's number is small")]
    let energy = world.at(0).unwrap().energy().unwrap() as f64;
    assert!((energy - area).abs() < area * 1e-4, "{energy} mJ against {area} mJ");
}

#[test]
fn a_changed_curve_continues_the_counters() {
    let busy = Scenario::parse("count = 1\nload = 100").unwrap();
    let idle = Scenario::parse("count = 1\nload = 0").unwrap();
    let first = Loaded::first(busy).unwrap();
    let second = first.followed_by(idle, 10.0).unwrap();
    let before = at(first, 10.0);
    let (energy, bytes) = {
        let gpu = before.at(0).unwrap();
        (gpu.energy().unwrap(), gpu.pcie_bytes(true).unwrap())
    };
    for (now, grows) in [(10.0, false), (15.0, true)] {
        let after = at(second.followed_by(second.scenario.clone(), now).unwrap(), now);
        let gpu = after.at(0).unwrap();
        assert_eq!(gpu.energy().unwrap() > energy, grows, "an idle board draws power too");
        assert_eq!(gpu.pcie_bytes(true).unwrap(), bytes);
    }
}

#[test]
fn a_fault_begins_lasts_and_ends() {
    let text = "count = 2\n[[fault]]\ngpu = 1\nafter = 10\nfor = 5\nkind = 'lost'";
    for (now, lost) in [(9.9, false), (10.0, true), (14.9, true), (15.0, false)] {
        let world = world(text, now);
        assert_eq!(world.refused("nvmlDeviceGetName", Some(1)).is_err(), lost, "at {now}");
        assert_eq!(world.refused("nvmlDeviceGetName", Some(0)), Ok(()), "at {now}");
    }
}

#[test]
fn a_fault_that_leaves_the_file_keeps_what_it_counted() {
    let text =
        "count = 1\n[[fault]]\nkind = 'ecc-single'\ncount = 0\nrate = 2\n[[fault]]\nkind = 'remap-pending'";
    let first = read(text);
    let second = first.followed_by(Scenario::parse("count = 1").unwrap(), 10.0).unwrap();
    let world = at(second, 60.0);
    let gpu = world.at(0).unwrap();
    assert_eq!(gpu.ecc(true, None), Ok(20), "ten seconds at two a second");
    let rows = gpu.rows().unwrap();
    assert!(!rows.pending, "what is pending ends with the fault");
    assert_eq!(rows.uncorrectable, 1, "what was remapped stays");
}

#[test]
fn a_fault_of_a_changed_file_counts_from_then() {
    let first = read("count = 1");
    let text = "count = 1\n[[fault]]\nkind = 'xid'\ncode = 31\nafter = 2";
    let second = first.followed_by(Scenario::parse(text).unwrap(), 100.0).unwrap();
    let third = second.followed_by(Scenario::parse(text).unwrap(), 110.0).unwrap();
    let world = at(third, 120.0);
    let events = world.at(0).unwrap().events(0.0, 120.0);
    let times: Vec<f64> = events.iter().map(|event| event.at.floor()).collect();
    assert_eq!(times, [102.0], "once, two seconds after it was first read");
}

#[test]
fn an_xid_comes_again_and_again() {
    let text = "count = 1\n[[fault]]\nkind = 'xid'\ncode = 31\nafter = 1\nfor = 10\nevery = 2";
    let world = world(text, 100.0);
    let gpu = world.at(0).unwrap();
    let all = gpu.events(0.0, 100.0);
    assert_eq!(all.len(), 6, "1, 3, 5, 7, 9, 11: {all:?}");
    // Asked piece by piece, each is told once.
    let mut told = Vec::new();
    let mut after = 0.0;
    while let Some(event) = gpu.events(after, 100.0).first() {
        after = event.at;
        told.push(*event);
    }
    assert_eq!(told, all);
}

#[test]
fn calls_are_held_up_by_name() {
    let text = "count = 2\n[[fault]]\ngpu = 0\nkind = 'hang'\ncalls = ['nvmlDeviceGetName']\n\
                [[fault]]\ngpu = 1\nkind = 'slow'\nseconds = 0.5";
    let world = world(text, 1.0);
    assert_eq!(world.delay("nvmlDeviceGetName", Some(0)), Some(f64::INFINITY));
    assert_eq!(world.delay("nvmlDeviceGetUUID", Some(0)), None);
    assert_eq!(world.delay("nvmlDeviceGetUUID", Some(1)), Some(0.5));
    assert_eq!(world.delay("nvmlSystemGetDriverVersion", None), None);
}

#[test]
fn mig_instances_are_placed_where_they_fit() {
    let text = "[[gpu]]\nmig = ['3g.40gb', '3g.40gb', '1g.10gb']";
    let world = world(text, 0.0);
    let gpu = world.at(0).unwrap();
    let placed: Vec<u32> = gpu.slices().iter().map(|slice| slice.start).collect();
    assert_eq!(placed, [0, 4], "no memory slice is left for the third");
    let remaining = |name: &str| {
        let profile = gpu.card.profile.mig.iter().find(|profile| profile.name == name).unwrap();
        gpu.remaining(profile)
    };
    assert_eq!(remaining("1g.10gb"), 0);
    let world = self::world("[[gpu]]\nmig = ['3g.40gb']", 0.0);
    let gpu = world.at(0).unwrap();
    let profile = gpu.card.profile.mig.iter().find(|profile| profile.name == "1g.10gb").unwrap();
    assert_eq!(gpu.remaining(profile), 3);
}

#[test]
fn a_removed_gpu_is_lost_and_others_stay_who_they_are() {
    let first = read("[[gpu]]\nuuid = 'GPU-a'\n[[gpu]]\nuuid = 'GPU-b'");
    let second = first.followed_by(Scenario::parse("[[gpu]]\nuuid = 'GPU-b'").unwrap(), 5.0).unwrap();
    let mut world = at(second, 6.0);
    world.enumerated = Arc::new(vec!["GPU-a".into(), "GPU-b".into()]);
    assert_eq!(world.at(0).err(), Some(Refusal::GpuIsLost));
    assert_eq!(world.at(1).unwrap().position(), 1);
    assert_eq!(world.at(2).err(), Some(Refusal::InvalidArgument));
}

#[test]
fn every_field_of_the_header_is_known() {
    for name in PROFILES.as_ref().unwrap().keys() {
        let world = world(&format!("profile = '{name}'\ncount = 1\nload = 50"), 5.0);
        let gpu = world.at(0).unwrap();
        for id in 1..fields::END {
            for scope in [0, u32::MAX] {
                let answer = gpu.field(id, scope);
                assert_ne!(answer, Err(Refusal::InvalidArgument), "{name}: field {id}, scope {scope}");
                assert_ne!(answer, Err(Refusal::Unknown), "{name}: field {id}, scope {scope}");
            }
        }
        assert_eq!(gpu.field(0, 0), Err(Refusal::InvalidArgument));
        assert_eq!(gpu.field(fields::END, 0), Err(Refusal::InvalidArgument));
    }
}

proptest! {
    #[test]
    fn nothing_asked_of_a_field_or_metric_panics(id in any::<u32>(), small in 0_u32..400, scope in any::<u32>()) {
        let world = world("count = 1\nload = 50", 5.0);
        let gpu = world.at(0).unwrap();
        let sample = gpu.sample();
        for id in [id, small] {
            prop_assert!(gpu.field(id, scope).is_ok() || gpu.field(id, scope).is_err());
            let metric = gpu.metric(id, &sample, &sample);
            prop_assert!(metric.is_err() || metric.is_ok_and(f64::is_finite));
        }
    }

    #[test]
    fn counters_never_fall(low in 0.0..100.0, high in 0.0..100.0, start in 0.0..50.0, length in 0.0..20.0) {
        let text = format!("count = 1\nload = {{ kind = 'square', low = {low}, high = {high}, period = 3 }}");
        let (before, after) = (world(&text, start), world(&text, start + length));
        let (before, after) = (before.at(0).unwrap(), after.at(0).unwrap());
        prop_assert!(before.energy().unwrap() <= after.energy().unwrap());
        prop_assert!(before.link_bytes(0).unwrap() <= after.link_bytes(0).unwrap());
    }
}
