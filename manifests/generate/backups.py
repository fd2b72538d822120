"""Whether the box could be restored, and since when it is known."""

from grafana import Board, choice, graph, row, source, stat, timeline

OF_NODE = 'instance=~"$instance"'
SERVERS = choice("instance", "Server", "odin_build_info", "instance")
PASSED = {"0": ("red", "failed"), "1": ("green", "passed")}


def boards() -> list[Board]:
    return [
        Board(
            "backups",
            "Backups and drills",
            "Whether the box could be restored, how old the newest snapshot is, and when a restore was last tried.",
            (source(), SERVERS),
            (
                stat(
                    "Newest snapshot",
                    "Its age. It is green below a day.",
                    f"time() - max(odin_backup_last_success_timestamp_seconds{{{OF_NODE}}})",
                    "s",
                    steps=(("yellow", 86400), ("red", 172800)),
                    width=6,
                ),
                stat(
                    "Took",
                    "How long the newest backup took.",
                    f"max(odin_backup_last_duration_seconds{{{OF_NODE}}})",
                    "s",
                    width=6,
                ),
                stat(
                    "Newest drill",
                    "Time since the newest snapshot was restored on trial.",
                    f"time() - max(odin_drill_last_timestamp_seconds{{{OF_NODE}}})",
                    "s",
                    steps=(("yellow", 691200), ("red", 1209600)),
                    width=6,
                ),
                stat(
                    "Drill",
                    "Whether what was restored was equal to what was backed up.",
                    f"min(odin_drill_last_passed{{{OF_NODE}}})",
                    words=PASSED,
                    width=6,
                ),
                stat(
                    "Restore takes",
                    "How long the newest drill took: what a restore would take at least.",
                    f"max(odin_drill_last_duration_seconds{{{OF_NODE}}})",
                    "s",
                    width=6,
                ),
                stat(
                    "Backups",
                    "Backups that ended well in the last 24 hours.",
                    f'sum(increase(odin_operations_total{{operation="backup-now", result="succeeded", {OF_NODE}}}[24h])) or vector(0)',
                    width=6,
                ),
                stat(
                    "Failed",
                    "Backups and drills that failed in the last 24 hours.",
                    f'sum(increase(odin_operations_total{{operation=~"backup.*", result="failed", {OF_NODE}}}[24h])) or vector(0)',
                    steps=(("red", 1),),
                    width=6,
                ),
                stat(
                    "Restores",
                    "Restores that ended well in the last 24 hours.",
                    f'sum(increase(odin_operations_total{{operation="restore-apply", result="succeeded", {OF_NODE}}}[24h])) or vector(0)',
                    width=6,
                ),
                row("Over time"),
                graph(
                    "Age of the newest snapshot",
                    "It grows until the next backup: its highest points are how much work could be lost.",
                    "s",
                    (
                        f"time() - odin_backup_last_success_timestamp_seconds{{{OF_NODE}}}",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Duration",
                    "Of the newest backup and the newest drill.",
                    "s",
                    (f"odin_backup_last_duration_seconds{{{OF_NODE}}}", "{{instance}} backup"),
                    (f"odin_drill_last_duration_seconds{{{OF_NODE}}}", "{{instance}} drill"),
                ),
                timeline(
                    "Drills",
                    "Whether the newest drill passed.",
                    (f"odin_drill_last_passed{{{OF_NODE}}}", "{{instance}}"),
                    words=PASSED,
                ),
                graph(
                    "Age of the newest drill",
                    "Time since a snapshot was last restored on trial.",
                    "s",
                    (f"time() - odin_drill_last_timestamp_seconds{{{OF_NODE}}}", "{{instance}}"),
                ),
                graph(
                    "Room for snapshots",
                    "What is left of the file systems: backups and drills need some.",
                    "percentunit",
                    (
                        f"instance_device:node_filesystem_available:ratio{{{OF_NODE}}}",
                        "{{instance}} {{device}}",
                    ),
                    ratio=True,
                    width=24,
                    runbooks=("NodeFilesystemAlmostFull",),
                ),
            ),
            span="now-7d",
            alerts='ALERTS{alertname=~"Backup.*|Drill.*", alertstate="firing"}',
        )
    ]
