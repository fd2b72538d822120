"""Kills, one after the other: what was hit, and what did not hold afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from killing import invariants, process
from killing.box import BUNDLES, Box, say
from killing.deck import APPLY, BACKUP, KINDS, RESTORE, Card
from killing.process import Ended

REMEMBERED = 5
"""Whole runs of an operation that its time is the median of."""
TRIES = 5
"""How often a state is tried to be met that lasts some milliseconds."""
STATES = ("staging", "stopping", "swapping", "swapped", "dropping")
"""What the journal of a restore says in its course."""
COPY_STATES = ("copying", "exchanged")
"""How far an apply can be with its copy of the bundle."""


@dataclass
class Tally:
    """What a campaign has done so far."""

    kills: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    """What kills left behind: states of a restore's journal and of the copy of a bundle."""
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.kills.total()

    @property
    def hit(self) -> int:
        return self.hits.total()

    def lines(self) -> Iterator[str]:
        """The hit rates, one line an operation."""
        for kind in KINDS:
            if kills := self.kills[kind]:
                yield f"{kind}: {self.hits[kind]} of {kills} hit ({self.hits[kind] / kills:.0%})"
        if self.total:
            yield f"all: {self.hit} of {self.total} hit ({self.hit / self.total:.0%})"
        if self.met:
            met = ", ".join(f"{state} {count}" for state, count in sorted(self.met.items()))
            yield f"cut off in: {met}"


class Broken(Exception):
    """The call after a kill did not succeed: what comes after would prove nothing."""


