"""Brings faults about and looks until what they took works again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from odin_lab.shell import RequestedAssertionFailed

from alerts.box import Box, say
from repairing import box as boxes
from repairing.fault import NOTES, Injection, Listed

EVERY = 2  # seconds between two looks
STEADY = 3  # looks in a row that must find it working
TAKES = 30  # seconds within which a fault must show
PREPARED = 300  # seconds until all is well before a fault
REPEATED = 60  # seconds after which Prometheus tells an alert again
RESOLVES = 480  # seconds after the last repair for an alert to end: rates of 5 minutes


class NotWell(Exception):
    """A machine is not as it must be before a fault."""


@dataclass
class Outcome:
    """What came of a fault on one machine."""

    since: float
    """By the clock of the machines."""
    repaired: float | None = None
    """Seconds from the fault; none where the cap came first."""
    fired: float | None = None
    """Seconds until its alert; none where it did not fire."""
    resolved: bool = False
    trouble: str = ""
    """Why nothing was measured."""
    incurable: str = ""
    """Why it was not waited for any longer once its remedy was over."""
    remedies: list[dict] = field(default_factory=list)

    @property
    def by_odin(self) -> bool:
        """Whether a remedy was carried out before the repair."""
        return any(each["result"] in ("done", "resolved") for each in self.remedies)

    def refusals(self) -> list[str]:
        """Why remedies failed."""
        results = [each["result"] for each in self.remedies]
        return [each["failed"] for each in results if isinstance(each, dict)]


class Watched:
    """One machine and all that was done to it."""

    def __init__(self, box: Box, cap: float, remedies: bool, stop: threading.Event) -> None:
        self.box = box
        self.cap = cap
        self.remedies = remedies
        self.stop = stop
        self.outcomes: dict[str, Outcome] = {}
        self.last_repair = time.monotonic()

    def group(self, faults: Sequence[tuple[Listed, Injection]], chance: random.Random) -> None:
        """Brings about, together, faults that do not touch each other."""
        order = [injection for _, injection in faults]
        chance.shuffle(order)
        try:
            self._prepare(order)
        except (NotWell, RequestedAssertionFailed) as error:
            # The others go on: what is lost here is told as not measured.
            say(str(error))
            for each in order:
                self.outcomes[each.name] = Outcome(time.time(), trouble="its machine was not well")
            return
        with ThreadPoolExecutor(len(order)) as pool:
            tasks = [pool.submit(self._watch, each, self._bring(each)) for each in order]
        for task in tasks:
            task.result()
        for each in order:
            self.box.machine.execute(each.undo)

    def _prepare(self, order: Sequence[Injection]) -> None:
        """Waits until all is well and watched."""
        for each in order:
            self.box.machine.succeed(f"mkdir -p {NOTES}", each.prepare)
        for each in order:
            deadline = time.monotonic() + PREPARED
            while not (self._works(each) and self._asked(each.seen)):
                if time.monotonic() > deadline or self.stop.is_set():
                    raise NotWell(f"before {each.name}: it does not work, or is not watched")
                time.sleep(1)

    def _bring(self, injection: Injection) -> float:
        """Brings a fault about; since when it is there."""
        status, text = self.box.machine.execute(injection.inject)
        self.outcomes[injection.name] = outcome = Outcome(time.time())
        if status != 0:
            outcome.trouble = f"it could not be brought about: exit status {status}: {text.strip()}"
        return time.monotonic()

    def _watch(self, injection: Injection, begun: float) -> None:
        outcome = self.outcomes[injection.name]
        if not outcome.trouble:
            outcome.repaired = self._repaired(injection, begun)
        self.last_repair = time.monotonic()
        if self.remedies:
            outcome.remedies = self._attempts(injection)
        told = f"{outcome.repaired:.0f} s" if outcome.repaired is not None else "not repaired"
        told = outcome.trouble or told
        side = "with ODIN" if self.remedies else "alone"
        done = ", ".join(f"{one['action']}: {one['result']}" for one in outcome.remedies)
        say(f"{injection.name} {side}: {told} {done}")

    def _repaired(self, injection: Injection, begun: float) -> float | None:
        broken, good, first = False, 0, 0.0
        while (now := time.monotonic()) - begun < self.cap and not self.stop.is_set():
            if not self._works(injection):
                broken, good = True, 0
            elif broken:
                first = first if good else now
                good += 1
                if good == STEADY:
                    return first - begun
            elif now - begun > TAKES:
                self.outcomes[injection.name].trouble = "all went on as before"
                return None
            if self.remedies and injection.incurable and self._given_up(injection):
                self.outcomes[injection.name].incurable = injection.incurable
                return None
            self.stop.wait(EVERY)
        return None

    def _given_up(self, injection: Injection) -> bool:
        """Whether its remedy is over; a fault it cannot mend is there for good."""
        attempts = self._attempts(injection)
        return any(isinstance(one["result"], dict) or one["result"] == "done" for one in attempts)

    def _attempts(self, injection: Injection) -> list[dict]:
        since = self.outcomes[injection.name].since
        return boxes.attempts(self.box, since, injection.target)

    def _works(self, injection: Injection) -> bool:
        return self.box.machine.execute(f"{{ {injection.works}; }} 2>/dev/null", timeout=8)[0] == 0

    def _asked(self, query: str) -> list[dict]:
        """What Prometheus answers; nothing while it does not."""
        try:
            return self.box.query(query) if query else [{}]
        except (RequestedAssertionFailed, ValueError):
            return []

    def end(self, faults: Sequence[tuple[Listed, Injection]]) -> None:
        """Waits until the alerts of what was repaired are over, and looks when they began."""
        for listed, injection in faults:
            self._end(self.outcomes[injection.name], listed, injection)

    def _end(self, outcome: Outcome, listed: Listed, injection: Injection) -> None:
        span = f"{time.time() - outcome.since:.0f}s"
        if listed.missing:
            outcome.fired = self._silence(listed, span)
            over = "vector(1)"
        else:
            labels = f'alertname="{listed.alert}", alertstate="firing", {injection.labels}'
            began = f"min(min_over_time(timestamp(ALERTS{{{labels}}})[{span}:1s]))"
            found = self._asked(began)
            outcome.fired = float(found[0]["value"][1]) - outcome.since if found else None
            over = f"absent(ALERTS{{{labels}}})"
        if outcome.fired is None:
            over = "vector(1)"
        if outcome.trouble or outcome.repaired is None:
            return
        # ODIN believes it only when the alert stayed away for a while.
        outcome.resolved = self._until(lambda: bool(self._asked(over))) and self._until(
            lambda: self._told(outcome, injection)
        )

    def _told(self, outcome: Outcome, injection: Injection) -> bool:
        """Whether ODIN has recorded that the alert resolved, where it did something."""
        outcome.remedies = self._attempts(injection)
        results = [each["result"] for each in outcome.remedies]
        return not results or "resolved" in results

    def _until(self, holds: Callable[[], bool]) -> bool:
        """Waits until something holds; whether it did in time."""
        while not holds():
            if time.monotonic() - self.last_repair > RESOLVES or self.stop.is_set():
                return False
            time.sleep(EVERY)
        return True

    def _silence(self, listed: Listed, span: str) -> float | None:
        """Seconds after which whoever hears this alert again and again misses it."""
        labels = f'alertname="{listed.alert}", alertstate="firing"'
        # Samples as they were written, one each evaluation of five seconds.
        told = self._asked(f"count_over_time(ALERTS{{{labels}}}[{span}])")
        silent = float(span[:-1]) - 5 * float(told[0]["value"][1]) if told else 0
        return REPEATED if silent >= REPEATED else None
