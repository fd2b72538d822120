"""Child processes that never outlive their parent, and processes named exactly.

A process id is reused by the kernel; a process id together with its start
time is not. Whatever the lab ends, it ends by that pair.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child may not safely load a library.
_LIBC = ctypes.CDLL(None, use_errno=True)


class Timeout(Exception):
    """A condition did not come true in time; the message says which."""


@dataclass(frozen=True)
class Process:
    """One process, named so that a later one with its id is not mistaken for it."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this id now; None when there is none."""
        start = start_time(pid)
        return None if start is None else cls(pid, start)

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.start

    def signal(self, number: int) -> None:
        """Sends a signal; does nothing when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                # Between these two lines the handle holds the id, so it cannot be reused.
                if self.alive:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def start_time(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold anything, so fields are counted from its end.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def die_with_parent(number: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `number` to the child when its parent dies."""
    parent = os.getpid()

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(127)

    return arrange


def spawn(command: Sequence[str | Path], log: Path, **options) -> subprocess.Popen:
    """Starts a child in a session of its own, output appended to `log`, ended with this process."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(),
            **options,
        )


def end(child: subprocess.Popen, number: int = signal.SIGTERM, patience: float = 5) -> None:
    """Ends a child of this process: `number` first, SIGKILL when it does not listen."""
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def wait_until(
    condition: Callable[[], bool], timeout: float, what: str, interval: float = 0.05
) -> None:
    """Polls until `condition()` holds.

    Raises Timeout naming `what` when it does not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise Timeout(f"waited {timeout:g} s in vain until {what}")
        time.sleep(interval)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
