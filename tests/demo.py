"""`make run`: the main job on a machine of the lab, told as it goes.

Builds only what it needs, in the order it is needed; ends with a table of what
happened and leaves the restored machine running.

What takes long to build and is no part of the main job (Loki and the collector)
is built beside it, with what it leaves of the cores, and shown once it is there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / "tests" / "vm")]

from odin_lab import cluster, odin, paths, registry, rootfs, tools
from odin_lab.machine import Machine
from scenarios import logs, main_job

NAME = "odin"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Story:
    """What happened, row by row, with the time each step took."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        say(f"\n--- {title}")
        started = time.monotonic()
        yield
        say(f"--- {title}: {tools.duration(time.monotonic() - started)}")

    def row(self, what: str, result: str) -> None:
        self.rows.append((what, result))

    def table(self) -> str:
        width = max(len(what) for what, _ in self.rows)
        return "\n".join(f"  {what:<{width}}  {result}" for what, result in self.rows)


def main() -> int:
    story = Story()
    started = time.monotonic()
    for record in registry.all_records():
        if record.identifier == NAME:
            registry.destroy(record)
    registry.reap()
    disk = paths.state() / "disks" / NAME
    wipe(disk)
    (disk / "password").write_text(f"{odin.PASSWORD}\n")
    (disk / "password").chmod(0o600)

    late = [tool.name for tool in tools.load().values() if tool.late]
    absent = [] if all(tools.load()[name].built for name in late) else late
    with story.step("build odin, the lab and the bundle of its overlay"):
        build([name for name in tools.load() if name not in absent])
        bundle = odin.build_bundle("lab", paths.state() / "bundles" / "lab", say, absent)
    with built_beside(absent):
        status = main_job_on(story, disk, bundle, absent)
    if absent:
        what = " and ".join(absent)
        there = all(tools.load()[name].built for name in absent)
        advice = "were built meanwhile: run it again" if there else "are not built: `make tools`"
        story.row("not shown", f"logs, for {what} {advice}")

    say(f"\nwhat happened ({tools.duration(time.monotonic() - started)}):\n")
    print(story.table(), flush=True)
    say(
        "\nthe machine is still running: `make verify` tries the acceptance on it (Prometheus"
        " knows odin.service within two minutes), `make lab-shell` opens a shell,"
        " `make stop` ends and removes it"
    )
    return status


