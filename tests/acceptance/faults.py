"""Times fifty faults of five kinds, from the fault to the notification's arrival.

    build/venv/bin/python tests/acceptance/faults.py --seed 1 --record

With --record the figures are written to docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from odin_lab import gpus, registry, setup  # noqa: E402

from alerts import kinds, times  # noqa: E402
from alerts.box import Box, running_box, say  # noqa: E402
from alerts.receiver import Receiver, listening  # noqa: E402
from killing import record  # noqa: E402

PATIENCE = 180  # seconds after which a notification counts as never arrived
SPREAD = 10  # seconds: a fault comes at any moment between two scrapes


def main(arguments: list[str]) -> int:
    chosen = parse(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the machine is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup.install(say)
    registry.reap()
    load, commit = os.getloadavg()[0], record.commit()
    chance = random.Random(chosen.seed)
    cards = gpus.Gpus(2)
    every = [kinds.Killed(), kinds.Gone(), kinds.Full(), kinds.Lost(cards), kinds.Failed()]
    taken: times.Times = {
        kind.name: [] for kind in every if not chosen.kind or kind.name in chosen.kind
    }
    deal = [kind for kind in every if kind.name in taken for _ in range(chosen.each)]
    chance.shuffle(deal)
    with (
        running_box("faults", [cards], "\n[gpu]\n") as box,
        listening(box) as receiver,
    ):
        watch_gpus(box)
        # A kind that cannot be seen here is not measured, and stands against the goal.
        deal = [kind for kind in deal if box.query(f'up{{job="{kind.job}"}}')]
        for number, kind in enumerate(deal):
            taken[kind.name].append(once(box, receiver, kind, number, chance.uniform(0, SPREAD)))
            told = taken[kind.name][-1]
            say(f"{number + 1}/{len(deal)} {kind.name}: {f'{told:.1f} s' if told else 'nothing'}")
    if chosen.record:
        times.write(taken, chosen.seed, load, commit)
    wrong = times.missed(taken)
    print(f"seed {chosen.seed}\n{times.table(taken)}", "\n".join(wrong), flush=True)
    return 1 if wrong else 0


def once(box: Box, receiver: Receiver, kind: kinds.Kind, number: int, after: float) -> float | None:
    """Seconds from one fault to its notification; none where there was none."""
    # Not in step with the scrapes: the seed, not the loop, chooses the moment.
    time.sleep(after)
    with kind.fault(box, number) as injected:
        arrived = receiver.wait("firing", injected.labels, injected.since, PATIENCE)
    # The next of its kind must be news again, not the same alert still firing. A
    # full disk is another one each time, and its alert is kept for minutes.
    if "device" not in injected.labels:
        receiver.wait("resolved", injected.labels, injected.since, PATIENCE)
    return None if arrived is None else arrived - injected.since


def watch_gpus(box: Box) -> None:
    """Starts the reader of the GPUs, and has Prometheus ask it."""
    box.machine.succeed(
        "systemctl start odin-gpu.service",
        'kubectl label node "$(hostname)" nvidia.com/gpu.present=true --overwrite',
    )
    kinds.until(box, 'up{job="gpu"} == 1')


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws the order and the moments")
    parser.add_argument("--each", type=int, default=10, help="faults of each kind")
    parser.add_argument("--kind", action="append", help="only this kind; may be repeated")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
