//! Use by pods, as a kubelet tells which pod has which device.

use std::fs;

use crate::kubelet::{Answer, Kubelet};
use crate::support::{Machine, Page, in_child, until};

const GPU: &str = "nvidia.com/gpu";

/// Two GPUs, the first at work for a process, the second without any.
const TWO: &str = r#"
profile = "h100"
[[gpu]]
uuid = "GPU-00000000-0000-0000-0000-00000000000a"
load = 50
[[gpu.process]]
pid = 4711
name = "train.py"
memory-mib = 1024
[[gpu]]
uuid = "GPU-00000000-0000-0000-0000-00000000000b"
load = 0
"#;

const A: &str = "GPU-00000000-0000-0000-0000-00000000000a";
const B: &str = "GPU-00000000-0000-0000-0000-00000000000b";

/// Makes a process run in a container of a pod.
fn runs_in(machine: &Machine, pid: u32, pod: &str, container: &str) {
    let id = "0123456789abcdef".repeat(4);
    let process = machine.directory.join("proc").join(pid.to_string());
    fs::create_dir_all(&process).expect("a directory");
    fs::write(process.join("comm"), "train.py\n").expect("a file");
    fs::write(process.join("cgroup"), format!("0::/kubepods/pod1/cri-containerd-{id}.scope\n"))
        .expect("a file");
    let stat: Vec<String> = (3..=30).map(|field| field.to_string()).collect();
    fs::write(process.join("stat"), format!("{pid} (train.py) {}\n", stat.join(" "))).expect("a file");
    fs::create_dir_all(logs(machine)).expect("a directory");
    fs::write(logs(machine).join(format!("{pod}_team_{container}-{id}.log")), "").expect("a file");
}

fn logs(machine: &Machine) -> std::path::PathBuf {
    machine.directory.join("containers")
}

fn pod(name: &str) -> String {
    format!("pod=\"{name}\"")
}

#[test]
fn a_pod_has_its_gpu_its_process_its_time_its_energy_and_its_cost() {
    let test = "pods::a_pod_has_its_gpu_its_process_its_time_its_energy_and_its_cost";
    in_child(test, TWO, |machine| {
        runs_in(machine, 4711, "train-0", "main");
        let kubelet = Kubelet::absent(&machine.directory);
        kubelet
            .says(Answer::Devices(vec![("train-0", GPU, vec![A.into()]), ("idle-0", GPU, vec![B.into()])]));
        kubelet.comes();
        let fleet = machine.fleet();
        kubelet.is_asked_by(&fleet, &logs(machine));
        let counted = |page: &Page| page.get("odin_gpu_pod_energy_joules_total", &[&pod("train-0")]);
        let page = until(&fleet, |page| counted(page).is_some_and(|joules| joules > 0.0));
        assert_eq!(page.get("odin_gpu_pod_resources_up", &[]), Some(1.0));
        assert_eq!(page.get("odin_gpu_allocation", &[&pod("train-0"), "gpu=\"0\""]), Some(1.0));
        // DCGM's metrics name the pod that has the GPU.
        assert!(page.get("DCGM_FI_DEV_GPU_UTIL", &["gpu=\"0\"", &pod("train-0")]).is_some());
        assert!(page.get("DCGM_FI_DEV_GPU_UTIL", &["gpu=\"1\"", &pod("idle-0")]).is_some());
        assert_eq!(
            page.get("odin_gpu_process_memory_used_bytes", &["pid=\"4711\""]),
            Some(f64::from(1 << 30))
        );
        assert_eq!(page.get("odin_gpu_pod_memory_used_bytes", &[&pod("train-0")]), Some(f64::from(1 << 30)));
        assert_eq!(page.get("odin_gpu_pod_processes", &[&pod("train-0")]), Some(1.0));
        // Half of the time it had the GPU, the GPU was busy.
        let seconds = |page: &Page, what: &str, name: &str| {
            page.get(&format!("odin_gpu_pod_{what}_seconds_total"), &[&pod(name)]).expect("an account")
        };
        let (had, busy) = (seconds(&page, "allocated", "train-0"), seconds(&page, "busy", "train-0"));
        assert!((busy / had - 0.5).abs() < 0.05, "busy {busy} s of {had} s");
        let cost = page.get("odin_gpu_pod_cost_total", &[&pod("train-0")]).expect("a price is declared");
        assert!((cost - had / 3600.0 * 2.5).abs() < 1e-9, "{cost}");
        // Reserved without work for longer than a second.
        let page = until(&fleet, |page| page.get("odin_gpu_pod_idle", &[&pod("idle-0")]) == Some(1.0));
        assert_eq!(page.get("odin_gpu_pod_idle", &[&pod("train-0")]), Some(0.0));
        assert_eq!(seconds(&page, "busy", "idle-0"), 0.0);
    });
}

