"""odin-journal.service on a machine: what is logged is in the file, once, whatever ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from odin_lab import odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from odin_lab.process import wait_until

DIRECTORY = "/var/log/odin/journal"
UNIT = "odin-journal.service"

# The smallest files there are, so that few lines fill one.
DECLARATION = """
[logs]
journal-file-size = "1MiB"
journal-files = 3
"""


@pytest.fixture(scope="module")
def logs_box(lab: None) -> Iterator[Machine]:
    """A machine without a cluster that follows its journal."""
    with temporary_machine("logs-box", parts=[odin.Odin(declaration=DECLARATION)]) as machine:
        machine.start()
        machine.wait_for_unit("multi-user.target")
        machine.succeed(f"systemctl start {UNIT}")
        yield machine


def entries(machine: Machine) -> list[dict]:
    """Entries of all files, the oldest first; lines that are no object are left out."""
    found = []
    files = f"$(ls -v -r {DIRECTORY}/current.jsonl*)"
    for line in machine.succeed(f"cat {files}").split("\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def messages(machine: Machine, identifier: str) -> list[str]:
    """Messages of one identifier, in the order of the files."""
    return [
        entry["MESSAGE"]
        for entry in entries(machine)
        if entry.get("SYSLOG_IDENTIFIER") == identifier
    ]


def log(machine: Machine, identifier: str, first: int, count: int) -> list[str]:
    """Logs numbered lines and gives them."""
    machine.succeed(f"seq -f 'line %.0f' {first} {first + count - 1} | logger -t {identifier}")
    return [f"line {number}" for number in range(first, first + count)]


def wait_for(machine: Machine, identifier: str, expected: list[str]) -> None:
    """Waits until all that is expected is there, and nothing twice."""
    wait_until(
        lambda: len(messages(machine, identifier)) >= len(expected), 60, f"lines of {identifier}"
    )
    assert messages(machine, identifier) == expected


def wait_for_cut(machine: Machine) -> dict:
    """The one entry that was too large to be kept whole, when it is there."""
    found: list[dict] = []

    def is_there() -> bool:
        found[:] = [entry for entry in entries(machine) if "__ODIN_CUT" in entry]
        return bool(found)

    wait_until(is_there, 60, "the entry that was cut")
    [large] = found
    return large


def test_a_line_is_in_the_file_at_once(logs_box: Machine):
    logs_box.succeed("logger -t canary hello")
    logs_box.wait_until_succeeds(f"grep -qs '\"hello\"' {DIRECTORY}/current.jsonl*", 60)


def test_lines_of_the_kernel_are_there(logs_box: Machine):
    wait_until(
        lambda: any(entry.get("_TRANSPORT") == "kernel" for entry in entries(logs_box)),
        30,
        "a line of the kernel",
    )


def test_only_root_and_its_group_may_look(logs_box: Machine):
    modes = logs_box.succeed(f"stat -c '%a %U' {DIRECTORY} {DIRECTORY}/current.jsonl").split()
    assert modes == ["750", "root", "640", "root"]


def test_a_restart_loses_and_doubles_nothing(logs_box: Machine):
    expected = []
    for turn in range(3):
        expected += log(logs_box, "restarted", turn * 50, 50)
        logs_box.succeed(f"systemctl restart {UNIT}")
    wait_for(logs_box, "restarted", expected)
    expected += log(logs_box, "restarted", 150, 1)
    logs_box.succeed(f"systemctl stop {UNIT}")
    expected += log(logs_box, "restarted", 151, 50)
    logs_box.succeed(f"systemctl start {UNIT}")
    wait_for(logs_box, "restarted", expected)


def test_a_kill_loses_and_doubles_nothing(logs_box: Machine):
    expected = []
    for turn in range(3):
        expected += log(logs_box, "killed", turn * 200, 200)
        # While it writes them, as often as not.
        main = f"systemctl show --property=MainPID --value {UNIT}"
        killed = logs_box.succeed(main).strip()
        logs_box.succeed(f"systemctl kill --signal=SIGKILL --kill-whom=main {UNIT}")
        logs_box.wait_until_succeeds(
            f"systemctl is-active {UNIT} && {main} | grep -vxE '0|{killed}'", 60
        )
    wait_for(logs_box, "killed", expected)


def test_a_large_entry_that_is_no_text_does_not_end_it(logs_box: Machine):
    """journalctl's own JSON of it needs more memory than the unit has."""
    restarts = f"systemctl show --property=NRestarts --value {UNIT}"
    before = logs_box.succeed(restarts)
    expected = log(logs_box, "beside", 0, 5)
    logs_box.succeed(
        "{ printf 'SYSLOG_IDENTIFIER=large\\nMESSAGE='; "
        "head -c 4000000 /dev/urandom | tr -d '\\000\\n'; echo; } "
        "| setpriv --reuid=65534 --clear-groups logger --journald"
    )
    expected += log(logs_box, "beside", 5, 5)
    wait_for(logs_box, "beside", expected)
    # journald has two sockets, and keeps no order between them.
    large = wait_for_cut(logs_box)
    assert (large["SYSLOG_IDENTIFIER"], large["_UID"]) == ("large", "65534")
    assert large["__ODIN_CUT"].startswith("MESSAGE: 262144 of 39")
    assert logs_box.succeed(restarts) == before


