//! Verdicts on faults of every kind, and against a baseline.

use jiff::Timestamp;
use odin_gpu::Fleet;
use odin_gpu::health::{Baseline, Health, Verdict};

use crate::support::{in_child, in_child_for, until, until_health};

const HEALTHY: &str = "profile = \"h100\"\ncount = 2\nload = 50\n";

/// Names of what is found on a GPU.
fn found(health: &Health, gpu: usize) -> Vec<&str> {
    health.gpus[gpu].findings.iter().map(|finding| finding.name.as_str()).collect()
}

fn settle(fleet: &Fleet) {
    until_health(fleet, Health::is_read);
}

#[test]
fn every_fault_is_found_on_its_gpu_alone_and_goes_when_it_ends() {
    // The fault, what is found, its verdict, and whether it goes with the fault.
    let cases = [
        ("kind = \"lost\"", "lost", Verdict::Failed, true),
        ("kind = \"off-bus\"", "lost", Verdict::Failed, true),
        ("kind = \"hang\"", "hung", Verdict::Unknown, true),
        ("kind = \"remap-pending\"", "row_remap_pending", Verdict::Degraded, true),
        ("kind = \"remap-failed\"", "row_remap_failed", Verdict::Failed, true),
        ("kind = \"thermal-slowdown\"", "hardware_thermal", Verdict::Degraded, true),
        ("kind = \"power-slowdown\"", "hardware_power_brake", Verdict::Degraded, true),
        ("kind = \"pcie-downtrained\"\nwidth = 8", "pcie_width", Verdict::Degraded, true),
        ("kind = \"pcie-downtrained\"\ngeneration = 3", "pcie_generation", Verdict::Degraded, true),
        ("kind = \"nvlink-errors\"\nrate = 5000", "nvlink_errors", Verdict::Degraded, false),
        ("kind = \"pcie-replays\"\nrate = 60", "pcie_replays", Verdict::Degraded, false),
        ("kind = \"ecc-double\"", "ecc_uncorrected", Verdict::Degraded, false),
        ("kind = \"xid\"\ncode = 79", "xid_79", Verdict::Failed, false),
        ("kind = \"xid\"\ncode = 31", "xid_31", Verdict::Healthy, false),
    ];
    for (fault, name, verdict, ends) in cases {
        let test = "health::every_fault_is_found_on_its_gpu_alone_and_goes_when_it_ends";
        in_child_for(test, fault, HEALTHY, |machine| {
            let fleet = machine.fleet();
            settle(&fleet);
            until(&fleet, |page| page.get("odin_gpu_events_listening", &[]) == Some(1.0));
            assert!(fleet.health().holds(), "{}", fleet.health());
            machine.becomes(&format!("{HEALTHY}[[fault]]\ngpu = 1\n{fault}\n"));
            let health = until_health(&fleet, |health| found(health, 1).contains(&name));
            let finding = health.gpus[1].findings.iter().find(|finding| finding.name == name).expect(name);
            assert_eq!(finding.verdict, verdict, "{fault}");
            assert!(!finding.evidence.is_empty() && !finding.next_step.is_empty(), "{fault}");
            assert!(health.gpus[1].verdict >= verdict, "{fault}");
            assert_eq!(health.gpus[0].verdict, Verdict::Healthy, "{fault}: {health}");
            if ends {
                machine.becomes(HEALTHY);
                until_health(&fleet, |health| !found(health, 1).contains(&name));
            }
        });
    }
}

