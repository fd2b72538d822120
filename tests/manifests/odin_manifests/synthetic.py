"""Series of a box that was never there: sixteen GPUs, a hundred pods, a busy day.

Names and labels are those of the real programs: tests/odin/test_dashboards.py
asks for them on a lab machine, and those of GPUs are a page of `odin gpu serve`
(series/gpu.prom, which test_gpu.py holds to the program). What only
kube-state-metrics tells (`kube_*`) nobody here can run; it is a fixture, after
that program's documentation.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from odin_manifests import dashboards, exporter, paths

GPU_PAGE = paths.TESTS / "series" / "gpu.prom"
NODE = "box"
# The last of the day that is told of. Fixed, so that two runs are equal.
END = 1_767_225_600
NAMESPACES = ("monitoring", "monitoring-host", "kube-system", "workloads")

_OF_GPUS = ("odin_gpu_", "DCGM_")
_GPU_NAME = re.compile(r"\b(?:odin_gpu|DCGM)_\w+(?=\{)")
# These count processes by the containers they are in: no simulated GPU has some.
_OF_PODS = {"odin_gpu_pod_memory_used_bytes": 2**34, "odin_gpu_pod_utilization_ratio": 0.5}


@dataclass(frozen=True)
class Box:
    """How much there is of everything."""

    gpus: int = 16
    cpus: int = 64
    pods: int = 100
    seed: int = 1


@dataclass(frozen=True)
class Line:
    """One series, and how it goes on: a level that swings, or a count that grows."""

    name: str
    labels: dict[str, str]
    level: float = 0.0
    swing: float = 0.0
    pace: float = 0.0


def gpu_names_read() -> set[str]:
    """Metrics of GPUs that a dashboard reads, or a rule that records."""
    text = (paths.RULES / "gpu.yaml").read_text()
    records = text[: text.index("- alert:")]
    names = set(_GPU_NAME.findall(records))
    for name in dashboards.FILES:
        for query in dashboards.queries(name, {"UUID": exporter.uuid(0)}):
            if query.language == "prometheus":
                names |= {
                    each for each in dashboards.metrics(query.text) if each.startswith(_OF_GPUS)
                }
    return names


def lines(box: Box) -> list[Line]:
    """Every series of the box."""
    chance = random.Random(box.seed)
    return [
        *_node(box, chance),
        *_containers(box, chance),
        *_cluster(chance),
        *_state(box, chance),
        *_stack(),
        *_odin(),
        *_gpus(box, chance),
    ]


def _gauge(name: str, level: float, swing: float = 0.2, /, **labels: str) -> Line:
    return Line(name, labels, level=level, swing=level * swing)


def _count(name: str, pace: float, /, **labels: str) -> Line:
    return Line(name, labels, pace=pace)


def _histogram(name: str, pace: float, bounds: str, /, **labels: str) -> Iterator[Line]:
    """Buckets that fill evenly: a bound in ten holds a tenth of what comes."""
    all_bounds = [*bounds.split(), "+Inf"]
    for number, bound in enumerate(all_bounds, start=1):
        yield _count(f"{name}_bucket", pace * number / len(all_bounds), **labels, le=bound)
    yield _count(f"{name}_count", pace, **labels)
    yield _count(f"{name}_sum", pace * 0.05, **labels)


def _node(box: Box, chance: random.Random) -> Iterator[Line]:
    at = {"job": "node-exporter", "instance": NODE}
    yield _gauge("node_uname_info", 1, 0, **at, nodename=NODE, release="6.18.0")
    shares = {"idle": 0.6, "user": 0.25, "system": 0.08, "iowait": 0.03, "irq": 0.005}
    shares |= {"softirq": 0.02, "nice": 0.01, "steal": 0.005}
    for cpu, (mode, share) in itertools.product(range(box.cpus), shares.items()):
        yield _count("node_cpu_seconds_total", share, **at, cpu=str(cpu), mode=mode)
    levels = {
        "node_load1": 20,
        "node_load5": 19,
        "node_load15": 18,
        "node_memory_MemAvailable_bytes": 2**40,
        "node_memory_MemFree_bytes": 2**39,
        "node_memory_Cached_bytes": 2**38,
        "node_memory_Buffers_bytes": 2**30,
        "node_procs_running": 12,
        "node_procs_blocked": 1,
        "node_nf_conntrack_entries": 9000,
        "node_filefd_allocated": 20_000,
        "node_timex_maxerror_seconds": 0.02,
        "node_timex_estimated_error_seconds": 0.0001,
    }
    fixed = {
        "node_memory_MemTotal_bytes": 2**41,
        "node_nf_conntrack_entries_limit": 262_144,
        "node_filefd_maximum": 9_000_000,
        "node_boot_time_seconds": END - 30 * 86400,
        "node_timex_sync_status": 1,
    }
    paces = {
        "node_vmstat_oom_kill": 0,
        "node_vmstat_pgmajfault": 3,
        "node_pressure_cpu_waiting_seconds_total": 0.05,
        "node_pressure_memory_waiting_seconds_total": 0.001,
        "node_pressure_io_waiting_seconds_total": 0.02,
        "node_netstat_Tcp_OutSegs": 9000,
        "node_netstat_Tcp_RetransSegs": 3,
    }
    for name, level in levels.items():
        yield _gauge(name, level, **at)
    for name, level in fixed.items():
        yield _gauge(name, level, 0, **at)
    for name, pace in paces.items():
        yield _count(name, pace, **at)
    yield Line("node_time_seconds", dict(at), level=END - 86400, pace=1)
    for disk in ("nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1"):
        on = {**at, "device": disk}
        yield _count("node_disk_io_time_seconds_total", 0.3, **on)
        yield _count("node_disk_io_time_weighted_seconds_total", 1.2, **on)
        for kind in ("read", "write"):
            verb = {"read": "read", "write": "written"}[kind]
            yield _count(f"node_disk_{verb}_bytes_total", 2e8 * chance.random(), **on)
            yield _count(f"node_disk_{kind}s_completed_total", 900, **on)
            yield _count(f"node_disk_{kind}_time_seconds_total", 0.5, **on)
    for disk, mount in (("/dev/nvme0n1p2", "/"), ("/dev/md0", "/var/lib")):
        on = {**at, "device": disk, "mountpoint": mount, "fstype": "ext4"}
        yield _gauge("node_filesystem_size_bytes", 4e12, 0, **on)
        yield _gauge("node_filesystem_avail_bytes", 2e12, 0.05, **on)
        yield _gauge("node_filesystem_files", 2e8, 0, **on)
        yield _gauge("node_filesystem_files_free", 1.9e8, 0.01, **on)
        yield _gauge("node_filesystem_readonly", 0, 0, **on)
    for device in ("eno1", "ib0", "ib1"):
        for way in ("receive", "transmit"):
            on = {**at, "device": device}
            yield _count(f"node_network_{way}_bytes_total", 1e8 * chance.random(), **on)
            yield _count(f"node_network_{way}_errs_total", 0, **on)
            yield _count(f"node_network_{way}_drop_total", 0.01, **on)
    for number in range(20):
        sensor = {"chip": f"platform_coretemp_{number % 2}", "sensor": f"temp{number}"}
        yield _gauge("node_hwmon_temp_celsius", 55, 0.1, **at, **sensor)


def _containers(box: Box, chance: random.Random) -> Iterator[Line]:
    for number in range(box.pods):
        namespace = NAMESPACES[number % len(NAMESPACES)]
        of_pod = {
            "job": "cadvisor",
            "instance": NODE,
            "namespace": namespace,
            "pod": f"pod-{number}",
        }
        for way in ("receive", "transmit"):
            name = f"container_network_{way}_bytes_total"
            yield _count(
                name, 1e6 * chance.random(), **of_pod, id=f"/pod{number}", interface="eth0"
            )
        for container in ("main", "sidecar"):
            of = {**of_pod, "container": container, "id": f"/pod{number}/{container}", "image": "i"}
            cores = chance.random() * 2
            yield _count("container_cpu_usage_seconds_total", cores, **of, cpu="total")
            yield _gauge(
                "container_memory_working_set_bytes", 2**30 * chance.random() + 2**20, **of
            )
            yield _gauge("container_spec_memory_limit_bytes", 2**31, 0, **of)
            yield _gauge("container_start_time_seconds", END - 90_000, 0, **of)
            yield _gauge("container_processes", 12, **of)
            yield _count("container_oom_events_total", 0, **of)
            yield _count("container_cpu_cfs_periods_total", 10, **of)
            yield _count("container_cpu_cfs_throttled_periods_total", chance.random(), **of)
            yield _count("container_fs_reads_bytes_total", 1e5, **of, device="/dev/nvme0n1")
            yield _count("container_fs_writes_bytes_total", 1e5, **of, device="/dev/nvme0n1")


_FAST = "0.005 0.01 0.025 0.05 0.1 0.2 0.4 0.6 0.8 1.0 2.0 5.0 10.0 30.0 60.0"


def _cluster(chance: random.Random) -> Iterator[Line]:
    api = {"job": "apiserver", "instance": "10.0.0.1:6443"}
    kinds = [
        "pods",
        "nodes",
        "configmaps",
        "secrets",
        "services",
        "endpointslices",
        "leases",
        "events",
    ]
    kinds += ["deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "namespaces"]
    for verb, kind in itertools.product(("GET", "LIST", "PUT", "PATCH", "POST", "WATCH"), kinds):
        of = {**api, "verb": verb, "resource": kind, "subresource": "", "scope": "namespace"}
        pace = chance.random()
        yield from _histogram("apiserver_request_duration_seconds", pace, _FAST, **of)
        for code, share in (("200", 0.99), ("404", 0.009), ("500", 0.001)):
            yield _count("apiserver_request_total", pace * share, **of, code=code)
    for kind in kinds:
        yield _gauge("apiserver_storage_objects", 200, **api, resource=kind)
        yield _gauge("workqueue_depth", 1, **api, name=kind)
    yield _gauge("apiserver_storage_size_bytes", 2e8, **api, storage_cluster_id="etcd-0")
    yield _gauge("process_resident_memory_bytes", 2e9, **api)
    kubelet = {"job": "kubelet", "instance": NODE}
    yield _gauge("kubelet_running_pods", 100, 0.02, **kubelet)
    yield _gauge("kubelet_running_containers", 200, 0.02, **kubelet, container_state="running")
    yield from _histogram(
        "kubelet_pod_start_sli_duration_seconds", 0.01, "0.5 1.0 2.0 5.0 10.0", **kubelet
    )
    for kind in ("list_containers", "start_container", "remove_container", "exec_sync"):
        name = "kubelet_runtime_operations_duration_seconds"
        yield from _histogram(name, 1, _FAST, **kubelet, operation_type=kind)
    for kind in ("volume_mount", "volume_unmount"):
        of = {**kubelet, "operation_name": kind, "volume_plugin": "kubernetes.io/local-volume"}
        yield from _histogram("storage_operation_duration_seconds", 0.01, "0.1 0.25 0.5 1.0", **of)
    for claim in ("data-prometheus-0", "data-alertmanager-0", "data-loki-0"):
        of = {**kubelet, "namespace": "monitoring", "persistentvolumeclaim": claim}
        yield _gauge("kubelet_volume_stats_used_bytes", 4e9, **of)
        yield _gauge("kubelet_volume_stats_capacity_bytes", 1e10, 0, **of)
    dns = {"job": "coredns", "instance": "10.42.0.2:9153", "server": "dns://:53", "zone": "."}
    for rcode in ("NOERROR", "NXDOMAIN", "SERVFAIL"):
        yield _count("coredns_dns_responses_total", 5, **dns, rcode=rcode)
    yield from _histogram("coredns_dns_request_duration_seconds", 15, "0.001 0.01 0.1 1.0", **dns)


def _state(box: Box, chance: random.Random) -> Iterator[Line]:
    """The fixture: what kube-state-metrics would tell of the same box."""
    at = {"job": "kube-state-metrics", "instance": "kube-state-metrics"}
    on = {"job": "kube-state-metrics", "instance": NODE, "node": NODE}
    for status, value in (("true", 1), ("false", 0), ("unknown", 0)):
        yield _gauge(
            "kube_node_status_condition",
            value,
            0,
            **on,
            condition="Ready",
            status=status,
        )
    for resource, value in (("cpu", box.cpus), ("memory", 2**41)):
        yield _gauge("kube_node_status_allocatable", value, 0, **on, resource=resource)
    for number in range(box.pods):
        namespace = NAMESPACES[number % len(NAMESPACES)]
        of = {**at, "namespace": namespace, "pod": f"pod-{number}", "uid": f"uid-{number}"}
        for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
            yield _gauge("kube_pod_status_phase", float(phase == "Running"), 0, **of, phase=phase)
        for resource, value in (("cpu", 0.2), ("memory", 2**28)):
            name = "kube_pod_container_resource_requests"
            yield _gauge(name, value, 0, **of, container="main", node=NODE, resource=resource)
        name = "kube_pod_container_status_restarts_total"
        yield _count(name, 0, **of, container="main")
        name = "kube_pod_container_status_last_terminated_reason"
        yield _gauge(name, 1, 0, **of, container="main", reason="OOMKilled")
    for namespace, number in itertools.product(NAMESPACES, range(5)):
        of = {**at, "namespace": namespace}
        wanted = chance.randint(1, 4)
        for name in ("kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"):
            yield _gauge(name, wanted, 0, **of, deployment=f"{namespace}-{number}")
        for name in ("kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"):
            yield _gauge(name, 1, 0, **of, statefulset=f"{namespace}-{number}")
        yield _gauge("kube_job_status_failed", 0, 0, **of, job_name=f"job-{number}")
        claim = {**of, "persistentvolumeclaim": f"data-{number}"}
        name = "kube_persistentvolumeclaim_resource_requests_storage_bytes"
        yield _gauge(name, 1e10, 0, **claim)
        for phase in ("Bound", "Lost", "Pending"):
            name = "kube_persistentvolumeclaim_status_phase"
            yield _gauge(name, float(phase == "Bound"), 0, **claim, phase=phase)
    for namespace, (kind, value) in itertools.product(NAMESPACES, (("used", 30), ("hard", 100))):
        of = {**at, "namespace": namespace, "resourcequota": "total", "resource": "pods"}
        yield _gauge("kube_resourcequota", value, 0, **of, type=kind)


def _stack() -> Iterator[Line]:
    """Prometheus, Alertmanager, Loki and the collector, and what is said of every target."""
    jobs = "prometheus alertmanager node-exporter apiserver kubelet cadvisor coredns loki"
    for job in [*jobs.split(), "otel-collector", "odin", "gpu", "kube-state-metrics", "grafana"]:
        at = {"job": job, "instance": NODE}
        yield _gauge("up", 1, 0, **at)
        yield _gauge("scrape_duration_seconds", 0.05, **at)
    for name, severity, state in (
        ("Watchdog", "none", "firing"),
        ("NodeMemoryAlmostFull", "warning", "firing"),
        ("ApiServerErrors", "critical", "firing"),
    ):
        yield _gauge(
            "ALERTS", 1, 0, alertname=name, alertstate=state, severity=severity, instance=NODE
        )
    gpu = {"alertname": "GpuThermalSlowdown", "alertstate": "firing", "severity": "warning"}
    yield _gauge("ALERTS", 1, 0, **gpu, instance=NODE, gpu="1", UUID=exporter.uuid(1))
    at = {"job": "prometheus", "instance": "localhost:9090"}
    for name, level in (
        ("prometheus_notifications_alertmanagers_discovered", 1),
        ("prometheus_tsdb_head_series", 2e5),
        ("prometheus_tsdb_storage_blocks_bytes", 8e9),
        ("prometheus_tsdb_wal_storage_size_bytes", 5e8),
    ):
        yield _gauge(name, level, 0.0, **at)
    yield _count("prometheus_notifications_dropped_total", 0, **at)
    for number in range(12):
        of = {**at, "rule_group": f"/etc/prometheus/rules/{number}"}
        yield _gauge("prometheus_rule_group_last_duration_seconds", 0.01, **of)
        yield _count("prometheus_rule_evaluation_failures_total", 0, **of)
        yield _count("prometheus_rule_group_iterations_missed_total", 0, **of)
    for handler in ("/api/v1/query", "/api/v1/query_range", "/metrics"):
        name = "prometheus_http_request_duration_seconds"
        yield from _histogram(name, 2, "0.1 0.2 0.4 1.0 3.0 8.0", **at, handler=handler)
    at = {"job": "alertmanager", "instance": "10.42.0.3:9093"}
    yield _gauge("alertmanager_silences", 1, 0, **at, state="active")
    for integration in ("webhook", "email"):
        of = {**at, "integration": integration}
        yield _count("alertmanager_notifications_total", 0.01, **of)
        yield _count("alertmanager_notifications_failed_total", 0, **of)
        yield from _histogram(
            "alertmanager_notification_latency_seconds", 0.01, "1.0 5.0 10.0", **of
        )
    at = {"job": "loki", "instance": "10.42.0.4:3100"}
    yield _count("loki_discarded_samples_total", 0, **at, reason="rate_limited", tenant="fake")
    yield _count("loki_distributor_bytes_received_total", 1e5, **at, tenant="fake")
    yield _gauge("loki_ingester_memory_streams", 300, **at, tenant="fake")
    for route in ("otlp_v1_logs", "loki_api_v1_query_range"):
        of = {**at, "route": route, "method": "POST", "status_code": "200"}
        yield from _histogram("loki_request_duration_seconds", 3, "0.01 0.1 1.0", **of)
    at = {"job": "otel-collector", "instance": NODE}
    yield _gauge("otelcol_exporter_queue_size", 1e5, **at, exporter="otlphttp/loki")
    yield _gauge("otelcol_exporter_queue_capacity", 1e8, 0, **at, exporter="otlphttp/loki")
    yield _count("otelcol_exporter_sent_log_records", 50, **at, exporter="otlphttp/loki")
    yield _count("otelcol_exporter_send_failed_log_records", 0, **at, exporter="otlphttp/loki")
    yield _count("otelcol_receiver_accepted_log_records", 50, **at, receiver="filelog/pods")


def _odin() -> Iterator[Line]:
    at = {"job": "odin", "instance": NODE}
    yield _gauge("odin_build_info", 1, 0, **at, version="0.1.0")
    yield _gauge("odin_suspended", 0, 0, **at)
    yield _gauge("odin_backup_last_success_timestamp_seconds", END - 7200, 0, **at)
    yield _gauge("odin_backup_last_duration_seconds", 42, 0, **at)
    yield _gauge("odin_drill_last_timestamp_seconds", END - 86400, 0, **at)
    yield _gauge("odin_drill_last_passed", 1, 0, **at)
    yield _gauge("odin_drill_last_duration_seconds", 60, 0, **at)
    for operation, result in itertools.product(("apply", "backup-now"), ("succeeded", "failed")):
        yield _count("odin_operations_total", 1 / 3600, **at, operation=operation, result=result)
    for action in ("repaired", "suspended", "failed"):
        yield _count("odin_drift_total", 1 / 7200, **at, action=action)


def _gpus(box: Box, chance: random.Random) -> Iterator[Line]:
    page = exporter.parse(GPU_PAGE.read_text())
    for gpu in range(box.gpus):
        for series, value in page.items():
            of = dict(series.labels) | {"job": "gpu", "instance": NODE}
            if "UUID" not in of:
                if gpu == 0:
                    yield _gauge(series.name, value, 0, **of)
                continue
            of |= {"UUID": exporter.uuid(gpu), "gpu": str(gpu)}
            if re.search(r"_total$|_COUNT$|_ENERGY_", series.name):
                yield _count(series.name, chance.random(), **of)
            else:
                is_number = value not in (0, 1) and "info" not in series.name
                yield _gauge(series.name, value, 0.2 if is_number else 0, **of)
        pod = {"UUID": exporter.uuid(gpu), "gpu": str(gpu), "namespace": "workloads"}
        pod |= {"pod": f"pod-{4 * gpu + 3}", "container": "main", "job": "gpu", "instance": NODE}
        for name, level in _OF_PODS.items():
            yield _gauge(name, level, 0.2, **pod)