def main_job_on(story: Story, disk: Path, bundle: Path, absent: Collection[str]) -> int:
    """The main job itself; returns the exit status."""
    images = [name for name in odin.STACK_IMAGES if name not in absent]
    with story.step("start a machine with systemd and Kubernetes"):
        machine = boot(disk, bundle, images)
        cluster.wait_until_ready(machine)

    with story.step("odin apply: the declared stack becomes running pods"):
        applied = main_job.report(machine, "apply")
    ready = main_job.ready_components(machine)
    story.row(
        "components Ready",
        ", ".join(f"{name} {count}" for name, count in ready.items()),
    )
    story.row("objects applied", str(applied["counts"]))

    if not absent:
        with story.step("a line that a pod writes is found in Loki"):
            logs.write(machine, "canary", "echo canary sings")
            logs.go(machine, "canary")
            began = time.monotonic()
            logs.wait_for(machine, f'{logs.of("canary")} |= "canary sings"', 1, 60)
            story.row("logs", f"a line found in Loki after {time.monotonic() - began:.1f} s")
            machine.succeed("kubectl -n workloads delete pod canary --now")

    with story.step("a workload writes into its volume"):
        main_job.write_data(machine)
        before = main_job.look(machine)

    with story.step("odin backup now"):
        backup = main_job.report(machine, "backup now")
    story.row("snapshot", backup["snapshot"])
    story.row(
        "backed up",
        f"{backup['bytes']:,} bytes in {backup['files']:,} files, {backup['seconds']:.1f} s",
    )

    with story.step("odin backup drill: the snapshot restored beside the running system"):
        drill = main_job.report(machine, "backup drill")
    story.row(
        "drill",
        f"{'passed' if drill['passed'] else 'FAILED'}: {drill['files']:,} files compared",
    )

    with story.step("the power fails and the machine's disk is lost"):
        machine.crash()
        machine.close()
        machine = boot(disk, None, images)
        left = machine.succeed(
            "find /var/lib/rancher /var/lib/odin /etc/odin -type f 2>/dev/null"
            " | grep -v /agent/images/ || true"
        )
        assert not left.strip(), f"the new machine is not empty:\n{left}"
    story.row(
        "destroyed",
        "the whole machine: datastore, volumes, token, TLS, /etc/odin, /var/lib/odin",
    )

    with story.step("odin restore apply, on a bare machine with the repository and its password"):
        began = time.monotonic()
        restored = main_job.report(
            machine,
            f"restore apply latest --repository {odin.BACKUP_DISK}/repository"
            f" --password-file {odin.BACKUP_DISK}/password",
        )
        took = time.monotonic() - began
    story.row(
        "restored",
        f"{restored['bytes']:,} bytes in {restored['files']:,} files,"
        f" {took:.1f} s until applied and compared",
    )

    with story.step("compare with what was there before"):
        main_job.write_data(machine)
        after = main_job.look(machine)
        wrong = main_job.differences(before.objects, after.objects) + main_job.differences(
            before.files, after.files
        )
    story.row("objects compared", f"{len(before.objects)}, identity and content")
    story.row(
        "files compared",
        f"{len(before.files)}, {before.bytes:,} bytes, byte by byte with mode and owner",
    )
    story.row("result", "all equal" if not wrong else f"{len(wrong)} DIFFERENCES")
    for difference in wrong:
        story.row("different", difference)

    # The snapshot that was restored is older than its own record, and than the
    # record of its drill: as on the day it was new, the machine has neither.
    with story.step("odin backup now and drill, on the restored machine"):
        main_job.report(machine, "backup now")
        proven = main_job.report(machine, "backup drill")
    story.row("drill again", "passed" if proven["passed"] else "FAILED")

    # Nobody repaired anything so far: what was shown is what the commands did.
    with story.step("odin.service, which looks after the machine from now on"):
        machine.succeed("systemctl start odin.service")
    return 1 if wrong else 0


@contextmanager
def built_beside(names: Collection[str]) -> Iterator[None]:
    """Builds tools in a process that takes what others leave of the cores.

    It is ended with the main job; what it compiled until then stays in Go's cache.
    """
    if not names:
        yield
        return
    say(f"--- beside it, at the lowest priority: building {' and '.join(names)}")
    process = subprocess.Popen(
        ["nice", "-n", "19", sys.executable, "-m", "odin_lab.tools", *names],
        cwd=ROOT / "tests" / "lab",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # The compiler's processes too are ended by one signal.
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def build(names: list[str]) -> None:
    """Builds odin, the named tools and the lab's root file system, side by side.

    Each has stretches on one core or on the network, which the others fill.
    """
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(odin.build, say),
            pool.submit(tools.build, names, say),
            pool.submit(rootfs.ensure, say),
        ]
    # An error is raised when the others have ended: their work is kept.
    for part in parts:
        part.result()


def boot(disk: Path, bundle: Path | None, images: list[str]) -> Machine:
    """A machine with its second disk; bare where there is no bundle."""
    machine = Machine(
        NAME,
        parts=[
            cluster.Cluster(images=images, start_at_boot=bundle is not None),
            odin.Odin(bundle, bare=bundle is None),
        ],
        binds={disk: odin.BACKUP_DISK},
        keep=True,
        say=say,
    )
    machine.start()
    return machine


def wipe(disk: Path) -> None:
    """Empties the second disk of an earlier run."""
    import shutil

    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir(parents=True)


if __name__ == "__main__":
    sys.exit(main())
