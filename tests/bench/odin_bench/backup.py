"""Backup, unchanged backup and verified restore beside restic and rustic."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odin_bench import measure, programs, tree
from odin_bench.box import Box
from odin_bench.measure import MIB, Sample, Spread
from odin_bench.report import Goal, Section, table

STEPS = ("first backup", "unchanged backup", "verified restore")


class Program(ABC):
    """One program over a repository of its own."""

    name: str

    def __init__(self, directory: Path, source: Path) -> None:
        self.directory = directory
        self.source = source
        self.repository = directory / "repository"
        self.password = directory / "password"
        self.target = directory / "restored"
        directory.mkdir(parents=True)
        self.password.write_text(secrets.token_hex(16))
        self.password.chmod(0o600)

    @abstractmethod
    def prepare(self) -> None:
        """Makes what the first backup needs; not measured."""

    @abstractmethod
    def backup(self) -> Sample:
        """Takes a snapshot."""

    @abstractmethod
    def restore(self) -> Sample:
        """Restores the newest snapshot into `target`, verified where the program can."""

    @abstractmethod
    def restored(self) -> Path:
        """Where the tree lies below `target`."""


class Odin(Program):
    """ODIN; the box it must find (datastore, token, TLS) is a few KiB."""

    name = "odin"

    def prepare(self) -> None:
        more = f"""
[backup]
repository = "{self.repository}"
password-file = "{self.password}"

[[backup.sources]]
name = "tree"
kind = "directory"
path = "{self.source}"
"""
        nothing = self.directory / "nothing"
        self.box = Box(self.directory / "odin", nothing, nothing, more)
        server = self.box.data / "server"
        for part in ("db", "tls"):
            (server / part).mkdir(parents=True)
        (server / "token").write_text("bench")
        (server / "tls/server-ca.key").write_text("bench")
        database = sqlite3.connect(server / "db/state.db")
        database.execute("CREATE TABLE kine (id INTEGER PRIMARY KEY)")
        database.commit()
        database.close()

    def backup(self) -> Sample:
        sample, report = self.box.run("backup", "now")
        self.snapshot = report["snapshot"]
        return sample

    def restore(self) -> Sample:
        command = ("restore", "apply", self.snapshot, "--only", "declared-tree", "--to")
        return self.box.run(*command, self.target)[0]

    def restored(self) -> Path:
        return self.target / "declared-tree"


class Restic(Program):
    """Debian's restic."""

    name = "restic"

    def _run(self, *arguments: str | Path) -> Sample:
        return measure.run(
            [
                *(programs.restic(), "--quiet", "--repo", self.repository),
                *("--password-file", self.password, "--cache-dir", self.directory / "cache"),
                *arguments,
            ]
        )

    def prepare(self) -> None:
        self._run("init")

    def backup(self) -> Sample:
        return self._run("backup", self.source)

    def restore(self) -> Sample:
        return self._run("restore", "latest", "--verify", "--target", self.target)

    def restored(self) -> Path:
        return self.target / self.source.relative_to("/")


class Rustic(Program):
    """rustic, which has no restore that reads back what it wrote."""

    name = "rustic"

    def _run(self, *arguments: str | Path) -> Sample:
        command = [
            *(programs.rustic(), "--no-progress", "--log-level", "warn"),
            *("--repository", self.repository, "--password-file", self.password),
            *("--cache-dir", self.directory / "cache", *arguments),
        ]
        # A home of its own: the host's profiles do not apply.
        home = str(self.directory)
        return measure.run(command, {"HOME": home, "XDG_CONFIG_HOME": home})

    def prepare(self) -> None:
        self._run("init")

    def backup(self) -> Sample:
        return self._run("backup", self.source)

    def restore(self) -> Sample:
        return self._run("restore", f"latest:{self.source}", self.target)

    def restored(self) -> Path:
        return self.target


@dataclass
class Costs:
    """What one program took in all runs."""

    steps: dict[str, list[Sample]] = field(default_factory=lambda: {step: [] for step in STEPS})
    repository: list[int] = field(default_factory=list)

    def seconds(self, step: str) -> Spread:
        return Spread.of(sample.seconds for sample in self.steps[step])

    def cpu(self, step: str) -> Spread:
        return Spread.of(sample.cpu_seconds for sample in self.steps[step])

    def peak(self, step: str) -> Spread:
        return Spread.of(sample.peak_mib for sample in self.steps[step])


