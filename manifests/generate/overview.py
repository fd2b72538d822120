"""The whole box on one screen."""

from grafana import NODES, Board, graph, row, source, stat, table

OF_NODE = 'instance=~"$instance"'
HALF, NEARLY = (("yellow", 0.75), ("red", 0.9)), (("yellow", 0.8), ("red", 0.95))


def boards() -> list[Board]:
    return [
        Board(
            "overview",
            "System overview",
            "The whole box on one screen: what is wrong, what it does, and whether it could be restored.",
            (source(), NODES),
            (
                stat(
                    "Alerts",
                    "Alerts of severity warning or critical that fire now.",
                    'count(ALERTS{alertstate="firing", severity=~"warning|critical"}) or vector(0)',
                    steps=(("red", 1),),
                ),
                stat(
                    "Targets down",
                    "Targets that Prometheus fails to scrape.",
                    "count(up{} == 0) or vector(0)",
                    steps=(("red", 1),),
                    runbooks=("TargetDown", "TargetMissing"),
                ),
                stat(
                    "CPU",
                    "Part of the processors' time that is not idle; the mean of all nodes.",
                    f"avg(instance:node_cpu_busy:ratio_rate5m{{{OF_NODE}}})",
                    "percentunit",
                    steps=NEARLY,
                ),
                stat(
                    "Memory",
                    "Part of the memory in use, on the node that has least left.",
                    f"1 - min(instance:node_memory_available:ratio{{{OF_NODE}}})",
                    "percentunit",
                    steps=NEARLY,
                    runbooks=("NodeMemoryAlmostFull",),
                ),
                stat(
                    "Fullest disk",
                    "Part in use of the file system that has least left.",
                    f"1 - min(instance_device:node_filesystem_available:ratio{{{OF_NODE}}})",
                    "percentunit",
                    steps=HALF,
                    runbooks=("NodeFilesystemAlmostFull", "NodeFilesystemFillsSoon"),
                ),
                stat(
                    "Up since",
                    "Time since the node that was started last was started.",
                    f"min(node_time_seconds{{{OF_NODE}}} - node_boot_time_seconds{{{OF_NODE}}})",
                    "s",
                ),
                stat(
                    "Newest snapshot",
                    "Age of the newest backup. It is green below a day.",
                    "time() - max(odin_backup_last_success_timestamp_seconds{})",
                    "s",
                    steps=(("yellow", 86400), ("red", 172800)),
                ),
                stat(
                    "Newest drill",
                    "Whether the newest backup that was restored on trial was equal to what was backed up.",
                    "min(odin_drill_last_passed{})",
                    words={"0": ("red", "failed"), "1": ("green", "passed")},
                ),
                stat(
                    "Drift repair",
                    "Whether ODIN brings changed objects back to what is declared.",
                    "max(odin_suspended{})",
                    words={"0": ("green", "on"), "1": ("orange", "suspended")},
                ),
                stat(
                    "Pods",
                    "Pods that run, as the kubelets count them.",
                    f"sum(kubelet_running_pods{{{OF_NODE}}})",
                ),
                stat(
                    "Restarts",
                    "Containers that were started anew in the last hour.",
                    "sum(changes(namespace_pod_container:container_start_time_seconds:max{}[1h])) or vector(0)",
                    steps=(("yellow", 1), ("red", 10)),
                    runbooks=("ContainerRestartsOften",),
                ),
                stat(
                    "GPUs unwell",
                    "GPUs whose verdict is degraded, failed or unknown.",
                    f"count(odin_gpu_health{{{OF_NODE}}} > 0) or vector(0)",
                    steps=(("red", 1),),
                ),
                table(
                    "What fires",
                    "Alerts that fire now. The dashboard Alerts has their history.",
                    'ALERTS{alertstate="firing", severity=~"warning|critical"}',
                    height=7,
                    hidden=("alertstate", "job", "Value", "UUID", "endpoint"),
                    titles={
                        "alertname": "Alert",
                        "severity": "Severity",
                        "instance": "Node",
                        "namespace": "Namespace",
                        "pod": "Pod",
                    },
                ),
                row("What it does"),
                graph(
                    "CPU",
                    "Part of the processors' time that is not idle.",
                    "percentunit",
                    (f"instance:node_cpu_busy:ratio_rate5m{{{OF_NODE}}}", "{{instance}}"),
                    ratio=True,
                ),
                graph(
                    "Memory",
                    "Part of the memory that could not be given away.",
                    "percentunit",
                    (f"1 - instance:node_memory_available:ratio{{{OF_NODE}}}", "{{instance}}"),
                    ratio=True,
                ),
                graph(
                    "CPU by namespace",
                    "Processors used by containers.",
                    "cores",
                    ("namespace:container_cpu_usage_seconds:sum_rate5m{}", "{{namespace}}"),
                    stacked=True,
                ),
                graph(
                    "Memory by namespace",
                    "Working set of containers: what cannot be taken back.",
                    "bytes",
                    ("namespace:container_memory_working_set_bytes:sum{}", "{{namespace}}"),
                    stacked=True,
                ),
                graph(
                    "Disks",
                    "Read and written by all block devices of a node.",
                    "Bps",
                    (f"instance:node_disk_read_bytes:sum_rate5m{{{OF_NODE}}}", "{{instance}} read"),
                    (
                        f"instance:node_disk_written_bytes:sum_rate5m{{{OF_NODE}}}",
                        "{{instance}} written",
                    ),
                ),
                graph(
                    "Network",
                    "Received and sent by all interfaces of a node that are not those of pods.",
                    "Bps",
                    (
                        f"instance:node_network_receive_bytes:sum_rate5m{{{OF_NODE}}}",
                        "{{instance}} received",
                    ),
                    (
                        f"instance:node_network_transmit_bytes:sum_rate5m{{{OF_NODE}}}",
                        "{{instance}} sent",
                    ),
                ),
                graph(
                    "GPUs",
                    "Mean utilization and the part of their memory in use. Without GPUs it is empty.",
                    "percentunit",
                    (f'avg(odin_gpu_utilization_ratio{{engine="gpu", {OF_NODE}}})', "utilization"),
                    (
                        f"sum(odin_gpu_memory_used_bytes{{{OF_NODE}}}) / sum(odin_gpu_memory_total_bytes{{{OF_NODE}}})",
                        "memory",
                    ),
                    ratio=True,
                ),
                graph(
                    "Power of GPUs",
                    "Power drawn by all GPU boards of a node together.",
                    "watt",
                    (f"sum by (instance) (odin_gpu_power_watts{{{OF_NODE}}})", "{{instance}}"),
                ),
            ),
            alerts='ALERTS{alertstate="firing", severity="critical"}',
        )
    ]
