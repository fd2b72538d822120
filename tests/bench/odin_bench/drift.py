"""Drift: fields changed by hand, and the time until the declared value is back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any

from odin_bench import api, bundle
from odin_bench.measure import percentile
from odin_bench.report import Goal, Section, table

PATIENCE = 60
"""A change that is not repaired after so many seconds counts with them."""


@dataclass(frozen=True)
class Change:
    """What a hand changes on objects of one kind: one declared field."""

    group: str
    resource: str
    path: tuple[str, ...]
    value: Any


CHANGES = {
    "ConfigMap": Change("api/v1", "configmaps", ("data", "level"), "by-hand"),
    "Service": Change("api/v1", "services", ("spec", "selector", "app"), "by-hand"),
    "ServiceAccount": Change(
        "api/v1", "serviceaccounts", ("metadata", "labels", "bench/tier"), "by-hand"
    ),
    "Deployment": Change("apis/apps/v1", "deployments", ("spec", "minReadySeconds"), 31),
    "Role": Change("apis/rbac.authorization.k8s.io/v1", "roles", ("rules",), []),
}


def targets(objects: list[bundle.Object], count: int) -> list[bundle.Object]:
    """`count` objects, the kinds in turns, no object twice."""
    kinds = {kind: [o for o in objects if o["kind"] == kind] for kind in CHANGES}
    chosen: list[bundle.Object] = []
    while len(chosen) < count:
        before = len(chosen)
        for found in kinds.values():
            if found and len(chosen) < count:
                chosen.append(found.pop())
        if len(chosen) == before:
            raise ValueError(f"the bundle has no {count} objects to change")
    return chosen


def measured(
    server: api.Api, objects: list[bundle.Object], count: int, say: Callable[[str], None]
) -> Section:
    """Changes `count` objects one after another while a supervisor watches."""
    hand = server.connect()
    seconds = [_repair(server, hand, thing) for thing in targets(objects, count)]
    hand.close()
    late = sum(value >= PATIENCE for value in seconds)
    p99 = percentile(seconds, 99)
    say(f"drift: p99 {p99:.3f} s of {count}, {late} not repaired")
    row = [f"{percentile(seconds, p) * 1000:.0f}" for p in (50, 90, 99)]
    text = f"""
{count} declared fields of {len(CHANGES)} kinds among {len(objects):,} objects, changed one \
after another by a merge patch as `kubectl patch` sends it; from the answer to the patch \
to the event of a watch, opened before, that shows the declared value again.

{
        table(
            ("changes", "p50 ms", "p90 ms", "p99 ms", "worst ms", f"not repaired in {PATIENCE} s"),
            [(str(count), *row, f"{max(seconds) * 1000:.0f}", str(late))],
        )
    }"""
    return Section("Repair of drift", [Goal("repair of drift, p99", p99, 5, ".3f", " s")], text)


def _repair(server: api.Api, hand: HTTPSConnection, thing: bundle.Object) -> float:
    change, metadata = CHANGES[thing["kind"]], thing["metadata"]
    collection = f"/{change.group}/namespaces/{metadata['namespace']}/{change.resource}"
    declared = _at(thing, change.path)
    version = api.ask(hand, "GET", f"{collection}/{metadata['name']}")["metadata"][
        "resourceVersion"
    ]
    patch = change.value
    for key in reversed(change.path):
        patch = {key: patch}
    watching = server.connect()
    try:
        events = _events(
            watching,
            f"{collection}?watch=true&fieldSelector=metadata.name%3D{metadata['name']}"
            f"&resourceVersion={version}&timeoutSeconds={PATIENCE}",
        )
        changed = api.ask(
            hand,
            "PATCH",
            f"{collection}/{metadata['name']}?fieldManager=kubectl-patch",
            patch,
            "merge-patch+json",
        )
        acknowledged = time.monotonic()
        seen = False
        for moment, event in events:
            seen = seen or _version(event["object"]) == _version(changed)
            if seen and _at(event["object"], change.path) == declared:
                return moment - acknowledged
        return PATIENCE
    finally:
        watching.close()


def _events(connection: HTTPSConnection, path: str) -> Iterator[tuple[float, Any]]:
    """Events and when they arrived; the watch is open when this returns."""
    answer = api.begin_watch(connection, path)

    def lines() -> Iterator[tuple[float, Any]]:
        try:
            for line in answer:
                yield time.monotonic(), json.loads(line)
        except TimeoutError:
            return

    return lines()


def _version(thing: Any) -> str:
    return thing["metadata"]["resourceVersion"]


def _at(thing: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        thing = thing.get(key) if isinstance(thing, dict) else None
    return thing
