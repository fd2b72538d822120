//! Healthy GPUs of every number and model.

use crate::support::{in_child, page, until};

#[test]
fn one_gpu_is_read_with_the_names_of_dcgm() {
    in_child("fleet::one_gpu_is_read_with_the_names_of_dcgm", "profile = \"h100\"\ncount = 1\n", |machine| {
        let fleet = machine.fleet();
        let page = until(&fleet, |page| page.state(0) == "running");
        for name in [
            "DCGM_FI_DEV_SM_CLOCK",
            "DCGM_FI_DEV_MEM_CLOCK",
            "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_POWER_USAGE",
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
            "DCGM_FI_DEV_GPU_UTIL",
            "DCGM_FI_DEV_FB_USED",
            "DCGM_FI_DEV_FB_FREE",
            "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
            "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        ] {
            let samples = page.samples(name);
            assert_eq!(samples.len(), 1, "{name}");
            for label in [
                "gpu=\"0\"",
                "UUID=\"GPU-",
                "pci_bus_id=",
                "device=\"nvidia0\"",
                "modelName=\"NVIDIA H100",
                "hostname=\"gpu-01\"",
                "DCGM_FI_DRIVER_VERSION=",
            ] {
                assert!(samples[0].0.contains(label), "{name}: {label} is not in {}", samples[0].0);
            }
        }
        assert_eq!(page.get("odin_gpu_devices", &[]), Some(1.0));
        assert_eq!(page.library(), "open");
    });
}

#[test]
fn eight_and_sixteen_gpus_are_all_read() {
    in_child("fleet::eight_and_sixteen_gpus_are_all_read", "profile = \"h100\"\ncount = 8\n", |machine| {
        let fleet = machine.fleet();
        until(&fleet, |page| (0..8).all(|gpu| page.state(gpu) == "running"));
        machine.becomes("profile = \"h100\"\ncount = 16\n");
        machine.driver_has(16);
        let page = until(&fleet, |page| (0..16).all(|gpu| page.state(gpu) == "running"));
        assert_eq!(page.samples("DCGM_FI_DEV_GPU_TEMP").len(), 16);
        assert_eq!(page.get("odin_gpu_devices", &[]), Some(16.0));
        machine.becomes("profile = \"h100\"\ncount = 2\n");
        machine.driver_has(2);
        let page = until(&fleet, |page| {
            page.get("odin_gpu_devices", &[]) == Some(2.0) && page.state(1) == "running"
        });
        assert_eq!(page.samples("DCGM_FI_DEV_GPU_TEMP").len(), 2, "numbers of GPUs that are gone");
    });
}

#[test]
fn no_gpu_is_a_count_of_zero_and_no_numbers() {
    in_child("fleet::no_gpu_is_a_count_of_zero_and_no_numbers", "count = 0\n", |machine| {
        let fleet = machine.fleet();
        let page = until(&fleet, |page| page.library() == "open");
        assert_eq!(page.get("odin_gpu_devices", &[]), Some(0.0));
        assert!(!page.0.contains("DCGM_"), "{}", page.0);
    });
}

#[test]
fn the_page_has_each_series_once_and_heads_before_samples() {
    in_child(
        "fleet::the_page_has_each_series_once_and_heads_before_samples",
        "profile = \"h100\"\ncount = 2\n",
        |machine| {
            let fleet = machine.fleet();
            let text = until(&fleet, |page| (0..2).all(|gpu| page.state(gpu) == "running")).0;
            let mut series = std::collections::BTreeSet::new();
            let mut typed = std::collections::BTreeSet::new();
            let mut current = "";
            for line in text.lines() {
                if let Some(rest) = line.strip_prefix("# TYPE ") {
                    current = rest.split(' ').next().expect("a name");
                    assert!(typed.insert(current), "{current} has two heads");
                } else if !line.starts_with('#') {
                    let (name, _) = line.rsplit_once(' ').expect(line);
                    assert_eq!(name.split('{').next(), Some(current), "a sample under another head");
                    assert!(series.insert(name), "{name} is there twice");
                }
            }
            assert!(series.len() > 500, "only {} series", series.len());
            let _page = page(&fleet);
        },
    );
}

#[test]
fn another_mig_layout_is_followed_without_a_restart() {
    let layout = |profiles: &str| format!("profile = \"a100\"\n[[gpu]]\nmig = [{profiles}]\n");
    let test = "fleet::another_mig_layout_is_followed_without_a_restart";
    in_child(test, &layout("\"1g.10gb\""), |machine| {
        let fleet = machine.fleet();
        let profiles = |page: &crate::support::Page| -> Vec<String> {
            let devices = page.samples("odin_gpu_mig_device_info");
            let of = |(labels, _): &(&str, f64)| {
                labels.split("GPU_I_PROFILE=\"").nth(1)?.split('"').next().map(str::to_owned)
            };
            devices.iter().filter_map(of).collect()
        };
        until(&fleet, |page| profiles(page) == ["1g.10gb"]);
        machine.becomes(&layout("\"3g.40gb\", \"3g.40gb\""));
        until(&fleet, |page| profiles(page) == ["3g.40gb", "3g.40gb"]);
        machine.becomes("profile = \"a100\"\ncount = 1\n");
        until(&fleet, |page| profiles(page).is_empty() && page.state(0) == "running");
    });
}