class Campaign:
    """Kills on one machine."""

    def __init__(self, box: Box, replay: str) -> None:
        self.box = box
        self.tally = Tally()
        self._replay = replay
        self._times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._told: set[str] = set()

    def measure(self) -> None:
        """Runs each operation to its end, for its time."""
        for kind in (BACKUP, APPLY, APPLY, RESTORE):
            arguments = self._begin(kind, self.box.in_force)
            ended = self.box.must(*arguments)
            self._finished(kind, arguments, ended)
        say(", ".join(f"{kind} takes {self._time(kind):.1f} s" for kind in KINDS))

    def random(self, card: Card, delay: float | None = None) -> None:
        """Kills one operation at a random time."""
        if delay is None:
            delay = card.fraction * self._time(card.kind)
        arguments = self._begin(card.kind, card.bundle)
        ended = process.kill_after(self.box.machine, arguments, delay)
        name = f"iteration {card.number}, {card.kind} killed after {delay:.3f} s"
        self._after(name, f"--only {card.number}", card.kind, arguments, ended)

    def every_state(self) -> None:
        """Kills an apply and a restore in each state that shows on disk.

        And one restore twice: the second time while it is taken back.
        """
        for state in COPY_STATES:
            self._until_met(state, lambda state=state: self._kill_copy_in(state))
        for state in STATES:
            self._until_met(state, lambda state=state: self._kill_in(state, state))
        self._until_met("rolling-back", lambda: self._kill_in("swapping", "rolling-back"))

    def every_step(self, kinds: Iterable[str]) -> None:
        """Kills each operation as soon as it tells of each of its steps."""
        for kind in kinds:
            arguments = self._begin(kind, self.box.other())
            ended = self.box.must(*arguments)
            self._finished(kind, arguments, ended)
            for number, step in enumerate(process.steps_of(ended)):
                arguments = self._begin(kind, self.box.other())
                ended = process.kill_at_step(self.box.machine, arguments, number)
                self._after(f"{kind} killed at `{step}`", "--steps", kind, arguments, ended)

    def finish(self) -> None:
        """Judges the repository as a whole."""
        self._judge("at the end", "", invariants.of_repository(self.box))

    def _until_met(self, state: str, attempt: Callable[[], None]) -> None:
        for _ in range(TRIES):
            before = self.tally.met[state]
            attempt()
            if self.tally.met[state] > before:
                return
        self._fail(f"nothing was cut off in `{state}` in {TRIES} tries", "--states")

    def _kill_copy_in(self, state: str) -> None:
        """Kills an apply while it copies the bundle that it has applied."""
        box = self.box
        arguments = self._begin(APPLY, box.other())
        ended = process.kill_when(box.machine, arguments, lambda: box.copy_state() == state)
        self._after(f"apply killed in `{state}`", "--states", APPLY, arguments, ended)

    def _kill_in(self, first: str, last: str) -> None:
        """Kills a restore in one state, and where another is wanted the next call in that."""
        box = self.box
        arguments = self._begin(RESTORE, box.other())
        ended = process.kill_when(box.machine, arguments, lambda: box.journal_state() == first)
        if first != last and ended.killed:
            self._count(RESTORE, ended)
            ended = process.kill_when(box.machine, arguments, lambda: box.journal_state() == last)
        self._after(f"restore killed in `{last}`", "--states", RESTORE, arguments, ended)

    def _begin(self, kind: str, bundle: str) -> Sequence[str]:
        """Gives an operation something to do; returns its arguments."""
        box = self.box
        if kind == APPLY:
            return ["apply", "--yes", "--bundle", f"{BUNDLES}/{box.other()}"]
        box.make_noise()
        if kind == BACKUP:
            return ["backup", "now"]
        return ["restore", "apply", box.snapshots[bundle]]

    def _count(self, kind: str, ended: Ended) -> None:
        self.tally.kills[kind] += 1
        self.tally.hits[kind] += ended.killed
        if ended.killed and (state := self._state()):
            self.tally.met[state] += 1
        self.box.acknowledge(ended)

    def _after(
        self, name: str, replay: str, kind: str, arguments: Sequence[str], ended: Ended
    ) -> None:
        """Calls the same again, and looks at everything that must hold."""
        began = time.monotonic()
        self._count(kind, ended)
        if not ended.killed and ended.status != 0:
            self._fail(f"{name}: it ended by itself with {ended.status}:\n{ended.tail()}", replay)
        state = self._state()
        again = process.run(self.box.machine, arguments)
        if again.status != 0:
            text = f"{name}: the next call ends with {again.status}:\n{again.tail()}"
            self._fail(text, replay)
            raise Broken(text)
        self._finished(kind, arguments, again)
        self._judge(name, replay, self._what_must_hold(kind))
        say(
            f"{name}: {'hit' if ended.killed else 'missed'}{f' in {state}' if state else ''},"
            f" the next took {again.seconds:.1f} s, the looks"
            f" {time.monotonic() - began - again.seconds:.1f} s"
        )

    def _what_must_hold(self, kind: str) -> Iterator[str]:
        yield from invariants.of_any(self.box)
        if kind != BACKUP:
            yield from invariants.of_declaration(self.box)
        if kind == RESTORE:
            yield from invariants.of_files(self.box, self.box.files[self.box.in_force])

    def _finished(self, kind: str, arguments: Sequence[str], ended: Ended) -> None:
        """Takes note of an operation that ran to its end."""
        box = self.box
        box.acknowledge(ended)
        self._times[kind] = [*self._times[kind], ended.seconds][-REMEMBERED:]
        if kind == APPLY:
            box.in_force = arguments[-1].rpartition("/")[2]
        elif kind == RESTORE:
            (box.in_force,) = (name for name, one in box.snapshots.items() if one == arguments[-1])

    def _state(self) -> str | None:
        return self.box.journal_state() or self.box.copy_state()

    def _time(self, kind: str) -> float:
        return median(self._times[kind])

    def _judge(self, name: str, replay: str, findings: Iterable[str]) -> None:
        for finding in findings:
            # What one kill has left is the fault of that kill only.
            if finding not in self._told:
                self._told.add(finding)
                self._fail(f"{name}: {finding}", replay)

    def _fail(self, text: str, replay: str) -> None:
        failure = f"{text}\n  again: {self._replay} {replay}".rstrip()
        self.tally.failures.append(failure)
        say(f"FAILED {failure}")
