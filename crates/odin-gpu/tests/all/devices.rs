//! GPUs as the device plugin sees them.

use std::time::{Duration, Instant};

use odin_gpu::allocation::{Fault, Gpu, LinkKind};
use odin_gpu::{Devices, Fleet};
use odin_model::config::Degradation;

use crate::support::{PATIENCE, in_child};

/// The GPUs once they are as wished.
#[track_caller]
fn until(devices: &mut Devices, wish: impl Fn(&Result<Vec<Gpu>, Fault>) -> bool) -> Vec<Gpu> {
    let end = Instant::now() + PATIENCE;
    let mut last = None;
    loop {
        if let Some(seen) = devices.gpus() {
            if wish(&seen) {
                return seen.unwrap_or_default();
            }
            last = Some(seen);
        }
        assert!(Instant::now() < end, "it never came; at last: {last:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn reasons(seen: &Result<Vec<Gpu>, Fault>) -> Vec<Option<String>> {
    let reason = |gpu: &Gpu| gpu.fault.as_ref().map(|fault| fault.reason.clone());
    seen.iter().flatten().map(reason).collect()
}

fn all_well(count: usize) -> impl Fn(&Result<Vec<Gpu>, Fault>) -> bool {
    move |seen| reasons(seen) == vec![None; count]
}

fn second_has(reason: &'static str) -> impl Fn(&Result<Vec<Gpu>, Fault>) -> bool {
    move |seen| reasons(seen) == [None, Some(reason.to_owned())]
}

fn follow(fleet: &Fleet) -> Devices {
    Devices::of(fleet, &Degradation::DEFAULT)
}

#[test]
fn gpus_are_told_with_what_labels_and_topology_need() {
    let test = "devices::gpus_are_told_with_what_labels_and_topology_need";
    in_child(test, "profile = \"h100\"\ncount = 4\n", |machine| {
        let fleet = machine.fleet();
        let mut devices = follow(&fleet);
        // Topology comes by a thread of its own.
        let gpus = until(&mut devices, |seen| {
            seen.as_ref().is_ok_and(|gpus| gpus.len() == 4 && gpus.iter().all(|gpu| gpu.links.len() == 3))
        });
        for (index, gpu) in (0..).zip(&gpus) {
            assert_eq!((gpu.index, gpu.minor, gpu.mig_capable), (index, Some(index), true), "{gpu:?}");
            assert!(gpu.uuid.starts_with("GPU-") && gpu.mig.is_none() && gpu.fault.is_none(), "{gpu:?}");
            assert!(gpu.model.name.contains("H100") && gpu.model.compute == Some((9, 0)), "{:?}", gpu.model);
            assert!(gpu.model.memory_mib > 79_000, "{:?}", gpu.model);
            assert!(gpu.links.iter().all(|link| matches!(link.kind, LinkKind::NvLink(_))), "{:?}", gpu.links);
        }
        let told = devices.machine();
        assert!(told.driver.is_some() && told.cuda.is_some(), "{told:?}");
    });
}

#[test]
fn mig_devices_are_parts_of_their_gpu() {
    let scenario =
        "[[gpu]]\nprofile = \"h100\"\nmig = [\"3g.40gb\", \"1g.10gb\"]\n[[gpu]]\nprofile = \"h100\"\n";
    in_child("devices::mig_devices_are_parts_of_their_gpu", scenario, |machine| {
        let fleet = machine.fleet();
        let gpus = until(&mut follow(&fleet), all_well(2));
        let parts = gpus[0].mig.as_ref().expect("MIG mode");
        let profiles: Vec<&str> = parts.iter().map(|part| part.profile.as_str()).collect();
        assert_eq!(profiles, ["3g.40gb", "1g.10gb"]);
        for (index, part) in (0..).zip(parts) {
            assert!(part.index == index && part.uuid.starts_with("MIG-"), "{part:?}");
            assert!(part.memory_mib > 9_000 && part.multiprocessors > 0 && part.gpu_slices > 0, "{part:?}");
        }
        assert!(gpus[1].mig.is_none() && gpus[1].mig_capable, "{:?}", gpus[1]);
    });
}

#[test]
fn faults_have_reasons_and_go_with_their_cause() {
    let healthy = "profile = \"h100\"\ncount = 2\n";
    let faults = [
        ("kind = \"lost\"", "GpuLost"),
        ("kind = \"off-bus\"", "GpuLost"),
        ("kind = \"hang\"", "GpuHung"),
        ("kind = \"remap-pending\"", "GpuRowRemapPending"),
    ];
    in_child("devices::faults_have_reasons_and_go_with_their_cause", healthy, |machine| {
        let fleet = machine.fleet();
        let mut devices = follow(&fleet);
        until(&mut devices, all_well(2));
        for (fault, reason) in faults {
            machine.becomes(&format!("{healthy}[[fault]]\n{fault}\ngpu = 1\n"));
            let gpus = until(&mut devices, second_has(reason));
            assert!(gpus[1].uuid.starts_with("GPU-"), "{gpus:?}");
            machine.becomes(healthy);
            until(&mut devices, all_well(2));
        }
    });
}

#[test]
fn what_a_reset_does_not_mend_is_a_fault() {
    let healthy = "profile = \"h100\"\ncount = 2\n";
    in_child("devices::what_a_reset_does_not_mend_is_a_fault", healthy, |machine| {
        let fleet = machine.fleet();
        let mut devices = follow(&fleet);
        until(&mut devices, all_well(2));
        // Links first: the XID of the other stays for minutes.
        for (fault, reason) in [
            ("kind = \"nvlink-errors\"\nrate = 500.0", "GpuNvlinkErrors"),
            ("kind = \"remap-failed\"", "GpuRowRemapFailed"),
        ] {
            machine.becomes(&format!("{healthy}[[fault]]\n{fault}\ngpu = 1\n"));
            until(&mut devices, second_has(reason));
        }
    });
}

#[test]
fn a_slow_gpu_is_given_out_unless_it_is_declared_not_to_be() {
    let healthy = "profile = \"h100\"\ncount = 2\n";
    let test = "devices::a_slow_gpu_is_given_out_unless_it_is_declared_not_to_be";
    in_child(test, healthy, |machine| {
        let fleet = machine.fleet();
        let mut lenient = follow(&fleet);
        let mut strict =
            Devices::of(&fleet, &[Degradation::HardwareThermal, Degradation::HardwarePowerBrake]);
        for (kind, reason) in
            [("thermal-slowdown", "GpuHardwareThermal"), ("power-slowdown", "GpuHardwarePowerBrake")]
        {
            machine.becomes(&format!("{healthy}[[fault]]\nkind = \"{kind}\"\ngpu = 1\n"));
            until(&mut strict, second_has(reason));
            until(&mut lenient, all_well(2));
            machine.becomes(healthy);
            until(&mut strict, all_well(2));
        }
    });
}

#[test]
fn a_gpu_that_never_told_who_it_is_has_no_name_and_a_fault() {
    let scenario = "profile = \"h100\"\ncount = 2\n[[fault]]\nkind = \"off-bus\"\ngpu = 1\n";
    in_child("devices::a_gpu_that_never_told_who_it_is_has_no_name_and_a_fault", scenario, |machine| {
        let fleet = machine.fleet();
        let gpus = until(&mut follow(&fleet), |seen| seen.as_ref().is_ok_and(|gpus| gpus.len() == 2));
        assert!(gpus[0].fault.is_none(), "{gpus:?}");
        assert!(gpus[1].uuid.is_empty() && gpus[1].fault.is_some(), "{gpus:?}");
    });
}

#[test]
fn without_a_library_the_gpus_are_unknown() {
    in_child("devices::without_a_library_the_gpus_are_unknown", "count = 1\n", |machine| {
        let fleet = machine.fleet_with(&machine.directory.join("libnvidia-ml.so.1"));
        let mut fault = None;
        until(&mut follow(&fleet), |seen| seen.is_err());
        if let Some(Err(seen)) = follow(&fleet).gpus() {
            fault = Some(seen.reason);
        }
        assert_eq!(fault.as_deref(), Some("NvmlMissing"));
    });
}
