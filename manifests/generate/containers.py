"""Containers, as the kubelet's cAdvisor measures them."""

from grafana import Board, choice, graph, row, source, stat, table
from kubernetes import NAMESPACES

P = 'namespace=~"$namespace", pod=~"$pod"'
C = f'job="cadvisor", container!="", {P}'
R = "[$__rate_interval]"
PODS = choice(
    "pod",
    "Pod",
    'namespace_pod_container:container_memory_working_set_bytes:max{namespace=~"$namespace"}',
    "pod",
)


def boards() -> list[Board]:
    return [
        Board(
            "containers",
            "Containers",
            "What containers use, and what of their limits is left, by pod.",
            (source(), NAMESPACES, PODS),
            (
                stat(
                    "Containers",
                    "Containers that are measured.",
                    f"count(namespace_pod_container:container_memory_working_set_bytes:max{{{P}}})",
                ),
                stat(
                    "CPU",
                    "Processors used.",
                    f"sum(namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{{{P}}})",
                    "cores",
                ),
                stat(
                    "Memory",
                    "Working set: what cannot be taken back.",
                    f"sum(namespace_pod_container:container_memory_working_set_bytes:max{{{P}}})",
                    "bytes",
                ),
                stat(
                    "Nearest its limit",
                    "Memory of the container that has least left below its limit, in that limit.",
                    f"max(namespace_pod_container:container_memory_working_set_bytes:max{{{P}}} / on (namespace, pod, container) (max by (namespace, pod, container) (container_spec_memory_limit_bytes{{{C}}}) > 0))",
                    "percentunit",
                    steps=(("yellow", 0.8), ("red", 0.95)),
                ),
                stat(
                    "Restarts",
                    "Containers started anew in the last hour.",
                    f"sum(changes(namespace_pod_container:container_start_time_seconds:max{{{P}}}[1h]))",
                    steps=(("yellow", 1), ("red", 10)),
                    runbooks=("ContainerRestartsOften",),
                ),
                stat(
                    "Out of memory",
                    "Restarts in the last hour of containers that were last ended for want of memory.",
                    f'sum(round(increase(kube_pod_container_status_restarts_total{{{P}}}[1h])) * on (namespace, pod, container) group_left () max by (namespace, pod, container) (kube_pod_container_status_last_terminated_reason{{reason="OOMKilled", {P}}})) or sum(increase(container_oom_events_total{{{C}}}[1h]))',
                    steps=(("red", 1),),
                    runbooks=("ContainerOutOfMemory",),
                ),
                row("Processors and memory"),
                graph(
                    "CPU",
                    "The 20 pods that use most.",
                    "cores",
                    (
                        f"topk(20, sum by (namespace, pod) (namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{{{P}}}))",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                graph(
                    "Throttled",
                    "Part of the periods in which a container wanted more than its processor limit. ODIN's own have none.",
                    "percentunit",
                    (
                        f"topk(20, namespace_pod_container:container_cpu_cfs_throttled:ratio_rate5m{{{P}}})",
                        "{{namespace}}/{{pod}} {{container}}",
                    ),
                    ratio=True,
                ),
                graph(
                    "Memory",
                    "Working set of the 20 pods that have most.",
                    "bytes",
                    (
                        f"topk(20, sum by (namespace, pod) (namespace_pod_container:container_memory_working_set_bytes:max{{{P}}}))",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                graph(
                    "Memory in its limit",
                    "The 20 containers that are nearest to theirs.",
                    "percentunit",
                    (
                        f"topk(20, namespace_pod_container:container_memory_working_set_bytes:max{{{P}}} / on (namespace, pod, container) (max by (namespace, pod, container) (container_spec_memory_limit_bytes{{{C}}}) > 0))",
                        "{{namespace}}/{{pod}} {{container}}",
                    ),
                    ratio=True,
                ),
                row("Network and disks"),
                graph(
                    "Received",
                    "The 20 pods that receive most.",
                    "Bps",
                    (
                        f"topk(20, namespace_pod:container_network_receive_bytes:sum_rate5m{{{P}}})",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                graph(
                    "Sent",
                    "The 20 pods that send most.",
                    "Bps",
                    (
                        f"topk(20, namespace_pod:container_network_transmit_bytes:sum_rate5m{{{P}}})",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                graph(
                    "Read from disks",
                    "The 20 pods that read most.",
                    "Bps",
                    (
                        f"topk(20, sum by (namespace, pod) (rate(container_fs_reads_bytes_total{{{C}}}{R})))",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                graph(
                    "Written to disks",
                    "The 20 pods that write most.",
                    "Bps",
                    (
                        f"topk(20, sum by (namespace, pod) (rate(container_fs_writes_bytes_total{{{C}}}{R})))",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
                table(
                    "All containers",
                    "What each uses now.",
                    f"sum by (namespace, pod) (namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{{{P}}})",
                    f"sum by (pod) (namespace_pod_container:container_memory_working_set_bytes:max{{{P}}})",
                    f"sum by (pod) (container_processes{{{C}}})",
                    join="pod",
                    height=10,
                    units={"Value #A": "cores", "Value #B": "bytes"},
                    titles={
                        "namespace": "Namespace",
                        "pod": "Pod",
                        "Value #A": "CPU",
                        "Value #B": "Memory",
                        "Value #C": "Processes",
                    },
                ),
            ),
            alerts='ALERTS{alertname=~"Container.*", alertstate="firing", namespace=~"$namespace"}',
        )
    ]
