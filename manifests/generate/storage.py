"""Where data lies: file systems, volumes, and what keeps growing."""

from grafana import NODES, Board, graph, row, source, stat, table

OF_NODE = 'instance=~"$instance"'
N = f'job="node-exporter", {OF_NODE}'


def boards() -> list[Board]:
    return [
        Board(
            "storage",
            "Storage",
            "What is left of file systems and volumes, how fast it goes, and whether the disks keep up.",
            (source(), NODES),
            (
                stat(
                    "Fullest file system",
                    "Part in use of the file system that has least left.",
                    f"1 - min(instance_device:node_filesystem_available:ratio{{{OF_NODE}}})",
                    "percentunit",
                    steps=(("yellow", 0.75), ("red", 0.85)),
                    runbooks=("NodeFilesystemAlmostFull",),
                ),
                stat(
                    "Full in",
                    "Days until a file system is full, at the pace of the last six hours. More than a year is shown as one.",
                    f"min(clamp(instance_device:node_filesystem_available:ratio{{{OF_NODE}}} / (-deriv(instance_device:node_filesystem_available:ratio{{{OF_NODE}}}[6h]) > 0) / 86400, 0, 365)) or vector(365)",
                    "d",
                    steps=(),
                    runbooks=("NodeFilesystemFillsSoon",),
                ),
                stat(
                    "Fewest inodes",
                    "Part in use of the inodes of the file system that has fewest left.",
                    f"1 - min(instance_device:node_filesystem_inodes_free:ratio{{{OF_NODE}}})",
                    "percentunit",
                    steps=(("yellow", 0.8), ("red", 0.95)),
                    runbooks=("NodeInodesAlmostGone",),
                ),
                stat(
                    "Fullest volume",
                    "Part in use of the volume that has least left. Volumes that are directories of the node show the node's file system.",
                    f"max(kubelet_volume_stats_used_bytes{{{OF_NODE}}} / kubelet_volume_stats_capacity_bytes{{{OF_NODE}}})",
                    "percentunit",
                    steps=(("yellow", 0.75), ("red", 0.9)),
                ),
                stat(
                    "Claims waiting",
                    "Claims that have no volume. One that no pod uses yet may wait.",
                    'sum(kube_persistentvolumeclaim_status_phase{phase!="Bound"})',
                    steps=(("yellow", 1),),
                ),
                stat(
                    "Busiest disk",
                    "Part of the time in which it had something to do.",
                    f"max(instance_device:node_disk_busy:ratio_rate5m{{{OF_NODE}}})",
                    "percentunit",
                    steps=(("yellow", 0.8), ("red", 0.95)),
                ),
                row("File systems and volumes"),
                graph(
                    "Left of file systems",
                    "Part that is left of each device, once however often it is mounted.",
                    "percentunit",
                    (
                        f"instance_device:node_filesystem_available:ratio{{{OF_NODE}}}",
                        "{{instance}} {{device}}",
                    ),
                    ratio=True,
                    runbooks=("NodeFilesystemAlmostFull", "NodeFilesystemFillsSoon"),
                ),
                graph(
                    "Inodes left",
                    "Part of the inodes that is left of each device.",
                    "percentunit",
                    (
                        f"instance_device:node_filesystem_inodes_free:ratio{{{OF_NODE}}}",
                        "{{instance}} {{device}}",
                    ),
                    ratio=True,
                    runbooks=("NodeInodesAlmostGone",),
                ),
                graph(
                    "Use of volumes",
                    "Part in use, by claim.",
                    "percentunit",
                    (
                        f"kubelet_volume_stats_used_bytes{{{OF_NODE}}} / kubelet_volume_stats_capacity_bytes{{{OF_NODE}}}",
                        "{{namespace}}/{{persistentvolumeclaim}}",
                    ),
                    ratio=True,
                ),
                table(
                    "Claims",
                    "What claims asked for. The local-path provisioner does not hold a claim to its size.",
                    "sum by (namespace, persistentvolumeclaim) (kube_persistentvolumeclaim_resource_requests_storage_bytes{})",
                    'max by (persistentvolumeclaim) (kubelet_volume_stats_used_bytes{instance=~"$instance"})',
                    join="persistentvolumeclaim",
                    width=12,
                    units={"Value #A": "bytes", "Value #B": "bytes"},
                    titles={
                        "namespace": "Namespace",
                        "persistentvolumeclaim": "Claim",
                        "Value #A": "Asked for",
                        "Value #B": "Used",
                    },
                ),
                row("Disks"),
                graph(
                    "Busy",
                    "Part of the time in which a device had something to do.",
                    "percentunit",
                    (
                        f"instance_device:node_disk_busy:ratio_rate5m{{{OF_NODE}}}",
                        "{{instance}} {{device}}",
                    ),
                    ratio=True,
                ),
                graph(
                    "Waiting requests",
                    "Mean number of requests that a device has in hand.",
                    "none",
                    (
                        f"rate(node_disk_io_time_weighted_seconds_total{{{N}}}[$__rate_interval])",
                        "{{instance}} {{device}}",
                    ),
                ),
                graph(
                    "Requests",
                    "Reads and writes that were completed.",
                    "iops",
                    (
                        f"rate(node_disk_reads_completed_total{{{N}}}[$__rate_interval])",
                        "{{device}} reads",
                    ),
                    (
                        f"rate(node_disk_writes_completed_total{{{N}}}[$__rate_interval])",
                        "{{device}} writes",
                    ),
                ),
                graph(
                    "Mounts and volumes",
                    "The slowest in a hundred of the kubelet's operations on volumes.",
                    "s",
                    (
                        "operation:storage_operation_duration_seconds:p99_rate5m{}",
                        "{{operation_name}}",
                    ),
                ),
                row("What keeps growing"),
                graph(
                    "Prometheus",
                    "Measurements on disk: blocks and the log of what is not in a block yet.",
                    "bytes",
                    ('prometheus_tsdb_storage_blocks_bytes{job="prometheus"}', "blocks"),
                    ('prometheus_tsdb_wal_storage_size_bytes{job="prometheus"}', "log"),
                    stacked=True,
                    runbooks=("PrometheusStorageFailing",),
                ),
                graph(
                    "Series",
                    "Series that Prometheus keeps in memory.",
                    "none",
                    ('prometheus_tsdb_head_series{job="prometheus"}', "series"),
                ),
                graph(
                    "Datastore of the cluster",
                    "Size of the file in which the cluster keeps its objects.",
                    "bytes",
                    ('max(apiserver_storage_size_bytes{job="apiserver"})', "size"),
                ),
                graph(
                    "Logs",
                    "What Loki is sent.",
                    "Bps",
                    (
                        'sum(rate(loki_distributor_bytes_received_total{job="loki"}[$__rate_interval]))',
                        "received",
                    ),
                ),
            ),
            span="now-24h",
            alerts='ALERTS{alertname=~"NodeFilesystem.*|NodeInodes.*|Volume.*|PrometheusStorage.*", alertstate="firing"}',
        )
    ]
