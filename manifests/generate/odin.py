"""ODIN itself: what it did, and what it found changed."""

from backups import SERVERS
from grafana import Board, graph, row, source, stat, table, timeline

OF_NODE = 'instance=~"$instance"'


def boards() -> list[Board]:
    return [
        Board(
            "odin",
            "ODIN",
            "The supervisor: whether it runs, what it did, what it found changed and what became of that.",
            (source(), SERVERS),
            (
                stat(
                    "Supervisor",
                    "Whether it answers.",
                    f'min(up{{job="odin", {OF_NODE}}})',
                    words={"0": ("red", "down"), "1": ("green", "up")},
                    runbooks=("TargetDown",),
                ),
                stat(
                    "Drift repair",
                    "Whether changed objects are brought back to what is declared.",
                    f"max(odin_suspended{{{OF_NODE}}})",
                    words={"0": ("green", "on"), "1": ("orange", "suspended")},
                ),
                stat(
                    "Drift",
                    "Changes made by others to declared objects in the last 24 hours.",
                    f"sum(increase(odin_drift_total{{{OF_NODE}}}[24h])) or vector(0)",
                    steps=(("yellow", 1),),
                ),
                stat(
                    "Not repaired",
                    "Of those, the ones that could not be repaired.",
                    f'sum(increase(odin_drift_total{{action="failed", {OF_NODE}}}[24h])) or vector(0)',
                    steps=(("red", 1),),
                ),
                stat(
                    "Operations",
                    "Operations that ended in the last 24 hours.",
                    f"sum(increase(odin_operations_total{{{OF_NODE}}}[24h])) or vector(0)",
                ),
                stat(
                    "Failed",
                    "Of those, the ones that failed.",
                    f'sum(increase(odin_operations_total{{result="failed", {OF_NODE}}}[24h])) or vector(0)',
                    steps=(("red", 1),),
                ),
                table(
                    "Versions",
                    "The version that each server runs.",
                    f"max by (instance, version) (odin_build_info{{{OF_NODE}}})",
                    height=5,
                    hidden=("Value",),
                    titles={"instance": "Server", "version": "Version"},
                ),
                row("What it did"),
                graph(
                    "Operations",
                    "That ended in the last hour, by kind and outcome.",
                    "none",
                    (
                        f"sum by (operation, result) (increase(odin_operations_total{{{OF_NODE}}}[1h]))",
                        "{{operation}} {{result}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Drift",
                    "Changes made by others in the last hour, by what was done about them.",
                    "none",
                    (
                        f"sum by (action) (increase(odin_drift_total{{{OF_NODE}}}[1h]))",
                        "{{action}}",
                    ),
                    stacked=True,
                ),
                timeline(
                    "Repair",
                    "When the repair of drift was suspended.",
                    (f"odin_suspended{{{OF_NODE}}}", "{{instance}}"),
                    words={"0": ("green", "on"), "1": ("orange", "suspended")},
                ),
                timeline(
                    "Supervisor",
                    "When it answered.",
                    (f'up{{job="odin", {OF_NODE}}}', "{{instance}}"),
                    words={"0": ("red", "down"), "1": ("green", "up")},
                    runbooks=("TargetDown",),
                ),
                graph(
                    "Time to answer",
                    "How long it took to tell of itself.",
                    "s",
                    (f'scrape_duration_seconds{{job="odin", {OF_NODE}}}', "{{instance}}"),
                    width=24,
                ),
            ),
            span="now-24h",
            alerts='ALERTS{alertname=~"Odin.*|Drift.*|Apply.*|Operation.*", alertstate="firing"}',
        )
    ]
