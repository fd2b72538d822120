//! Metrics of ODIN's own: states, ages, use by processes and pods, events.

use super::{Family, family};

pub(super) const FLEET: &[Family] = &[
    family("odin_gpu_library_state", "1 for the state the NVML library is in"),
    family("odin_gpu_library_opened_total", "Times the library was opened"),
    family("odin_gpu_driver_info", "Versions of driver, NVML and CUDA; always 1"),
    family("odin_gpu_devices", "GPUs the driver counts; absent while nobody can count them"),
    family(
        "odin_gpu_library_calls_missing",
        "Calls this driver is too old to have; their metrics are absent",
    ),
    family("odin_gpu_baseline_devices", "GPUs the recorded baseline has; absent without one"),
    family("odin_gpu_baseline_timestamp_seconds", "When the baseline was recorded"),
    family("odin_gpu_info", "What a GPU is, in labels; always 1"),
    family("odin_gpu_state", "1 for the state a GPU is in"),
    family("odin_gpu_sample_age_seconds", "Age of the newest sample; it rises while calls hang or fail"),
    family("odin_gpu_links_age_seconds", "Age of the counters of links, which are read less often"),
    family("odin_gpu_sample_duration_seconds", "How long the newest sample took to read"),
    family("odin_gpu_sample_failures_total", "Rounds that ended with an error"),
    family("odin_gpu_replaced_total", "Times another GPU, or the same with another UUID, took this index"),
    family("odin_gpu_answered", "Fields and getters this GPU answered with a number, by table"),
    family("odin_gpu_coverage_listed", "Fields and getters NVML has, by table"),
    family("odin_gpu_coverage_covered", "Fields and getters that have a metric or a label, by table"),
    family(
        "odin_gpu_coverage_excluded",
        "Fields and getters that are left out, each with its reason, by table",
    ),
    family("odin_gpu_events_listening", "1 while events of NVML are listened to"),
    family("odin_gpu_events_total", "Events NVML raised, by kind"),
    family("odin_gpu_xid_errors_total", "XIDs, by number and by who told"),
    family("odin_gpu_clock_events_total", "Times a reason began to hold the clocks down"),
    family("odin_gpu_mig_device_info", "A MIG device, in labels; always 1"),
    family("odin_gpu_process_memory_used_bytes", "Memory a process has on the GPU"),
    family(
        "odin_gpu_process_utilization_ratio",
        "Part of the last period in which a process kept multiprocessors busy",
    ),
    family("odin_gpu_pod_resources_up", "1 when the kubelet told which pod has which device"),
    family("odin_gpu_pod_resources_state", "1 for the state of the kubelet's pod-resources API"),
    family("odin_gpu_pod_resources_age_seconds", "Age of what the kubelet told"),
    family("odin_gpu_allocation", "A device that a container has; the part of the GPU it is"),
    family("odin_gpu_pod_processes", "Processes of a container on a GPU"),
    family("odin_gpu_pod_memory_used_bytes", "Memory the processes of a container have on a GPU"),
    family(
        "odin_gpu_pod_utilization_ratio",
        "Part of the last period in which a container kept multiprocessors busy",
    ),
    family("odin_gpu_pod_allocated_seconds_total", "GPU-seconds a pod had a GPU or a part of one"),
    family("odin_gpu_pod_busy_seconds_total", "GPU-seconds a pod had a GPU that was busy"),
    family("odin_gpu_pod_energy_joules_total", "Energy of the GPUs a pod had, shared by its parts"),
    family(
        "odin_gpu_pod_cost_total",
        "Cost of the GPUs a pod had, in the currency of gpu.price-per-gpu-hour",
    ),
    family("odin_gpu_pod_idle", "1 when a pod has had a GPU without work for longer than gpu.idle-after"),
    family("odin_gpu_pod_idle_seconds", "How long a pod has had a GPU without work"),
    // The device plugin tells these two.
    family(
        "odin_gpu_resource_devices",
        "Devices the machine has of a resource, by whether they may be given out",
    ),
    family("odin_gpu_resource_registered", "1 when the kubelet took the resource and listens"),
    family("odin_gpu_health", "Verdict: 0 healthy, 1 degraded, 2 failed, 3 unknown"),
    family(
        "odin_gpu_finding",
        "A finding that holds, by name and verdict, of a GPU or without its labels of the machine; always 1",
    ),
];
