"""The verbs of the NixOS test driver that need no more than a shell on the machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

DEADLINE = 900.0  # seconds; the NixOS test driver's


class RequestedAssertionFailed(AssertionError):
    """A machine did not behave as a test demands; named as in the NixOS test driver."""


class Shell(ABC):
    """Runs commands on a machine and waits for what they show."""

    name: str

    @abstractmethod
    def command(self, *arguments: str) -> list[str]:
        """The command line that runs `arguments` on the machine from this host."""

    def execute(self, command: str, *, timeout: float | None = DEADLINE) -> tuple[int, str]:
        """Runs a shell command; returns its exit status and standard output.

        A command that takes longer than `timeout` seconds is killed: status 124.
        Standard error goes to the test's own.
        """
        status, printed, complaint = self._run(command, timeout)
        sys.stderr.write(complaint)
        return status, printed

    def succeed(self, *commands: str, timeout: float | None = DEADLINE) -> str:
        """Runs commands that must succeed; returns what they printed."""
        printed = ""
        for command in commands:
            status, text, complaint = self._run(command, timeout)
            if status != 0:
                raise RequestedAssertionFailed(
                    f"{self.name}: command `{command}` failed (exit status {status})\n"
                    f"{text}{complaint}"
                )
            printed += text
        return printed

    def fail(self, *commands: str, timeout: float | None = DEADLINE) -> str:
        """Runs commands that must fail; returns what they printed."""
        printed = ""
        for command in commands:
            status, text, complaint = self._run(command, timeout)
            if status == 0:
                raise RequestedAssertionFailed(
                    f"{self.name}: command `{command}` succeeded, but must not\n{text}{complaint}"
                )
            printed += text
        return printed

    def wait_until_succeeds(self, command: str, timeout: float = DEADLINE) -> str:
        """Repeats a command until it succeeds; returns what it printed then."""
        return self._repeat(command, timeout, lambda status: status == 0, "succeed")

    def wait_until_fails(self, command: str, timeout: float = DEADLINE) -> str:
        """Repeats a command until it fails; returns what it printed then."""
        return self._repeat(command, timeout, lambda status: status != 0, "fail")

    def wait_for_file(self, filename: str, timeout: float = DEADLINE) -> None:
        """Waits until a file exists."""
        self.wait_until_succeeds(f"test -e '{filename}'", timeout)

    def wait_for_open_port(
        self, port: int, addr: str = "localhost", timeout: float = DEADLINE
    ) -> None:
        """Waits until a TCP port takes connections, seen from the machine."""
        self.wait_until_succeeds(f"bash -c '</dev/tcp/{addr}/{port}' 2>/dev/null", timeout)

    def wait_for_closed_port(
        self, port: int, addr: str = "localhost", timeout: float = DEADLINE
    ) -> None:
        """Waits until a TCP port takes no connections, seen from the machine."""
        self.wait_until_fails(f"bash -c '</dev/tcp/{addr}/{port}' 2>/dev/null", timeout)

    # -- units -----------------------------------------------------------------

    def systemctl(self, query: str) -> tuple[int, str]:
        """Runs `systemctl QUERY`."""
        return self.execute(f"systemctl {query}")

    def get_unit_info(self, unit: str) -> dict[str, str]:
        """The properties of a unit."""
        shown = self.succeed(f"systemctl show --no-pager '{unit}'")
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def get_unit_property(self, unit: str, property: str) -> str:
        """One property of a unit; empty when the unit has none of that name."""
        return self.succeed(f"systemctl show --no-pager --value -p '{property}' '{unit}'").strip()

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Fails unless the unit is in that state now."""
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            raise RequestedAssertionFailed(
                f"{self.name}: unit {unit} is {state}, must be {require_state}"
            )

    def start_job(self, unit: str) -> None:
        """Starts a unit; fails when systemd cannot."""
        self.succeed(f"systemctl start '{unit}'")

    def stop_job(self, unit: str) -> None:
        """Stops a unit; fails when systemd cannot."""
        self.succeed(f"systemctl stop '{unit}'")

    def wait_for_unit(self, unit: str, *, timeout: float = DEADLINE) -> None:
        """Waits until a unit is active.

        Fails at once when it has failed, or is inactive and nothing is about
        to start it, and then shows the end of its journal.
        """
        deadline = time.monotonic() + timeout
        while True:
            info = self.get_unit_info(unit)
            state = info.get("ActiveState", "unknown")
            if state == "active":
                return
            # A failed unit that systemd starts again by itself is not lost.
            lost = state == "failed" and info.get("SubState") != "auto-restart"
            if state == "inactive" and info.get("Job", "") in ("", "0"):
                lost = not self.succeed("systemctl list-jobs --full --no-legend").strip()
                # The job may have ended, and the unit begun, between the two looks.
                lost = lost and self.get_unit_property(unit, "ActiveState") == "inactive"
            if lost or time.monotonic() > deadline:
                journal = self.execute(f"journalctl -u '{unit}' -n 30 --no-pager")[1]
                why = "and nothing starts it" if lost else f"after {timeout:g} s"
                raise RequestedAssertionFailed(f"{self.name}: {unit} is {state} {why}\n{journal}")
            time.sleep(0.1)

    # -- files -----------------------------------------------------------------

    def copy_from_host(self, source: Path | str, target: str) -> None:
        """Copies a file or directory of this host to the path `target`."""
        source = Path(source).resolve()
        pack = ["tar", "-C", str(source.parent), "-cf", "-", source.name]
        # Unpacked beside the target and renamed, so that the name may differ.
        unpack = (
            'set -e; mkdir -p "$(dirname "$0")"; d=$(mktemp -d "$(dirname "$0")/.copy-XXXXXX"); '
            'tar -C "$d" --no-same-owner -xf -; rm -rf "$0"; mv -T "$d/$1" "$0"; rmdir "$d"'
        )
        self._pipe(pack, self.command("sh", "-c", unpack, target, source.name))

    def copy_from_machine(self, source: str, target_dir: Path | str) -> Path:
        """Copies a file or directory of the machine into a directory of this host."""
        directory = Path(target_dir)
        directory.mkdir(parents=True, exist_ok=True)
        path = Path(source)
        pack = self.command("tar", "-C", str(path.parent), "-cf", "-", path.name)
        self._pipe(pack, ["tar", "-C", str(directory), "-xf", "-"])
        return directory / path.name

    @contextlib.contextmanager
    def subtest(self, name: str) -> Iterator[None]:
        """Names a part of a scenario in the log and in what goes wrong in it."""
        started = time.monotonic()
        self.log(f"subtest: {name}")
        try:
            yield
        except Exception as error:
            error.add_note(f"in subtest: {name}")
            raise
        self.log(f"subtest: {name} (passed in {time.monotonic() - started:.1f} s)")

    # What the NixOS test driver calls it on a machine; there `subtest` is global.
    nested = subtest

    def log(self, message: str) -> None:
        """Writes a line to the log of the test."""
        print(f"{self.name}: {message}", file=sys.stderr, flush=True)

    # -- how -------------------------------------------------------------------

    def _run(self, command: str, timeout: float | None) -> tuple[int, str, str]:
        guarded = ["sh", "-c", command]
        if timeout is not None:
            guarded = ["timeout", "--kill-after=5", f"{timeout:g}", *guarded]
        # To files, not pipes: what the command leaves in the background would
        # hold a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(
                self.command(*guarded), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return done.returncode, texts[0], texts[1]

    def _repeat(
        self, command: str, timeout: float, wanted: Callable[[int], bool], verb: str
    ) -> str:
        deadline = time.monotonic() + timeout
        pause = 0.1
        while True:
            left = max(deadline - time.monotonic(), 1)
            status, text, complaint = self._run(command, left)
            if wanted(status):
                return text
            if time.monotonic() > deadline:
                raise RequestedAssertionFailed(
                    f"{self.name}: command `{command}` did not {verb} within {timeout:g} s"
                    f" (last exit status {status})\n{text}{complaint}"
                )
            # Looking costs the machine time it needs to get there.
            time.sleep(pause)
            pause = min(pause * 1.5, 1)

    def _pipe(self, source: list[str], target: list[str]) -> None:
        with subprocess.Popen(source, stdout=subprocess.PIPE) as sender:
            done = subprocess.run(target, stdin=sender.stdout, stderr=subprocess.PIPE, text=True)
        if sender.returncode != 0 or done.returncode != 0:
            raise RequestedAssertionFailed(f"{self.name}: copying failed: {done.stderr}")