def measured(
    directory: Path,
    shape: tree.Shape,
    runs: int,
    deadline: float | None,
    say: Callable[[str], None],
) -> Section:
    """Runs every installed program `runs` times over the same tree, in turns.

    A round that would end after `deadline` (of the monotonic clock) is not
    begun; the first always is.
    """
    source = directory / "tree"
    size = tree.grow(source, shape)
    say(f"tree of {size / MIB:,.0f} MiB made")
    peers: list[type[Program]] = [Odin]
    peers += [Restic] if programs.restic() else []
    peers += [Rustic] if programs.rustic() else []
    found = {program.name: Costs() for program in peers}
    done = 0
    for number in range(runs):
        begun = time.monotonic()
        first = number % len(peers)
        for program in peers[first:] + peers[:first]:
            place = directory / f"{program.name}-{number}"
            _round(program(place, source), found[program.name], check=number == 0)
            shutil.rmtree(place)
            steps = found[program.name].steps
            say(
                f"{program.name}: "
                + ", ".join(f"{step} {steps[step][-1].seconds:.1f} s" for step in STEPS)
            )
        done = number + 1
        now = time.monotonic()
        if deadline is not None and now + (now - begun) > deadline:
            break
    asked = "" if done == runs else f" of {runs} (the time given was up)"
    return _section(found, shape, size, f"{done}{asked}")


def _round(program: Program, costs: Costs, check: bool) -> None:
    program.prepare()
    # What an earlier round left to be written is not this one's cost.
    os.sync()
    costs.steps["first backup"].append(program.backup())
    costs.repository.append(measure.size_of(program.repository))
    os.sync()
    costs.steps["unchanged backup"].append(program.backup())
    os.sync()
    costs.steps["verified restore"].append(program.restore())
    if check:
        _require_equal(program)


def _require_equal(program: Program) -> None:
    """A figure of a restore that gave something else would be worth nothing."""
    command = ["diff", "-rq", "--no-dereference", str(program.source), str(program.restored())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise measure.Failed(f"{program.name} restored something else:\n{done.stdout[:2000]}")


def _section(found: dict[str, Costs], shape: tree.Shape, size: int, runs: str) -> Section:
    rows = []
    for step in STEPS:
        for name in ("odin", "restic", "rustic"):
            shown = "restore, not verified" if (name, step) == ("rustic", STEPS[2]) else step
            if name not in found:
                rows.append((shown, name, "not installed", "", "", ""))
                continue
            costs = found[name]
            rate = size / MIB / costs.seconds(step).median
            rows.append(
                (
                    shown,
                    name,
                    f"{costs.seconds(step):.1f}",
                    f"{costs.cpu(step):.1f}",
                    f"{costs.peak(step):.0f}",
                    f"{rate:.0f}",
                )
            )
    sizes = [
        (name, f"{Spread.of(size / MIB for size in costs.repository):.0f}")
        for name, costs in found.items()
    ]
    text = f"""
{size / MIB:,.0f} MiB: {shape.describe()} (seed {tree.SEED}). Runs of each: {runs}, with a \
new repository, the programs in turns; median (smallest to largest). Every program with its own \
defaults. The page cache cannot be emptied between runs here, so the tree is read from memory \
in all of them. `odin restore` hashes what it wrote, against the snapshot's manifest; restic \
runs with `--verify`; rustic has no such option and restores without. The first run of each was \
compared with the tree, file by file.

{table(("", "program", "seconds", "CPU seconds", "peak MiB", "MiB/s"), rows)}
{table(("repository after the first backup", "MiB"), sizes)}
Debian's restic is of 2022: to be better than it alone is no claim. The larger trees of the \
goals (5 GiB, and 500,000 files) were not measured here.
"""
    return Section("Backup and restore", _goals(found), text)


def _goals(found: dict[str, Costs]) -> list[Goal]:
    ours = found["odin"]
    highest = max(ours.peak(step).median for step in STEPS)
    goals = [Goal("backup and restore: peak memory", highest, 256, ".0f", " MiB")]
    if "restic" in found:
        restic = found["restic"]
        for step, limit in zip(STEPS, (1 / 1.2, 0.5, 1 / 1.5), strict=True):
            ratio = ours.seconds(step).median / restic.seconds(step).median
            goals.append(Goal(f"{step}: time in that of restic", ratio, round(limit, 2)))
        ratio = highest / max(restic.peak(step).median for step in STEPS)
        goals.append(Goal("backup and restore: peak memory in that of restic", ratio, 0.6))
        ratio = ours.repository[0] / restic.repository[0]
        goals.append(Goal("repository: size in that of restic", ratio, 1.02))
    if "rustic" in found:
        ratio = ours.seconds(STEPS[0]).median / found["rustic"].seconds(STEPS[0]).median
        goals.append(Goal("first backup: time in that of rustic", ratio, round(1 / 0.9, 2)))
    return goals
