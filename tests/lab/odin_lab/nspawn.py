"""Starts a machine: an overlay over the root file system, booted by systemd-nspawn.

Every mount lives in a mount namespace of the machine's own and every process in
a process namespace of its own, whose end is theirs: when this process ends,
however it ends, no mount and no process of the machine is left on the host.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from odin_lab import cgroups, network, process
from odin_lab.process import Process
from odin_lab.registry import Record

# $1 directory of the machine, $2 lower layer, $3 the groups to start it in, $4
# whether each is the root of a hierarchy of cgroup v1 for the machine, which is
# what its cgroup namespace tells it; the rest is the command.
_SCRIPT = """
set -e
directory=$1 lower=$2 groups=$3 hierarchies=$4
shift 4
mount -t overlay odin-lab \
    -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
for group in $groups; do
    echo $$ >"$group/cgroup.procs"
done
if [ "$hierarchies" = yes ]; then
    mount -t tmpfs -o mode=755 cgroup "$directory/cgroup"
    for group in $groups; do
        hierarchy=${group#/sys/fs/cgroup/}
        mkdir "$directory/cgroup/${hierarchy%%/*}"
        mount --bind "$group" "$directory/cgroup/${hierarchy%%/*}"
    done
fi
# Not exec: nspawn is no init, and this shell is the first process of its namespace.
"$@"
"""


class BootError(Exception):
    """A machine did not start; the message holds the end of its console."""


def boot(
    record: Record, lower: Path, binds: Mapping[Path, str], binds_ro: Mapping[Path, str]
) -> tuple[subprocess.Popen, Process]:
    """Boots a machine; returns systemd-nspawn and the machine's systemd.

    Raises BootError when it ends before its systemd starts.
    """
    directory = record.directory
    console = directory / "console.log"
    notify = directory / "notify"
    notify.unlink(missing_ok=True)
    # A real machine boots without the groups of its last boot; with those of old
    # pods a kubelet takes half a minute to begin.
    cgroups.remove(record.identifier)
    groups = cgroups.create(record.identifier)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(notify))
        listener.settimeout(0.2)
        command = [
            *("unshare", "--mount", "--propagation", "private", "--mount-proc"),
            *("--pid", "--fork", "--kill-child=SIGKILL"),
            *("sh", "-c", _SCRIPT, "boot", str(directory), str(lower)),
            " ".join(str(group) for group in groups),
            "no" if cgroups.unified() else "yes",
            *_nspawn(record, {directory / "var": "/var", **binds}, binds_ro),
        ]
        child = _spawn(record, command, console, notify)
        try:
            leader = _await_leader(child, listener, console)
        except BaseException:
            process.end(child)
            raise
    return child, leader


def asked_for_a_reboot(child: subprocess.Popen) -> bool:
    """Whether a machine that ended did so to be started again.

    With --keep-unit systemd-nspawn leaves that to whoever started it, and tells
    it by this status (EXIT_FORCE_RESTART, src/nspawn/nspawn.c).
    """
    return child.wait(timeout=30) == 133


def _nspawn(
    record: Record, binds: Mapping[Path, str], binds_ro: Mapping[Path, str]
) -> Sequence[str]:
    command = [
        "systemd-nspawn",
        f"--directory={record.directory}/root",
        # The host's side of its network link is named after this.
        f"--machine={network.name(record.index)}",
        f"--hostname={record.hostname}",
        "--boot",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        f"--network-bridge={network.BRIDGE}",
        "--capability=all",
        # runc uses keyctl, which the default filter forbids.
        "--system-call-filter=@known",
    ]
    if Path("/dev/kmsg").exists():
        command.append("--bind=/dev/kmsg")
    if not cgroups.unified():
        # nspawn mounts a read-only view, and the kubelet makes groups itself.
        # With cgroup v2 nspawn delegates a subtree: binding would be wrong.
        command.append(f"--bind={record.directory}/cgroup:/sys/fs/cgroup")
    command += [f"--bind={host}:{guest}" for host, guest in binds.items()]
    command += [f"--bind-ro={host}:{guest}" for host, guest in binds_ro.items()]
    return command


def _spawn(record: Record, command: list[str], console: Path, notify: Path) -> subprocess.Popen:
    environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
    if cgroups.unified() and cgroups.host_runs_systemd():
        # --keep-unit keeps the group of whoever calls: a scope of its own.
        scope = f"--unit=odin-lab-{record.identifier}"
        command = ["systemd-run", "--scope", "--quiet", "-p", "Delegate=yes", scope, *command]
    # A kept machine outlives this process; the others die with it.
    with open(console, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            preexec_fn=None if record.keep else process.die_with_parent(),
        )


def _await_leader(child: subprocess.Popen, listener: socket.socket, console: Path) -> Process:
    leader: list[Process] = []

    def arrived() -> bool:
        if child.poll() is not None:
            return True
        try:
            message = listener.recv(4096).decode()
        except TimeoutError:
            return False
        for line in message.splitlines():
            name, _, value = line.partition("=")
            if name == "X_NSPAWN_LEADER_PID":
                leader.extend(_descendants(child.pid, [int(value), 1]))
        return bool(leader)

    process.wait_until(arrived, 120, "the machine's systemd starts", interval=0)
    if not leader:
        raise BootError(
            f"systemd-nspawn ended with status {child.wait()}:\n{process.tail(console)}"
        )
    return leader[0]


def _descendants(pid: int, numbers: list[int]) -> list[Process]:
    """Descendants that have these ids in the process namespaces below this one."""
    found = []
    # A process may end between being listed and being looked at.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for entry in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += _descendants(int(entry), numbers)
            status = Path(f"/proc/{entry}/status").read_text()
            (line,) = [line for line in status.splitlines() if line.startswith("NSpid:")]
            if [int(number) for number in line.split()[2:]] == numbers:
                one = Process.of(int(entry))
                found += [one] if one else []
    return found
