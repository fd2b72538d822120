"""Which operation is killed when: drawn from a seed, so that it can be drawn again."""

from __future__ import annotations

import random
from dataclasses import dataclass

BACKUP, APPLY, RESTORE = "backup", "apply", "restore"
KINDS = (BACKUP, APPLY, RESTORE)
SHARES = {BACKUP: 0.45, APPLY: 0.40, RESTORE: 0.15}
"""A restore stops and starts the cluster: it takes as long as ten backups."""


@dataclass(frozen=True)
class Card:
    """One iteration: what is started, and after which part of its time it is killed."""

    number: int
    kind: str
    fraction: float
    bundle: str
    """The snapshot of this bundle is what a restore restores."""


def deal(seed: int, count: int, bundles: tuple[str, ...]) -> list[Card]:
    """The iterations of a run; the same for the same seed and count."""
    generator = random.Random(seed)
    kinds = [kind for kind in KINDS for _ in range(round(SHARES[kind] * count))]
    kinds = (kinds + [BACKUP] * count)[:count]
    generator.shuffle(kinds)
    return [
        Card(number, kind, generator.random(), generator.choice(bundles))
        for number, kind in enumerate(kinds)
    ]
