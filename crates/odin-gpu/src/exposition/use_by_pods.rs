//! Use by processes, containers and pods.

use std::collections::BTreeMap;
use std::time::Instant;

use super::fleet::head;
use super::{Page, View};
use crate::account::{self, Metered, Part};
use crate::catalogue::CATALOGUE;
use crate::fleet::Fleet;
use crate::labels::label;
use crate::pods::{Container, Pods, Refused};
use crate::sample::State;

pub(super) fn write(page: &mut Page<'_>, fleet: &Fleet, views: &[View], now: Instant) {
    processes(page, views);
    let gpus = metered(views);
    let pods = fleet.shared.pods();
    source(page, &pods, now);
    let parts = account::parts(&pods, &gpus);
    allocations(page, &parts);
    containers(page, &pods, views);
    drop(parts);
    drop(pods);
    accounts(page, fleet, now);
}

/// Devices as accounts need them.
pub(crate) fn metered(views: &[View]) -> Vec<Metered> {
    let energy = CATALOGUE.slot("odin_gpu_energy_joules_total", "");
    let busy = CATALOGUE.slot("odin_gpu_utilization_ratio", r#"engine="gpu""#);
    views
        .iter()
        .filter(|view| view.state != State::Gone)
        .filter_map(|view| {
            let identity = &view.identity.as_ref()?.identity;
            let sample = view.sample.as_deref();
            let read = |slot: Option<usize>| {
                let value = *sample?.values.get(slot?)?;
                (!value.is_nan()).then_some(value)
            };
            let instances = sample.map(|sample| sample.instances.as_slice()).unwrap_or_default();
            Some(Metered {
                uuid: identity.uuid.clone(),
                index: view.index,
                instances: instances.iter().map(|one| (one.uuid.clone(), one.slices)).collect(),
                energy: read(energy),
                utilization: read(busy),
            })
        })
        .collect()
}

/// Lines of one metric, headed when there is one.
fn lines(page: &mut Page<'_>, name: &'static str, lines: impl IntoIterator<Item = (String, f64)>) {
    let mut is_headed = false;
    for (labels, value) in lines {
        if !is_headed {
            head(page, name);
            is_headed = true;
        }
        page.sample(name, &labels, value);
    }
}

fn processes(page: &mut Page<'_>, views: &[View]) {
    let all = || {
        views.iter().filter_map(|view| Some((view, view.sample.as_deref()?))).flat_map(|(view, sample)| {
            let labels = view.labels();
            sample.processes.iter().map(move |process| {
                let mut text = labels.clone();
                label(&mut text, "pid", &process.pid.to_string());
                label(&mut text, "program", &process.program);
                if let Some(instance) = process.gpu_instance {
                    label(&mut text, "GPU_I_ID", &instance.to_string());
                }
                (text, process)
            })
        })
    };
    let memory = all().filter_map(|(labels, process)| Some((labels, process.memory? as f64)));
    lines(page, "odin_gpu_process_memory_used_bytes", memory);
    let busy = all().filter_map(|(labels, process)| Some((labels, process.utilization?)));
    lines(page, "odin_gpu_process_utilization_ratio", busy);
}

fn source(page: &mut Page<'_>, pods: &Pods, now: Instant) {
    if !pods.asked {
        return;
    }
    let state = match (&pods.refused, pods.told) {
        (Some(refused), _) => refused.name(),
        (None, Some(_)) => "up",
        (None, None) => "asking",
    };
    head(page, "odin_gpu_pod_resources_up");
    page.sample("odin_gpu_pod_resources_up", "", f64::from(u8::from(state == "up")));
    head(page, "odin_gpu_pod_resources_state");
    for name in ["up", "asking"].into_iter().chain(Refused::NAMES) {
        let mut text = String::new();
        label(&mut text, "state", name);
        page.sample("odin_gpu_pod_resources_state", &text, f64::from(u8::from(state == name)));
    }
    if let Some(told) = pods.told {
        head(page, "odin_gpu_pod_resources_age_seconds");
        let age = now.saturating_duration_since(told).as_secs_f64();
        page.sample("odin_gpu_pod_resources_age_seconds", "", age);
    }
}

fn container_labels(text: &mut String, container: &Container) {
    label(text, "namespace", &container.namespace);
    label(text, "pod", &container.pod);
    label(text, "container", &container.name);
}

fn allocations(page: &mut Page<'_>, parts: &[Part<'_>]) {
    let mut shown = BTreeMap::<String, f64>::new();
    for Part { allocation, gpu, part } in parts {
        let mut text = String::new();
        label(&mut text, "gpu", &gpu.index.to_string());
        label(&mut text, "UUID", &gpu.uuid);
        label(&mut text, "device", &allocation.device);
        label(&mut text, "resource", &allocation.resource);
        container_labels(&mut text, &allocation.container);
        // A container that has two replicas of one GPU has both parts.
        *shown.entry(text).or_default() += part;
    }
    lines(page, "odin_gpu_allocation", shown);
}

