"""One `odin` on the machine, and its end by SIGKILL at a chosen moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from odin_lab.machine import Machine

LONGEST = 600.0  # seconds; a restore that hangs is a failure, not a wait
GLANCE = 0.0005  # seconds between two looks at a process or a file


@dataclass(frozen=True)
class Ended:
    """An `odin` that is gone."""

    status: int
    """Its exit status; negative the signal that ended it."""
    seconds: float
    printed: str
    told: str

    @property
    def killed(self) -> bool:
        """Whether the signal met it alive."""
        return self.status == -signal.SIGKILL

    def report(self) -> dict | None:
        """What it reported before its end, if it came that far."""
        try:
            return json.loads(self.printed)
        except ValueError:
            return None

    def tail(self) -> str:
        """The end of what it told."""
        lines = [line for line in self.told.splitlines() if '"progress"' not in line]
        return "\n".join(lines[-12:])


class Running:
    """An `odin` at work, known by its process on this host."""

    def __init__(self, machine: Machine, arguments: Sequence[str]) -> None:
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self._parent = subprocess.Popen(
            machine.command("odin", "--json", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
        )
        self._handle = self._find()
        self.began = time.monotonic()

    @property
    def ended(self) -> bool:
        return self._parent.poll() is not None

    def events(self) -> Iterator[dict]:
        """The events it told, as they come; ends with it."""
        position, pending = 0, b""
        while True:
            last = self.ended
            piece = os.pread(self._err.fileno(), 1 << 20, position)
            position += len(piece)
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
            if last and not piece:
                return
            if not piece:
                time.sleep(GLANCE)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds or the process has ended."""
        while not self.ended and not condition():
            time.sleep(GLANCE)

    def kill(self) -> None:
        """Ends it at once; one that ended by itself stays as it was."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def end(self) -> Ended:
        """Waits for its end."""
        try:
            status = self._parent.wait(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._parent.wait()
            self._err.seek(0, os.SEEK_END)
            self._err.write(f"\nit was still at work after {LONGEST:g} s\n".encode())
        seconds = time.monotonic() - self.began
        if self._handle is not None:
            os.close(self._handle)
        return Ended(status, seconds, _text(self._out), _text(self._err))

    def _find(self) -> int | None:
        """A handle of the process itself; its parent only enters the machine."""
        children = Path(f"/proc/{self._parent.pid}/task/{self._parent.pid}/children")
        while not self.ended:
            with contextlib.suppress(OSError):
                for pid in children.read_text().split():
                    if _name(pid) == "odin":
                        handle = os.pidfd_open(int(pid))
                        # The handle is of a process that still has the name.
                        if _name(pid) == "odin":
                            return handle
                        os.close(handle)
            time.sleep(GLANCE)
        return None


def run(machine: Machine, arguments: Sequence[str]) -> Ended:
    """Runs `odin` to its end."""
    return Running(machine, arguments).end()


def kill_after(machine: Machine, arguments: Sequence[str], delay: float) -> Ended:
    """Runs `odin` and kills it after so many seconds."""
    running = Running(machine, arguments)
    running.wait_until(lambda: time.monotonic() - running.began >= delay)
    running.kill()
    return running.end()


def kill_when(machine: Machine, arguments: Sequence[str], moment: Callable[[], bool]) -> Ended:
    """Runs `odin` and kills it as soon as something outside of it shows."""
    running = Running(machine, arguments)
    running.wait_until(moment)
    running.kill()
    return running.end()


def kill_at_step(machine: Machine, arguments: Sequence[str], number: int) -> Ended:
    """Runs `odin` and kills it as soon as it has told of its n-th step."""
    running = Running(machine, arguments)
    seen = 0
    for event in running.events():
        seen += event.get("event") == "step"
        if seen > number:
            running.kill()
            break
    return running.end()


def steps_of(ended: Ended) -> list[str]:
    """The steps it told of, in their order."""
    steps = []
    for line in ended.told.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("event") == "step":
                steps.append(f"{event['name']}: {event['state']}")
    return steps


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    with file:
        return file.read().decode(errors="replace")
