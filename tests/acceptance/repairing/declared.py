"""Faults of what ODIN was asked for: a backup and an apply that failed."""

from __future__ import annotations

from repairing.fault import NOTES, Injection
from repairing.pods import API

REPOSITORY = "/mnt/backup/repository"
BUNDLE = "/etc/odin/bundle"
SERVICE = f"{BUNDLE}/prometheus/service-monitoring-prometheus.yaml"
LABEL = "repairing"


def _backup() -> Injection:
    mark = f"{NOTES}/backup"
    return Injection(
        "backup-fails",
        prepare=f"touch {mark} && odin backup now",
        inject=(
            f"mv {REPOSITORY} {REPOSITORY}.away && touch {REPOSITORY};"
            f" odin backup now >/dev/null 2>&1; status=$?;"
            f" rm {REPOSITORY} && mv {REPOSITORY}.away {REPOSITORY} && touch {mark};"
            " [ $status -ne 0 ]"
        ),
        # What the failed one should have left.
        works=f"find {REPOSITORY}/snapshots -type f -newer {mark} | grep -q .",
        undo="odin backup now",
        seen='odin_operation_last_succeeded{job="odin", operation="backup-now"} == 1',
        target="backups",
    )


def _apply() -> Injection:
    note = f"{NOTES}/apply"
    # Another bundle in the place of the old one, as an upgrade leaves it.
    seal = (
        f"cd {BUNDLE} && find . -type f ! -name SHA256SUMS -printf '%P\\n' | LC_ALL=C sort"
        f" | xargs sha256sum > {NOTES}/sums && mv {NOTES}/sums SHA256SUMS"
    )
    return Injection(
        "apply-fails",
        prepare=f"touch {note} && odin apply --yes",
        inject=(
            "systemctl stop k3s-apiserver.service;"
            f" sed -i '0,/^  labels:$/s//  labels:\\n    {LABEL}: again/' {SERVICE} && ({seal});"
            " odin apply --yes >/dev/null 2>&1; status=$?;"
            f" systemctl start k3s-apiserver.service; echo again > {note}; [ $status -ne 0 ]"
        ),
        works=(
            f"label=$({API}/api/v1/namespaces/monitoring/services/prometheus"
            f' | jq -r \'.metadata.labels.{LABEL} // empty\') && [ "$label" = "$(cat {note})" ]'
        ),
        undo="odin apply --yes",
        seen='odin_operation_last_succeeded{job="odin", operation="apply"} == 1',
        target="bundle",
    )


def injections() -> list[Injection]:
    """All of them."""
    return [_backup(), _apply()]
