"""One machine: processors, memory, disks, network, and what the kernel complains of."""

from grafana import NODES, Board, graph, row, source, stat, table

N = 'job="node-exporter", instance=~"$instance"'
R = "[$__rate_interval]"


def rate(metric: str) -> str:
    return f"rate({metric}{{{N}}}{R})"


def boards() -> list[Board]:
    return [
        Board(
            "node",
            "Node",
            "One machine: processors, memory, disks, network, and what its kernel complains of.",
            (source(), NODES),
            (
                stat(
                    "CPUs",
                    "Processors that the kernel uses.",
                    f'count(node_cpu_seconds_total{{{N}, mode="idle"}})',
                ),
                stat(
                    "Memory",
                    "Memory that the kernel has.",
                    f"sum(node_memory_MemTotal_bytes{{{N}}})",
                    "bytes",
                ),
                stat(
                    "Up since",
                    "Time since the start of the node that was started last.",
                    f"min(node_time_seconds{{{N}}} - node_boot_time_seconds{{{N}}})",
                    "s",
                ),
                stat(
                    "Out of memory",
                    "Processes that the kernel ended for want of memory in the last hour.",
                    f"sum(increase(node_vmstat_oom_kill{{{N}}}[1h]))",
                    steps=(("red", 1),),
                    runbooks=("NodeOutOfMemoryKill",),
                ),
                stat(
                    "Clock",
                    "How far the clock may be off at most, as the kernel estimates it.",
                    f"max(node_timex_maxerror_seconds{{{N}}})",
                    "s",
                    steps=(("yellow", 1), ("red", 16)),
                    runbooks=("NodeClockNotSynchronised",),
                ),
                stat(
                    "Files open",
                    "Open files in those that may be open.",
                    f"max(node_filefd_allocated{{{N}}} / node_filefd_maximum{{{N}}})",
                    "percentunit",
                    steps=(("yellow", 0.7), ("red", 0.9)),
                ),
                row("Processors and memory"),
                graph(
                    "CPU by mode",
                    "What the processors' time went to; idle time is left out.",
                    "percentunit",
                    (
                        f'sum by (mode) (rate(node_cpu_seconds_total{{{N}, mode!="idle"}}{R})) / scalar(count(node_cpu_seconds_total{{{N}, mode="idle"}}))',
                        "{{mode}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Load",
                    "Threads that run or wait, for a processor or for a disk. Above the number of processors somebody waits.",
                    "none",
                    (f"node_load1{{{N}}}", "{{instance}} 1 min"),
                    (f"node_load5{{{N}}}", "{{instance}} 5 min"),
                    (f"node_load15{{{N}}}", "{{instance}} 15 min"),
                ),
                graph(
                    "Memory",
                    "What the memory is used for; what is available may be taken from caches.",
                    "bytes",
                    (
                        f"node_memory_MemTotal_bytes{{{N}}} - node_memory_MemAvailable_bytes{{{N}}}",
                        "{{instance}} in use",
                    ),
                    (
                        f"node_memory_Cached_bytes{{{N}}} + node_memory_Buffers_bytes{{{N}}}",
                        "{{instance}} caches",
                    ),
                    (f"node_memory_MemFree_bytes{{{N}}}", "{{instance}} free"),
                    stacked=True,
                    runbooks=("NodeMemoryAlmostFull",),
                ),
                graph(
                    "Pressure",
                    "Part of the time in which some thread waited for a processor, for memory or for a disk (PSI).",
                    "percentunit",
                    (rate("node_pressure_cpu_waiting_seconds_total"), "{{instance}} CPU"),
                    (rate("node_pressure_memory_waiting_seconds_total"), "{{instance}} memory"),
                    (rate("node_pressure_io_waiting_seconds_total"), "{{instance}} disk"),
                    ratio=True,
                ),
                graph(
                    "Page faults from disk",
                    "Pages that had to be read from a disk: high when memory is short.",
                    "ops",
                    (rate("node_vmstat_pgmajfault"), "{{instance}}"),
                ),
                graph(
                    "Threads",
                    "Threads that run, and those that wait for a disk.",
                    "none",
                    (f"node_procs_running{{{N}}}", "{{instance}} running"),
                    (f"node_procs_blocked{{{N}}}", "{{instance}} blocked"),
                ),
                row("Disks"),
                graph(
                    "Busy",
                    "Part of the time in which a device had something to do. A device with many queues may do more at 100 %.",
                    "percentunit",
                    (
                        'instance_device:node_disk_busy:ratio_rate5m{instance=~"$instance"}',
                        "{{instance}} {{device}}",
                    ),
                    ratio=True,
                ),
                graph(
                    "Throughput",
                    "Read and written by device.",
                    "Bps",
                    (rate("node_disk_read_bytes_total"), "{{device}} read"),
                    (rate("node_disk_written_bytes_total"), "{{device}} written"),
                ),
                graph(
                    "Wait of a read",
                    "Mean time from the request to its answer.",
                    "s",
                    (
                        f"{rate('node_disk_read_time_seconds_total')} / ({rate('node_disk_reads_completed_total')} > 0)",
                        "{{instance}} {{device}}",
                    ),
                ),
                graph(
                    "Wait of a write",
                    "Mean time from the request to its answer. A cluster's datastore needs it to be below some 10 ms.",
                    "s",
                    (
                        f"{rate('node_disk_write_time_seconds_total')} / ({rate('node_disk_writes_completed_total')} > 0)",
                        "{{instance}} {{device}}",
                    ),
                ),
                table(
                    "File systems",
                    "Size and what is left of each device, once however often it is mounted.",
                    f"max by (instance, device, fstype) (node_filesystem_size_bytes{{{N}}})",
                    f"max by (device) (node_filesystem_avail_bytes{{{N}}})",
                    'max by (device) (instance_device:node_filesystem_available:ratio{instance=~"$instance"})',
                    'max by (device) (instance_device:node_filesystem_inodes_free:ratio{instance=~"$instance"})',
                    join="device",
                    units={
                        "Value #A": "bytes",
                        "Value #B": "bytes",
                        "Value #C": "percentunit",
                        "Value #D": "percentunit",
                    },
                    titles={
                        "instance": "Node",
                        "device": "Device",
                        "fstype": "Type",
                        "Value #A": "Size",
                        "Value #B": "Left",
                        "Value #C": "Left of it",
                        "Value #D": "Inodes left",
                    },
                    runbooks=("NodeFilesystemAlmostFull", "NodeInodesAlmostGone"),
                ),
                row("Network"),
                graph(
                    "Received",
                    "By interface; those of pods are left out.",
                    "Bps",
                    (rate("node_network_receive_bytes_total"), "{{instance}} {{device}}"),
                ),
                graph(
                    "Sent",
                    "By interface; those of pods are left out.",
                    "Bps",
                    (rate("node_network_transmit_bytes_total"), "{{instance}} {{device}}"),
                ),
                graph(
                    "Errors and drops",
                    "Packets that an interface lost. It should be nothing.",
                    "pps",
                    (
                        f"{rate('node_network_receive_errs_total')} + {rate('node_network_receive_drop_total')}",
                        "{{device}} received",
                    ),
                    (
                        f"{rate('node_network_transmit_errs_total')} + {rate('node_network_transmit_drop_total')}",
                        "{{device}} sent",
                    ),
                ),
                graph(
                    "TCP sent again",
                    "Part of the segments that had to be sent again.",
                    "percentunit",
                    (
                        f"{rate('node_netstat_Tcp_RetransSegs')} / {rate('node_netstat_Tcp_OutSegs')}",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Tracked connections",
                    "Entries of the connection table in those it can hold. A full one drops new connections.",
                    "percentunit",
                    (
                        f"node_nf_conntrack_entries{{{N}}} / node_nf_conntrack_entries_limit{{{N}}}",
                        "{{instance}}",
                    ),
                    ratio=True,
                ),
                graph(
                    "Clock",
                    "How far the clock is off, as what sets it estimates; 16 s when nobody does.",
                    "s",
                    (f"node_timex_estimated_error_seconds{{{N}}}", "{{instance}}"),
                    runbooks=("NodeClockOff",),
                ),
                graph(
                    "Temperatures",
                    "Sensors of the board and the processors. Virtual machines have none.",
                    "celsius",
                    (
                        f"max by (instance, chip) (node_hwmon_temp_celsius{{{N}}})",
                        "{{instance}} {{chip}}",
                    ),
                    width=24,
                ),
            ),
            alerts='ALERTS{alertname=~"Node.*", alertstate="firing", instance=~"$instance"}',
        )
    ]
