"""What `make lab`, `make lab-shell` and `make stop` call.

python3 -m odin_lab.cli up [NAME]      a machine with a cluster, left running
python3 -m odin_lab.cli shell [NAME]   a shell on it
python3 -m odin_lab.cli list           the machines there are
python3 -m odin_lab.cli stop [NAME...] ends and removes them (all when none is named)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from odin_lab import (
    cluster,
    images,
    machine,
    network,
    nspawn,
    process,
    registry,
    rootfs,
    setup,
    shell,
    tools,
)

NAME = "odin"

# What the user can do something about; anything else is a fault of the lab.
_EXPECTED = (
    setup.SetupError,
    tools.ToolError,
    images.ImageError,
    rootfs.RootfsError,
    network.NetworkError,
    registry.RegistryError,
    nspawn.BootError,
    process.Timeout,
    shell.RequestedAssertionFailed,
)


def up(name: str, image_names: list[str]) -> int:
    """Makes a machine, or starts it again, and waits until its cluster is ready."""
    setup.install(say)
    registry.reap()
    if any(record.identifier == name and record.running for record in registry.all_records()):
        say(f"{name} is running already")
        return 0
    started = time.monotonic()
    for record in registry.all_records():
        if record.identifier == name:
            # Left by a crash of the host: its processes are gone.
            say(f"removing what is left of {name}")
            registry.destroy(record)
    made = machine.Machine(name, parts=[cluster.Cluster(images=image_names)], keep=True, say=say)
    say(f"starting {name}")
    made.start()
    say("waiting for the cluster")
    cluster.wait_until_ready(made)
    say(f"{name} is ready after {tools.duration(time.monotonic() - started)} at {made.address}")
    say("a shell: make lab-shell    the end: make stop")
    return 0


def enter(name: str, command: list[str]) -> int:
    """Runs a shell, or a command, on a machine."""
    words = machine.Machine.attach(name).command(*(command or ["bash", "--login"]))
    if not command and sys.stdin.isatty():
        # A terminal of the machine's own, so that job control works.
        index = words.index("TERM=dumb")
        words[index] = f"TERM={os.environ.get('TERM', 'dumb')}"
    return subprocess.run(words).returncode


def stop(names: list[str]) -> int:
    """Removes machines, and what crashed runs left behind."""
    for name in registry.reap():
        say(f"removed {name}, left by a run that crashed")
    records = [registry.find(name) for name in names] or [
        record for record in registry.all_records() if record.keep
    ]
    for record in records:
        registry.destroy(record)
        say(f"removed {record.identifier}")
    if not records:
        say("no machine is running")
    return 0


def show() -> int:
    """Prints a line a machine."""
    for record in registry.all_records():
        state = "running" if record.running else "stopped"
        print(f"{record.identifier}\t{state}\t{network.address(record.index)}")
    return 0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="odin_lab.cli", description="Lab machines by hand.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("up", help="make a machine with a cluster and leave it running")
    verb.add_argument("name", nargs="?", default=NAME)
    verb.add_argument(
        "--image", action="append", default=[], choices=images.NAMES, help="load this image too"
    )
    verb = verbs.add_parser("shell", help="a shell, or a command, on a machine")
    verb.add_argument("name", nargs="?", default=NAME)
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("stop", help="end and remove machines")
    verb.add_argument("names", nargs="*")
    verbs.add_parser("list", help="the machines there are")
    chosen = parser.parse_args(arguments)
    if os.geteuid() != 0:
        say("error: lab machines need root: run this with sudo")
        return 1
    try:
        match chosen.verb:
            case "up":
                return up(chosen.name, chosen.image)
            case "shell":
                return enter(chosen.name, chosen.command)
            case "stop":
                return stop(chosen.names)
            case _:
                return show()
    except _EXPECTED as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was made so far goes with: make stop")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
