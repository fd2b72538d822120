"""Series of faults, recorded from `odin gpu serve` over nvml-sim.

The simulated clock stands still and is moved by a minute at a time, so half an
hour takes seconds and two recordings are equal. Only the series that the rules
read are kept. Ages of samples are told by the steps that passed, because they
are measured by the real clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from odin_manifests import paths
from odin_manifests.exporter import MAXIMUM_AGE, Exporter, Page, Series, parse, uuid
from odin_manifests.kubelet import telling

STEP = 60
WELL, FAULTY, HEALED = 5, 15, 20
STEPS = WELL + FAULTY + HEALED
# Where time begins: simulated counters have something to have counted.
BEGINNING = 3600

_AGE = "odin_gpu_sample_age_seconds"
_XIDS = "DCGM_EXP_XID_ERRORS_COUNT"
_RUNS = 'odin_gpu_state{{UUID="{}",state="running"}} 1\n'
# One series for each thing it can be, of which all but one are 0.
_CHOICES = {"odin_gpu_state", "odin_gpu_library_state", "odin_gpu_clock_event_active"}
_OF_THE_HOST = ("hostname", "DCGM_FI_DRIVER_VERSION")

Values = list[float | None]
Recording = dict[Series, Values]


def names_read() -> re.Pattern[str]:
    """Metrics of the exporter that the rules about GPUs read."""
    text = (paths.RULES / "gpu.yaml").read_text()
    names = sorted(set(re.findall(r"\b(?:odin_gpu|DCGM)_\w+(?=\{)", text)))
    return re.compile("|".join(names))


def scenario(cases: list[dict], minute: float, faulty: bool) -> str:
    """The scenario of one step: a GPU for each case."""
    parts = ['profile = "h100"', f"[clock]\nfrozen-at = {BEGINNING + minute * STEP:.2f}"]
    for index, case in enumerate(cases):
        parts.append(f'[[gpu]]\nuuid = "{uuid(index)}"\nload = {case.get("load", 50)}')
        parts.extend(case.get("gpu", []))
    for index, case in enumerate(cases):
        for fault in case.get("always", []) + (case.get("faults", []) if faulty else []):
            parts.append(f"[[fault]]\ngpu = {index}\n{fault}")
    return "\n".join(parts) + "\n"


def record(directory: Path, library: Path, cases: list[dict]) -> list[Recording]:
    """Records the cases side by side, each on a GPU of its own."""
    names = names_read()
    pages: list[Page] = []
    with (
        telling(directory / "kubelet.sock", []),
        Exporter(directory, library, scenario(cases, 0, False)) as exporter,
    ):
        _until_all_are_heard(exporter, cases)
        for minute in range(STEPS):
            faulty = WELL <= minute < WELL + FAULTY
            exporter.set(scenario(cases, minute, faulty))
            # Events come by a thread of their own, and a moment after the fault;
            # a GPU that comes back is seen a moment after it did.
            told = _awaited(cases) if faulty and minute > WELL else {}
            if not faulty:
                told = parse("".join(_RUNS.format(uuid(index)) for index in range(len(cases))))
            pages.append(exporter.settled(names, lambda page, told=told: _holds(page, told)))
    return [
        {
            series: values
            for series, values in _of_gpu(pages, index).items()
            if case.get("answers", True) or series.name != _XIDS
        }
        for index, case in enumerate(cases)
    ]


def _until_all_are_heard(exporter: Exporter, cases: list[dict]) -> None:
    """Returns when events of every GPU are listened to, shown by a harmless one.

    The exporter begins with the GPUs it has read by then and listens anew when
    there are more; what happens in between nobody hears.
    """
    events = re.compile("odin_gpu_events_total")
    for number in range(1000):
        for event in ('\n[[fault]]\nkind = "power-cap"\n', ""):
            minute = (2 * number + (not event)) / 1000 - WELL
            exporter.set(scenario(cases, minute, False) + event)
            page = exporter.settled(events)
        heard = {s.label["UUID"] for s in page if s.label["event"] == "clock"}
        if heard == {uuid(index) for index in range(len(cases))}:
            return
    raise AssertionError(f"events of {len(cases) - len(heard)} GPUs are not listened to")


def _awaited(cases: list[dict]) -> Page:
    """Samples that a page must have before it counts."""
    text = "".join(
        f"{line}\n".replace("$UUID", uuid(index)).replace("$gpu", str(index))
        for index, case in enumerate(cases)
        for line in case.get("awaits", [])
    )
    return parse(text)


def _holds(page: Page, told: Page) -> bool:
    return all(
        any(
            found.name == series.name
            and set(series.labels) <= set(found.labels)
            and page[found] == value
            for found in page
        )
        for series, value in told.items()
    )


def _of_gpu(pages: list[Page], index: int) -> Recording:
    """The series of one GPU, and those of no GPU."""
    recording: Recording = {}
    for minute, page in enumerate(pages):
        for series, value in page.items():
            if series.label.get("gpu", str(index)) == str(index):
                recording.setdefault(_named(series), [None] * len(pages))[minute] = value
    ages = [series for series in recording if series.name == _AGE]
    for series in ages:
        recording[series] = _in_steps(recording[series])
    return {series: values for series, values in recording.items() if _matters(series, values)}


def _named(series: Series) -> Series:
    labels = [pair for pair in series.labels if pair[0] not in _OF_THE_HOST]
    return Series(series.name, tuple(sorted([*labels, ("instance", "box"), ("job", "gpu")])))


def _in_steps(ages: Values) -> Values:
    """Ages in simulated time: 0 where a step saw a new sample, else a step more."""
    told: Values = []
    for age in ages:
        # A page settles only with samples newer than the step, or much older.
        fresh = age is None or age <= MAXIMUM_AGE
        told.append(0 if fresh else (told[-1] or 0) + STEP if told else STEP)
    return told


def _matters(series: Series, values: Values) -> bool:
    if series.name in _CHOICES:
        return any(values)
    if series.name == "odin_gpu_nvlink_link_active":
        # Links that do what the first one does would only be more of the same.
        return series.label["link"] == "0" or len(set(values)) > 1
    return True


def notation(values: Values) -> str:
    """The values as promtool writes them; what goes away is marked stale."""
    tokens: list[str | float] = []
    for place, value in enumerate(values):
        if value is not None:
            tokens.append(value)
        else:
            tokens.append("stale" if place and values[place - 1] is not None else "_")
    return " ".join(_runs(tokens))


def _runs(tokens: list[str | float]) -> Iterator[str]:
    at = 0
    while at < len(tokens):
        first, end = tokens[at], at + 1
        if isinstance(first, str):
            while first == "_" and end < len(tokens) and tokens[end] == "_":
                end += 1
            yield f"_x{end - at}" if end - at > 1 else first
        else:
            second = tokens[end] if end < len(tokens) else None
            pace = second - first if isinstance(second, float) else 0
            if not _is_whole(first) or not _is_whole(pace):
                pace = 0
            while end < len(tokens) and tokens[end] == first + pace * (end - at):
                end += 1
            if end - at == 1:
                yield _number(first)
            elif pace:
                yield f"{_number(first)}{pace:+.0f}x{end - at - 1}"
            else:
                yield f"{_number(first)}x{end - at - 1}"
        at = end


def _is_whole(value: float) -> bool:
    return value == int(value)


def _number(value: float) -> str:
    return str(int(value)) if _is_whole(value) else repr(value)