#[test]
fn what_is_less_than_recorded_is_found() {
    in_child("health::what_is_less_than_recorded_is_found", HEALTHY, |machine| {
        let fleet = machine.fleet();
        settle(&fleet);
        let baseline = Baseline::of(&fleet.health(), Timestamp::now()).expect("everything is read");
        let facts = &baseline.gpus[0].facts.0;
        for name in
            ["memory-bytes", "sm-clock-maximum-hertz", "pcie-width", "nvlinks-active", "ecc-uncorrected"]
        {
            assert!(facts.contains_key(name), "{name} is not in {facts:?}");
        }
        fleet.set_baseline(Ok(Some(baseline.clone())));
        let health = until_health(&fleet, |health| health.baseline.is_some());
        assert!(health.holds(), "{health}");
        machine.becomes(&format!("{HEALTHY}[[fault]]\ngpu = 1\nkind = \"nvlink-down\"\nlink = 3\n"));
        until_health(&fleet, |health| found(health, 1).contains(&"baseline_nvlinks_active"));
        machine.becomes(&format!("{HEALTHY}[[fault]]\ngpu = 0\nkind = \"ecc-double\"\n"));
        until_health(&fleet, |health| found(health, 0).contains(&"baseline_ecc_uncorrected"));
        // One GPU fewer, as the driver counts them.
        machine.becomes("profile = \"h100\"\ncount = 1\n");
        machine.driver_has(1);
        let missing = |health: &Health| health.findings.iter().any(|finding| finding.name == "gpu_missing");
        let health = until_health(&fleet, missing);
        assert!(!health.holds());
        let page = until(&fleet, |page| page.get("odin_gpu_baseline_devices", &[]) == Some(2.0));
        assert_eq!(page.get("odin_gpu_finding", &["finding=\"gpu_missing\""]), Some(1.0));
    });
}

#[test]
fn a_machine_without_gpus_is_not_healthy() {
    in_child("health::a_machine_without_gpus_is_not_healthy", "count = 0\n", |machine| {
        let fleet = machine.fleet();
        let health = until_health(&fleet, |health| health.unavailable.is_none());
        assert!(
            !health.holds() && health.findings.iter().any(|finding| finding.name == "no_gpu"),
            "{health}"
        );
    });
}

#[test]
fn xids_of_the_kernels_log_are_counted_and_judged() {
    let scenario = "profile = \"h100\"\ncount = 2\n";
    in_child("health::xids_of_the_kernels_log_are_counted_and_judged", scenario, |machine| {
        let fleet = machine.fleet();
        settle(&fleet);
        let identity = fleet.health().gpus[1].identity.clone().expect("an identity");
        fleet.stop();
        // NVML writes 00000000:3B:00.0, the kernel 0000:3b:00.
        let address = identity.pci_bus_id.to_ascii_lowercase();
        let address = address[4..].trim_end_matches(".0");
        let uptime = std::fs::read_to_string("/proc/uptime").expect("a file");
        let seconds: f64 = uptime.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds");
        let now = format!("{:.0}", seconds * 1e6);
        let log = machine.directory.join("kmsg");
        let lines = format!(
            "6,1,1000,-;NVRM: loading\n\
             3,2,{now},-;NVRM: Xid (PCI:{address}): 79, pid='<unknown>', GPU has fallen off the bus.\n\
             3,3,{now},-;NVRM: Xid (PCI:0000:ff:00): 31, pid=1, name=a\n"
        );
        std::fs::write(&log, lines).expect("a log");
        let fleet = Fleet::start(odin_gpu::Options { kernel_log: Some(log), ..machine.options() });
        let health = until_health(&fleet, |health| health.gpus.len() == 2 && found(health, 1) == ["xid_79"]);
        assert_eq!(health.gpus[0].verdict, Verdict::Healthy);
        let page = until(&fleet, |page| page.samples("odin_gpu_xid_errors_total").len() == 2);
        let of_kernel = ["source=\"kernel\"", "xid=\"79\"", identity.uuid.as_str()];
        assert_eq!(page.get("odin_gpu_xid_errors_total", &of_kernel), Some(1.0));
        assert_eq!(page.get("odin_gpu_xid_errors_total", &["pci_bus_id=\"0000:ff:00\""]), Some(1.0));
        assert_eq!(page.get("DCGM_FI_DEV_XID_ERRORS", &["gpu=\"1\""]), Some(79.0));
    });
}
