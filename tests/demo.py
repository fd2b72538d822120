"""`make run`: the main job on a machine of the lab, told as it goes.

Builds only what it needs, in the order it is needed; ends with a table of what
happened and leaves the restored machine running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / "tests" / "vm")]

from odin_lab import cluster, odin, paths, registry, rootfs, tools
from odin_lab.machine import Machine
from scenarios import main_job

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

    with story.step("build odin, the lab and the bundle of its overlay"):
        build()
        bundle = odin.build_bundle("lab", paths.state() / "bundles" / "lab", say)

    with story.step("start a machine with systemd and Kubernetes"):
        machine = boot(disk, bundle)
        cluster.wait_until_ready(machine)

    with story.step("odin apply: the declared stack becomes running pods"):
        applied = main_job.report(machine, "apply")
    ready = main_job.ready_components(machine)
    story.row(
        "components Ready",
        ", ".join(f"{name} {count}" for name, count in ready.items()),
    )
    story.row("objects applied", str(applied["counts"]))

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
        machine = boot(disk, bundle=None)
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

    # The snapshot that was restored is older than its own record, and than the
    # record of its drill: as on the day it was new, the machine has neither.
    with story.step("odin backup now and drill, on the restored machine"):
        main_job.report(machine, "backup now")
        proven = main_job.report(machine, "backup drill")
    story.row("drill again", "passed" if proven["passed"] else "FAILED")

    say(f"\nwhat happened ({tools.duration(time.monotonic() - started)}):\n")
    print(story.table(), flush=True)
    for difference in wrong:
        print(f"  {difference}")
    say(
        "\nthe machine is still running: `make verify` tries the acceptance on it,"
        " `make lab-shell` opens a shell, `make stop` ends and removes it"
    )
    return 1 if wrong else 0


def build() -> None:
    """Builds odin, the lab's tools and its root file system, side by side.

    Each has stretches on one core or on the network, which the others fill.
    """
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(odin.build, say),
            pool.submit(tools.build, None, say),
            pool.submit(rootfs.ensure, say),
        ]
    # An error is raised when the others have ended: their work is kept.
    for part in parts:
        part.result()


def boot(disk: Path, bundle: Path | None) -> Machine:
    """A machine with its second disk; bare where there is no bundle."""
    machine = Machine(
        NAME,
        parts=[
            cluster.Cluster(images=odin.STACK_IMAGES, start_at_boot=bundle is not None),
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
