"""All panels of a dashboard, asked as a browser asks, over a day of a box of sixteen GPUs."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from odin_lab import paths, tools

from odin_bench.report import Goal, Section, table

sys.path.insert(0, str(paths.REPOSITORY / "tests" / "manifests"))

from odin_manifests import dashboards, exporter, synthetic, tsdb

# Of one address a browser asks this much at once (HTTP/1.1).
AT_ONCE = 6
# What Grafana makes of a day on a panel of a thousand pixels, with a scrape
# every 30 s: a point every two minutes, rates over five scrapes.
STEP = 120
CHOSEN = {"UUID": exporter.uuid(0), "__rate_interval": "150s", "__interval": "2m"}
LIMIT = 1.0


@dataclass(frozen=True)
class Sizes:
    """Hours that are written and asked of, and how often each dashboard is opened."""

    hours: int
    runs: int


FULL = Sizes(hours=24, runs=5)
QUICK = Sizes(hours=2, runs=1)


def measured(directory: Path, sizes: Sizes, say: Callable[[str], None]) -> Section:
    """Writes the day, then opens every dashboard some times."""
    tools.build(["prometheus"], say)
    began = time.monotonic()
    lines = synthetic.lines(synthetic.Box())
    tsdb.write(directory, lines, sizes.hours)
    say(f"{len(lines)} series over {sizes.hours} h written in {time.monotonic() - began:.0f} s")
    rows, goals = [], []
    with tsdb.serving(directory) as url:
        # As it would be: what was recorded lies beside what it was made of.
        tsdb.settle(directory / "data")
        for name in dashboards.FILES:
            asked = _asked(name, sizes)
            # The first reads the blocks from the disk.
            first, *times = (_opened(url, asked, sizes) for _ in range(sizes.runs + 1))
            middle = statistics.median(times)
            title = dashboards.load(name)["title"]
            row = (title, str(len(asked)), f"{first:.2f}", f"{middle:.2f}", f"{max(times):.2f}")
            rows.append(row)
            goals.append(Goal(f"{title}: all panels together, median", middle, LIMIT, ".2f", " s"))
            say(f"{title}: {middle:.2f} s")
    head = ("dashboard", "queries", "first s", "median s", "worst s")
    text = f"""
{len(lines):,} series of a box with 16 GPUs, 64 processors and 100 pods, scraped every \
30 s for {sizes.hours} hours, and what the recording rules make of them; written with \
`promtool tsdb create-blocks-from`, so that Prometheus has it in blocks on disk and \
nothing in memory. Every query of the panels of a dashboard over all of that time, a \
point every {STEP} s, {AT_ONCE} at once, from the first question to the last answer \
read; the first opening, then the median and the worst of {sizes.runs}. Queries of \
logs are not among them. The plan's limit is 5 s, the goal {LIMIT:g} s.

{table(head, rows)}"""
    return Section("Dashboards", goals, text)


def _asked(name: str, sizes: Sizes) -> list[dashboards.Query]:
    values = CHOSEN | {"__range": f"{sizes.hours}h"}
    every = [*dashboards.queries(name, values), *dashboards.of_variables(name, values)]
    return [query for query in every if query.language == "prometheus"]


def _opened(url: str, asked: list[dashboards.Query], sizes: Sizes) -> float:
    """Seconds until the last panel has its answer."""

    def ask(query: dashboards.Query) -> list[dict]:
        if query.instant:
            return tsdb.ask(url, query.text)
        return tsdb.ask_range(url, query.text, sizes.hours * 3600, STEP)

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for query, found in zip(asked, pool.map(ask, asked), strict=True):
            assert found, f"no data: {query}"
    return time.monotonic() - began
