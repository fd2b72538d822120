"""Runs a program and tells what it cost; sums up several runs."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odin_lab import process

MIB = 1 << 20


class Failed(Exception):
    """A measured program failed: there is no figure. The message holds its words."""


@dataclass(frozen=True)
class Sample:
    """One run of a program, with all the children it waited for."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    stdout: str
    stderr: str


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> Sample:
    """Runs a program to its end.

    The peak is the kernel's: it never reads less than what this process itself
    had when it started the program, some 30 MiB.

    Raises Failed when it does not end with 0.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.monotonic()
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=process.die_with_parent(),
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            # Interrupted: nothing may write below a directory about to be removed.
            child.kill()
            child.wait()
            raise
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (stdout, stderr):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    if child.returncode != 0:
        words = shlex.join(str(part) for part in command)
        end = "\n".join("\n".join(texts).splitlines()[-20:])
        raise Failed(f"`{words}` ended with {child.returncode}:\n{end}")
    return Sample(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        stdout=texts[0],
        stderr=texts[1],
    )


@dataclass(frozen=True)
class Spread:
    """What several runs gave."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __format__(self, form: str) -> str:
        text = format(self.median, form)
        if len(self.values) == 1:
            return text
        return f"{text} ({format(min(self.values), form)} to {format(max(self.values), form)})"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def resident(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and its highest so far, in MiB."""
    fields = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.split()
    return int(fields["VmRSS"][0]) / 1024, int(fields["VmHWM"][0]) / 1024


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
