//! Faults of GPUs.

use std::time::{Duration, Instant};

use crate::support::{in_child, in_child_for, page, until};

/// The shortest of a few scrapes: what the exporter needs, not what else the
/// machine had to do.
fn shortest(scrape: impl Fn()) -> Duration {
    let times = (0..5).map(|_| {
        let began = Instant::now();
        scrape();
        began.elapsed()
    });
    times.min().expect("five of them")
}

#[test]
fn a_call_that_hangs_delays_no_scrape() {
    let healthy = "profile = \"h100\"\ncount = 4\n";
    in_child("faults::a_call_that_hangs_delays_no_scrape", healthy, |machine| {
        let fleet = machine.fleet();
        until(&fleet, |page| (0..4).all(|gpu| page.state(gpu) == "running"));
        machine.becomes(&format!("{healthy}[[fault]]\nkind = \"hang\"\ngpu = 1\n"));
        until(&fleet, |page| page.state(1) == "hung");
        let first = page(&fleet);
        let took = shortest(|| drop(page(&fleet)));
        assert!(took < Duration::from_millis(500), "a scrape took {took:?}");
        let age = |page: &crate::support::Page| page.get("odin_gpu_sample_age_seconds", &["gpu=\"1\""]);
        until(&fleet, |page| age(page) > age(&first));
        // Its numbers leave the page before they are wrong; the others stay.
        let page = until(&fleet, |page| page.samples("DCGM_FI_DEV_GPU_TEMP").len() == 3);
        assert!((0..4).all(|gpu| gpu == 1 || page.state(gpu) == "running"));
        assert!(page.get("odin_gpu_info", &["gpu=\"1\""]).is_some(), "who hangs is still told");
        // When the cause is gone it is read again.
        machine.becomes(healthy);
        until(&fleet, |page| page.state(1) == "running" && page.samples("DCGM_FI_DEV_GPU_TEMP").len() == 4);
    });
}

#[test]
fn sixteen_gpus_that_all_hang_are_sixteen_states() {
    let healthy = "profile = \"h100\"\ncount = 16\n";
    in_child("faults::sixteen_gpus_that_all_hang_are_sixteen_states", healthy, |machine| {
        let fleet = machine.fleet();
        until(&fleet, |page| (0..16).all(|gpu| page.state(gpu) == "running"));
        machine.becomes(&format!("{healthy}[[fault]]\nkind = \"hang\"\n"));
        let page = until(&fleet, |page| {
            (0..16).all(|gpu| page.state(gpu) == "hung") && page.samples("DCGM_FI_DEV_GPU_TEMP").is_empty()
        });
        assert!(!page.0.contains("odin_gpu_temperature_celsius"), "a number of a GPU that hangs");
        let took = shortest(|| {
            fleet.expose(&mut Vec::new());
        });
        assert!(took < Duration::from_millis(500), "a scrape took {took:?}");
    });
}

#[test]
fn a_lost_gpu_is_a_state_without_numbers_and_comes_back() {
    let healthy = "profile = \"a100\"\ncount = 2\n";
    for kind in ["lost", "off-bus"] {
        let test = "faults::a_lost_gpu_is_a_state_without_numbers_and_comes_back";
        in_child_for(test, kind, healthy, |machine| {
            let fleet = machine.fleet();
            until(&fleet, |page| (0..2).all(|gpu| page.state(gpu) == "running"));
            machine.becomes(&format!("{healthy}[[fault]]\nkind = \"{kind}\"\ngpu = 1\n"));
            let page = until(&fleet, |page| page.state(1) == "lost");
            assert_eq!(page.samples("DCGM_FI_DEV_GPU_TEMP").len(), 1);
            machine.becomes(healthy);
            until(&fleet, |page| page.state(1) == "running");
        });
    }
}

#[test]
fn xids_are_counted() {
    let healthy = "profile = \"h100\"\ncount = 2\n";
    in_child("faults::xids_are_counted", healthy, |machine| {
        let fleet = machine.fleet();
        let page = until(&fleet, |page| page.get("odin_gpu_events_listening", &[]) == Some(1.0));
        assert_eq!(page.get("DCGM_FI_DEV_XID_ERRORS", &["gpu=\"1\""]), Some(0.0));
        machine.becomes(&format!("{healthy}[[fault]]\nkind = \"xid\"\ncode = 79\ngpu = 1\n"));
        let page = until(&fleet, |page| page.get("odin_gpu_xid_errors_total", &["xid=\"79\""]) == Some(1.0));
        assert_eq!(page.get("DCGM_FI_DEV_XID_ERRORS", &["gpu=\"1\""]), Some(79.0));
        assert_eq!(page.get("DCGM_EXP_XID_ERRORS_COUNT", &["gpu=\"1\"", "xid=\"79\""]), Some(1.0));
        assert_eq!(page.get("DCGM_FI_DEV_XID_ERRORS", &["gpu=\"0\""]), Some(0.0));
    });
}