#[test]
fn pods_that_share_a_gpu_have_their_parts_of_it() {
    in_child("pods::pods_that_share_a_gpu_have_their_parts_of_it", TWO, |machine| {
        let kubelet = Kubelet::absent(&machine.directory);
        let replica = |number: u32| vec![format!("{A}::{number}")];
        kubelet.says(Answer::Devices(vec![("one", GPU, replica(0)), ("two", GPU, replica(3))]));
        kubelet.comes();
        let fleet = machine.fleet();
        kubelet.is_asked_by(&fleet, &logs(machine));
        let page = until(&fleet, |page| page.samples("odin_gpu_allocation").len() == 2);
        for name in ["one", "two"] {
            assert_eq!(page.get("odin_gpu_allocation", &[&pod(name)]), Some(0.5));
        }
        // Nobody has all of it, so its own numbers name no pod.
        assert!(page.samples("DCGM_FI_DEV_GPU_UTIL").iter().all(|(labels, _)| !labels.contains("pod=")));
        // A pod that ends gives its part back.
        kubelet.says(Answer::Devices(vec![("two", GPU, replica(3))]));
        until(&fleet, |page| page.get("odin_gpu_allocation", &[&pod("two")]) == Some(1.0));
    });
}

#[test]
fn a_pod_on_a_mig_device_has_its_slices() {
    let scenario = "profile = \"a100\"\n[[gpu]]\nmig = [\"3g.40gb\", \"1g.10gb\"]\n";
    in_child("pods::a_pod_on_a_mig_device_has_its_slices", scenario, |machine| {
        let fleet = machine.fleet();
        let page = until(&fleet, |page| page.samples("odin_gpu_mig_device_info").len() == 2);
        let devices = page.samples("odin_gpu_mig_device_info");
        let (labels, _) = devices.iter().find(|(labels, _)| labels.contains("3g.40gb")).expect("it is there");
        let (_, after) = labels.split_once("mig_uuid=\"").expect("a label");
        let uuid = after.split('"').next().expect("a value").to_owned();
        let kubelet = Kubelet::absent(&machine.directory);
        kubelet.says(Answer::Devices(vec![("part", "nvidia.com/mig-3g.40gb", vec![uuid])]));
        kubelet.comes();
        kubelet.is_asked_by(&fleet, &logs(machine));
        let page = until(&fleet, |page| !page.samples("odin_gpu_allocation").is_empty());
        let part = page.get("odin_gpu_allocation", &[&pod("part")]).expect("one");
        assert!((part - 3.0 / 7.0).abs() < 1e-9, "{part}");
    });
}

#[test]
fn a_kubelet_that_does_not_tell_is_a_state_and_no_use_is_made_up() {
    let cases = [
        (None, "absent"),
        (Some(Answer::OtherShape), "malformed"),
        (Some(Answer::Refusal(tonic::Code::Unknown)), "malformed"),
        (Some(Answer::Refusal(tonic::Code::Unimplemented)), "failed"),
        (Some(Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")), "malformed"),
        (Some(Answer::Text("")), "malformed"),
    ];
    let test = "pods::a_kubelet_that_does_not_tell_is_a_state_and_no_use_is_made_up";
    in_child(test, TWO, |machine| {
        for (number, (answer, state)) in cases.into_iter().enumerate() {
            let directory = machine.directory.join(number.to_string());
            fs::create_dir(&directory).expect("a directory");
            let kubelet = Kubelet::absent(&directory);
            if let Some(answer) = answer {
                kubelet.says(answer);
                kubelet.comes();
            }
            let fleet = machine.fleet();
            kubelet.is_asked_by(&fleet, &logs(machine));
            let label = format!("state=\"{state}\"");
            let is_told = |page: &Page| page.get("odin_gpu_pod_resources_state", &[&label]) == Some(1.0);
            let page = until(&fleet, |page| is_told(page) && page.state(1) == "running");
            assert_eq!(page.get("odin_gpu_pod_resources_up", &[]), Some(0.0), "{state}");
            assert!(page.samples("odin_gpu_allocation").is_empty(), "{state}");
            let name = format!("pod_resources_{state}");
            let health = fleet.health();
            assert!(health.findings.iter().any(|finding| finding.name == name), "{health}");
            assert!(health.holds(), "GPUs are well without a kubelet:\n{health}");
            fleet.stop();
        }
    });
}

#[test]
fn a_kubelet_that_comes_late_and_goes_away_is_followed() {
    in_child("pods::a_kubelet_that_comes_late_and_goes_away_is_followed", TWO, |machine| {
        let kubelet = Kubelet::absent(&machine.directory);
        let fleet = machine.fleet();
        kubelet.is_asked_by(&fleet, &logs(machine));
        let up = |page: &Page| page.get("odin_gpu_pod_resources_up", &[]);
        until(&fleet, |page| up(page) == Some(0.0));
        kubelet.says(Answer::Devices(vec![("train-0", GPU, vec![A.into()])]));
        kubelet.comes();
        until(&fleet, |page| up(page) == Some(1.0) && page.samples("odin_gpu_allocation").len() == 1);
        // What it told stands for a while, and its age says how old it is.
        fs::remove_file(&kubelet.socket).expect("removed");
        let page = until(&fleet, |page| up(page) == Some(0.0));
        assert_eq!(page.samples("odin_gpu_allocation").len(), 1);
        assert!(page.get("odin_gpu_pod_resources_age_seconds", &[]).is_some());
    });
}
