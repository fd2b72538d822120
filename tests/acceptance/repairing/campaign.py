"""Which faults are brought about together, and both machines side by side."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from odin_lab.gpus import Gpus

from repairing import box as boxes
from repairing import declared, host, pods
from repairing.fault import Injection, listed
from repairing.watch import Outcome, Watched

# With remedies: what reports a fault, or carries out its remedy, must not be the
# victim of another one of the group. The three of K3s, which one restart mends, are
# as far apart as the unit cools down.
WITH_ODIN = (
    ("kubelet-hangs",),
    (
        *("exporter-hangs", "workload-hangs", "dns-hangs", "loki-hangs", "gpu-exporter-hangs"),
        *("backup-fails", "container-in-backoff"),
    ),
    ("alertmanager-hangs",),
    ("apiserver-hangs",),
    ("stack-leaks-memory", "journal-fills-disk", "collector-hangs", "gpu-lost"),
    ("datastore-hangs",),
    ("prometheus-hangs",),
    ("apply-fails",),
)
# Alone: no fault may keep Kubernetes or systemd from repairing another one. The
# kubelet restarts containers without an API server. Nothing looks after the parts
# of K3s, so those three may hang together.
ALONE = (
    (
        *("exporter-hangs", "workload-hangs", "dns-hangs", "collector-hangs", "loki-hangs"),
        *("prometheus-hangs", "stack-leaks-memory", "journal-fills-disk"),
        *("gpu-exporter-hangs", "gpu-lost", "backup-fails"),
    ),
    ("alertmanager-hangs", "container-in-backoff", "apply-fails"),
    ("kubelet-hangs", "apiserver-hangs", "datastore-hangs"),
)
SIDES = {"odin": (WITH_ODIN, boxes.ODIN), "alone": (ALONE, boxes.ALONE)}

Measured = dict[str, dict[str, Outcome]]
"""Outcomes by side and fault."""


def run(only: Sequence[str], sides: Sequence[str], cap: float, seed: int) -> Measured:
    """Brings the faults about on the machines of these sides, at the same time."""
    stop = threading.Event()
    cards = {side: Gpus(2) for side in sides}
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(boxes.bundle())
        machines = {
            side: stack.enter_context(
                boxes.machine(f"repair-{side}", SIDES[side][1], made, cards[side])
            )
            for side in sides
        }
        # Left first: a machine that goes ends what is waited for on it.
        pool = stack.enter_context(ThreadPoolExecutor(len(sides)))
        stack.callback(stop.set)
        tasks = {}
        for side in sides:
            watched = Watched(machines[side], cap, side == "odin", stop)
            tasks[side] = pool.submit(one, side, watched, cards[side], only, seed)
        return {side: task.result() for side, task in tasks.items()}


def one(
    side: str, watched: Watched, cards: Gpus, only: Sequence[str], seed: int
) -> dict[str, Outcome]:
    """Everything on one machine."""
    chance = random.Random(f"{seed} {side}")
    known = catalogue(cards)
    entries = listed()
    boxes.come_up(watched.box)
    done = []
    for names in SIDES[side][0]:
        group = [(entries[name], known[name]) for name in names if not only or name in only]
        if group:
            watched.group(group, chance)
            done += group
    if watched.remedies:
        watched.end(done)
    return watched.outcomes


def catalogue(cards: Gpus) -> dict[str, Injection]:
    """How each fault is brought about, by its name in the list."""
    every = [*pods.injections(), *host.injections(cards), *declared.injections()]
    known = {injection.name: injection for injection in every}
    wanted = {name for name, entry in listed().items() if entry.proven == "lab"}
    assert set(known) == wanted, f"the list and the injections differ: {set(known) ^ wanted}"
    for groups, _ in SIDES.values():
        placed = [name for group in groups for name in group]
        assert sorted(placed) == sorted(wanted), f"not placed once: {placed}"
    return known
