"""Kills `odin` while backup, apply and restore run, and looks at what is left.

    build/venv/bin/python tests/acceptance/kills.py --seed 1 --count 200 --states --record

A failure prints what replays it: the seed, the count and the iteration.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from odin_lab import registry, setup  # noqa: E402

from killing import bundles, deck, record  # noqa: E402
from killing.box import running_box, say  # noqa: E402
from killing.campaign import Broken, Campaign  # noqa: E402


def main(arguments: list[str]) -> int:
    chosen = parse(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the machine is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup.install(say)
    registry.reap()
    replay = f"tests/acceptance/kills.py --seed {chosen.seed} --count {chosen.count}"
    modes = [f"{chosen.count} at random times"]
    with running_box() as box:
        campaign = Campaign(box, replay)
        began = time.monotonic()
        try:
            campaign.measure()
            if chosen.states:
                modes.append("apply and restore in each state that shows on disk")
                campaign.every_state()
            if chosen.steps:
                modes.append(f"at each step told of {' and '.join(chosen.steps)}")
                campaign.every_step(chosen.steps)
            for card in deck.deal(chosen.seed, chosen.count, bundles.NAMES):
                if chosen.only is not None and card.number != chosen.only:
                    continue
                if chosen.minutes and time.monotonic() - began > chosen.minutes * 60:
                    modes[0] = f"{card.number} of {chosen.count} at random times, then time was up"
                    break
                campaign.random(card, chosen.delay)
        except Broken:
            say("stopped: the machine is not what the next kill would need")
            modes[0] += ", stopped at a failure"
        else:
            campaign.finish()
    tally = campaign.tally
    if chosen.record:
        record.write(tally, chosen.seed, modes)
    print("\n".join([f"seed {chosen.seed}", *tally.lines(), *tally.failures]))
    print(f"{tally.total} kills, {len(tally.failures)} failures", flush=True)
    return 1 if tally.failures or not tally.hit else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws operations and times")
    parser.add_argument("--count", type=int, default=200, help="kills at random times")
    parser.add_argument("--only", type=int, help="this iteration alone, to replay it")
    parser.add_argument("--delay", type=float, help="kill after so many seconds instead")
    parser.add_argument(
        "--states",
        action="store_true",
        help="also an apply and a restore in each state that shows on disk",
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=deck.KINDS,
        default=[],
        help="also these operations at each step they tell of",
    )
    parser.add_argument("--minutes", type=float, help="stop when this time is up, and say so")
    parser.add_argument("--record", action="store_true", help="write docs/proof.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