#[derive(Default)]
struct ContainerUse {
    processes: f64,
    memory: f64,
    utilization: Option<f64>,
}

/// Use by the processes of each container: true also where pods share a GPU.
fn containers(page: &mut Page<'_>, pods: &Pods, views: &[View]) {
    let mut used = BTreeMap::<String, ContainerUse>::new();
    for (view, sample) in views.iter().filter_map(|view| Some((view, view.sample.as_deref()?))) {
        for process in &sample.processes {
            let known = process.container.as_ref().and_then(|id| pods.containers.get(id));
            let Some(container) = known else { continue };
            let mut text = view.labels();
            container_labels(&mut text, container);
            let entry = used.entry(text).or_default();
            entry.processes += 1.0;
            entry.memory += process.memory.unwrap_or_default() as f64;
            if let Some(utilization) = process.utilization {
                *entry.utilization.get_or_insert(0.0) += utilization;
            }
        }
    }
    let every = |value: fn(&ContainerUse) -> Option<f64>| {
        used.iter().filter_map(move |(labels, one)| Some((labels.clone(), value(one)?)))
    };
    lines(page, "odin_gpu_pod_processes", every(|one| Some(one.processes)));
    lines(page, "odin_gpu_pod_memory_used_bytes", every(|one| Some(one.memory)));
    lines(page, "odin_gpu_pod_utilization_ratio", every(|one| one.utilization));
}

fn accounts(page: &mut Page<'_>, fleet: &Fleet, now: Instant) {
    let options = &fleet.shared.options;
    let accounts = fleet.shared.accounts();
    let labels = |namespace: &str, pod: &str| {
        let mut text = String::new();
        label(&mut text, "namespace", namespace);
        label(&mut text, "workload", account::workload(pod));
        label(&mut text, "pod", pod);
        text
    };
    let every = |value: &dyn Fn(&account::Account) -> Option<f64>| -> Vec<(String, f64)> {
        let all = accounts.pods.iter();
        all.filter_map(|((namespace, pod), account)| Some((labels(namespace, pod), value(account)?)))
            .collect()
    };
    lines(page, "odin_gpu_pod_allocated_seconds_total", every(&|one| Some(one.allocated_seconds)));
    lines(page, "odin_gpu_pod_busy_seconds_total", every(&|one| Some(one.busy_seconds)));
    lines(page, "odin_gpu_pod_energy_joules_total", every(&|one| Some(one.joules)));
    if let Some(price) = options.price_per_gpu_hour {
        lines(page, "odin_gpu_pod_cost_total", every(&|one| Some(one.allocated_seconds / 3600.0 * price)));
    }
    let idle = |one: &account::Account| {
        one.idle_since.values().map(|since| now.saturating_duration_since(*since)).max().unwrap_or_default()
    };
    lines(page, "odin_gpu_pod_idle_seconds", every(&|one| Some(idle(one).as_secs_f64())));
    let is_idle = |one: &account::Account| Some(f64::from(u8::from(idle(one) > options.idle_after)));
    lines(page, "odin_gpu_pod_idle", every(&is_idle));
}
