"""Applying: `odin apply` and `kubectl apply --server-side`, each to a server of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from odin_bench import api, bundle, measure, programs
from odin_bench.box import Box
from odin_bench.measure import Sample, Spread
from odin_bench.report import Goal, Section, table

ODIN, KUBECTL = "`odin apply`", "`kubectl apply --server-side -R -f`"

HEAD = ("pass", "program", "seconds", "its CPU s", "peak MiB", "requests", "CPU s of the API")


@dataclass(frozen=True)
class Pass:
    """One pass over all objects."""

    cost: Sample
    requests: int
    server_cpu: float


def measured(directory: Path, total: int, runs: int, say: Callable[[str], None]) -> Section:
    """Applies `total` objects `runs` times with either program, in turns."""
    sources = directory / "bundle"
    bundle.write(sources, total)
    found: dict[str, list[tuple[Pass, Pass]]] = {ODIN: [], KUBECTL: []}
    for number in range(runs):
        turn = [(ODIN, _odin), (KUBECTL, _kubectl)]
        for name, apply in turn if number % 2 == 0 else reversed(turn):
            with api.fresh(directory / f"{apply.__name__}-{number}") as server:
                again = apply(server, directory / f"{apply.__name__}-{number}", sources, total)
                found[name].append((again(), again()))
            first, second = found[name][-1]
            say(
                f"{name}: {first.cost.seconds:.2f} s with {first.requests} requests,"
                f" again {second.cost.seconds:.2f} s with {second.requests}"
            )
    return _section(found, total)


def _odin(server: api.Api, directory: Path, sources: Path, total: int) -> Callable[[], Pass]:
    box = Box(directory / "odin", server.server.kubeconfig, sources)
    expected = ["created", "unchanged"]

    def once() -> Pass:
        begin = server.requests(), server.cpu_seconds()
        cost, report = box.run("apply")
        verb = expected.pop(0)
        if report["counts"].get(verb) != total:
            raise measure.Failed(f"odin apply: {report['counts']}, not {total} {verb}")
        return Pass(cost, server.requests() - begin[0], server.cpu_seconds() - begin[1])

    return once


def _kubectl(server: api.Api, directory: Path, sources: Path, total: int) -> Callable[[], Pass]:
    command = [
        *(programs.kubectl(), f"--kubeconfig={server.server.kubeconfig}"),
        *(f"--cache-dir={directory}/cache", "apply", "--server-side", "-R", "-f", sources),
    ]

    def once() -> Pass:
        begin = server.requests(), server.cpu_seconds()
        cost = measure.run(command)
        applied = cost.stdout.count("serverside-applied")
        if applied != total:
            raise measure.Failed(f"kubectl apply: {applied} of {total} objects applied")
        return Pass(cost, server.requests() - begin[0], server.cpu_seconds() - begin[1])

    return once


def _section(found: dict[str, list[tuple[Pass, Pass]]], total: int) -> Section:
    def seconds(name: str, which: int) -> Spread:
        return Spread.of(passes[which].cost.seconds for passes in found[name])

    ratio = seconds(ODIN, 0).median / seconds(KUBECTL, 0).median
    requests = Spread.of(passes[1].requests for passes in found[ODIN])
    needed = Spread.of(passes[0].server_cpu for passes in found[ODIN]).median
    floor = needed / (os.cpu_count() or 1) / seconds(KUBECTL, 0).median
    rows = []
    for which, what in enumerate(("first", "nothing to do")):
        for name, passes in found.items():
            rows.append(
                (
                    what,
                    name,
                    f"{seconds(name, which):.2f}",
                    f"{Spread.of(one[which].cost.cpu_seconds for one in passes):.2f}",
                    f"{Spread.of(one[which].cost.peak_mib for one in passes):.0f}",
                    f"{Spread.of(one[which].requests for one in passes):.0f}",
                    f"{Spread.of(one[which].server_cpu for one in passes):.1f}",
                )
            )
    runs = len(found[ODIN])
    text = f"""
{total:,} objects of {bundle.KINDS} kinds, one file each, no pod among them; an API server \
without nodes (kine with SQLite, kube-apiserver, controller manager), a fresh one for each \
run of each program. Runs of each: {runs}, in alternating order; median (smallest to largest). \
Requests are those the server's audit log counted; `odin`'s include its lease and its \
inventory. `odin` also checks the bundle's sums and records what it did. Peaks \
below {measure.run(["true"]).peak_mib:.0f} MiB cannot be told apart.

{table(HEAD, rows)}
Ratio of the medians: first pass {ratio:.2f}, nothing to do \
{seconds(ODIN, 1).median / seconds(KUBECTL, 1).median:.2f}. The API runs on the same cores: \
{needed:.1f} s of its CPU time went into the first pass of `odin`, so that on \
{os.cpu_count()} cores an applier that costs nothing would have a ratio of {floor:.2f} at best.
"""
    goals = [
        Goal(f"{total:,} objects: time of `odin apply` in that of kubectl", ratio, 0.3),
        Goal(
            f"nothing to do: requests for {total:,} objects (one list a kind, and 5)",
            requests.median,
            bundle.KINDS + 5,
            ".0f",
        ),
    ]
    return Section("Apply", goals, text)