def test_files_are_rotated_and_bounded(logs_box: Machine):
    # More than three files hold; a line is some 1500 bytes with journald's fields.
    text = "x" * 1000
    logs_box.succeed(
        "mkdir -p /run/systemd/journald.conf.d",
        "printf '[Journal]\\nRateLimitBurst=0\\n' >/run/systemd/journald.conf.d/50-test.conf",
        "systemctl restart systemd-journald.service",
        f"for number in $(seq 3000); do echo $number {text}; done | logger -t flood",
        "logger -t flood end",
    )
    logs_box.wait_until_succeeds(f'grep -q \'"MESSAGE":"end"\' {DIRECTORY}/current.jsonl', 60)
    sizes = [int(size) for size in logs_box.succeed(f"stat -c %s {DIRECTORY}/current*").split()]
    assert len(sizes) == 3
    assert all(size <= 1 << 20 for size in sizes)
    # What is left is the end of it, without a hole.
    numbers = [int(text.split()[0]) for text in messages(logs_box, "flood")[:-1]]
    assert numbers == list(range(numbers[0], 3001))


def test_a_full_disk_is_waited_for(logs_box: Machine):
    logs_box.succeed(
        f"systemctl stop {UNIT}",
        f"mount -t tmpfs -o size=64k,mode=0750 tmpfs {DIRECTORY}",
        # The begin of the journal is what fills it.
        f"systemctl start {UNIT}",
    )
    logs_box.wait_until_succeeds(
        f"journalctl -u {UNIT} | grep -q 'cannot write the journal.s lines; waiting'", 60
    )
    expected = log(logs_box, "waited", 0, 20)
    assert messages(logs_box, "waited") == []
    logs_box.succeed(f"mount -o remount,size=64m {DIRECTORY}")
    wait_for(logs_box, "waited", expected)
    whole = entries(logs_box)
    cursors = [entry["__CURSOR"] for entry in whole]
    assert len(set(cursors)) == len(cursors)
    logs_box.succeed(f"systemctl stop {UNIT}", f"umount {DIRECTORY}", f"systemctl start {UNIT}")


def test_a_journal_vacuumed_past_the_place_is_told(logs_box: Machine):
    wait_for(logs_box, "vacuumed", log(logs_box, "vacuumed", 0, 1))
    logs_box.succeed(
        f"systemctl stop {UNIT}",
        "logger -t vacuumed between",
        "journalctl --rotate",
        "journalctl --vacuum-size=1",
        "logger -t vacuumed after",
        f"systemctl start {UNIT}",
    )
    wait_until(lambda: "after" in messages(logs_box, "vacuumed"), 60, "the line after the vacuum")
    logs_box.wait_until_succeeds(
        f"journalctl -u {UNIT} | grep -q 'no longer holds the entry that was written last'", 60
    )
