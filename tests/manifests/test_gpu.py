"""GPU alerts and dashboards over `odin gpu serve` and simulated GPUs, live.

What is not looked at: numbers that need a real pod's processes; the scenario
gpu_lifecycle has them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import record
from odin_manifests import dashboards, exporter, paths, prometheus, recording, simulator, synthetic
from odin_manifests.exporter import Exporter, uuid
from odin_manifests.kubelet import Pod, telling
from odin_manifests.prometheus import Watch, wait_until

WELL = f"""
profile = "h100"
load = {{ kind = "sine", minimum = 10, maximum = 90, period = 20 }}
[[gpu]]
uuid = "{uuid(0)}"
[[gpu.process]]
pid = 4711
name = "train"
memory-mib = 2048
[[gpu]]
uuid = "{uuid(1)}"
[[gpu]]
profile = "a100"
uuid = "{uuid(2)}"
[[gpu]]
profile = "t4"
uuid = "{uuid(3)}"
"""
LOST = '[[fault]]\nkind = "lost"\ngpu = 1\n'
# Something for each panel about errors.
UNWELL = """
[[fault]]
kind = "xid"
code = 120
gpu = 1
[[fault]]
kind = "ecc-double"
gpu = 1
"""
PODS = [
    Pod("workloads", "train-0", (uuid(0),)),
    Pod("workloads", "notebook-6d4cf56db6-x7k2p", (uuid(1),)),
]
# These count processes by the containers they are in.
OF_REAL_PODS = {"odin_gpu_pod_memory_used_bytes", "odin_gpu_pod_utilization_ratio"}


@pytest.fixture(scope="session")
def library() -> Path:
    return simulator.library()


def until_heard(running: Exporter) -> None:
    """Returns when events of the GPU that will have some are listened to.

    The exporter begins with the GPUs it has read by then and listens anew when
    there are more; what happens in between nobody hears.
    """
    events = re.compile("odin_gpu_events_total")

    def is_heard() -> bool:
        for fault in ('[[fault]]\nkind = "power-cap"\ngpu = 1\n', ""):
            running.set(WELL + fault)
            page = running.settled(events)
        return any(series.label["UUID"] == uuid(1) for series in page)

    wait_until(is_heard, "events of GPU 1 are listened to")


@pytest.fixture(scope="module")
def served(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """GPUs that are read, and pods that have some of them."""
    # A socket's path may not be long.
    directory = tmp_path_factory.mktemp("gpu")
    with (
        telling(directory / "kubelet.sock", PODS),
        Exporter(directory, library, WELL) as running,
    ):
        until_heard(running)
        yield running


@pytest.fixture(scope="module")
def watch(served: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with prometheus.watching(tmp_path_factory.mktemp("watch"), served.address) as watch:
        yield watch


@pytest.fixture(autouse=True)
def well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test ends with GPUs that are well."""
    yield
    if "served" in request.fixturenames:
        request.getfixturevalue("served").set(WELL)


def firing(watch: Watch) -> set[str]:
    return {alert["labels"]["alertname"] for alert in watch.alerts()}


def test_a_lost_gpu_is_told_to_alertmanager_and_taken_back(served: Exporter, watch: Watch) -> None:
    served.settled()
    wait_until(lambda: watch.query('up{job="gpu"} == 1'), "the exporter is scraped")
    served.set(WELL + LOST)
    wait_until(lambda: "GpuLost" in firing(watch), "the alert is there")
    (lost,) = (one for one in watch.alerts() if one["labels"]["alertname"] == "GpuLost")
    assert lost["labels"]["instance"] == prometheus.INSTANCE
    assert lost["labels"]["UUID"] == uuid(1)
    assert lost["annotations"]["runbook_url"] == "docs/runbooks/GpuLost.md"
    served.set(WELL)
    wait_until(lambda: "GpuLost" not in firing(watch), "the alert is resolved")


def until_counted(running: Exporter) -> None:
    """Makes GPU 1 unwell until an XID of it was counted.

    One that comes while the exporter begins to listen anew, as after a GPU that
    was lost, nobody hears.
    """
    xids = re.compile("DCGM_EXP_XID_ERRORS_COUNT")

    def is_counted() -> bool:
        for fault in ("", UNWELL):
            running.set(WELL + fault)
            page = running.settled(xids)
        return any(series.label["UUID"] == uuid(1) and page[series] > 0 for series in page)

    wait_until(is_counted, "an XID of GPU 1 is counted")


@pytest.mark.parametrize("name", dashboards.GPU_FILES)
def test_every_panel_has_data(name: str, served: Exporter, watch: Watch) -> None:
    until_counted(served)
    values = {"UUID": uuid(0)}
    asked = [
        *(query for query in dashboards.queries(name, values)),
        *(query for query in dashboards.of_variables(name, values)),
    ]
    for query in asked:
        if not OF_REAL_PODS & dashboards.metrics(query.text):
            wait_until(lambda text=query.text: watch.query(text), f"data for {query}")
        # `or vector(0)` would hide a name that nobody has.
        for metric in dashboards.metrics(query.text) - OF_REAL_PODS:
            wait_until(lambda one=metric: watch.query(f"count({one})"), f"{metric} of {query}")


def test_the_page_of_the_synthetic_box_is_one_of_now(served: Exporter) -> None:
    """tests/manifests/series/gpu.prom: what dashboards and rules read of one GPU."""
    names = synthetic.gpu_names_read() - OF_REAL_PODS
    until_counted(served)
    seen: exporter.Page = {}

    def is_all_there() -> bool:
        seen.update(exporter.parse(served.text(), re.compile("|".join(sorted(names)))))
        return {series.name for series in seen} >= names

    wait_until(is_all_there, "every metric that is read is on a page")
    found = as_of_one(seen)
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        lines = [f"{series} {value:g}\n" for series, value in found.items()]
        synthetic.GPU_PAGE.write_text("".join(sorted(lines)))
    # Which events and clocks there were in these moments is chance; what there can be is not.
    kept = exporter.parse(synthetic.GPU_PAGE.read_text())
    assert {(one.name, tuple(one.label)) for one in kept} == {
        (one.name, tuple(one.label)) for one in found
    }


def as_of_one(page: exporter.Page) -> exporter.Page:
    """The page of GPU 1, with what only other models have as if it were that one's."""
    own = {series.name for series in page if series.label.get("UUID") == uuid(1)}
    found: exporter.Page = {}
    for series, value in page.items():
        of = series.label
        if of.get("UUID", uuid(1)) != uuid(1):
            if series.name in own:
                continue
            of |= {"UUID": uuid(1), "gpu": "1"}
        if "hostname" in of:
            of["hostname"] = prometheus.INSTANCE
        found[exporter.Series(series.name, tuple(sorted(of.items())))] = value
    return found


def test_no_query_is_left_to_real_pods_without_need() -> None:
    left = {
        query.panel
        for name in dashboards.GPU_FILES
        for query in dashboards.queries(name, {"UUID": uuid(0)})
        if OF_REAL_PODS & dashboards.metrics(query.text)
    }
    assert left == {"Memory by pod", "Utilization by pod"}


def test_unit_tests_are_what_gpus_do_now(library: Path, tmp_path: Path) -> None:
    again = record.written(tmp_path)
    assert again == record.OUTPUT.read_text(), "python3 tests/manifests/record.py writes it anew"


def test_rules_read_what_there_is(served: Exporter) -> None:
    """A metric that a rule reads is on the page, or made for in the recordings by hand."""
    names = recording.names_read()
    read = set(names.pattern.split("|"))
    there = {series.name for series in exporter.parse(served.text(), names)}
    by_hand = yaml.safe_load(record.CASES.read_text())["by_hand"]
    stated = {series["series"].split("{")[0] for case in by_hand for series in case["input_series"]}
    recorded = set(re.findall(r"series: '(\w+)\{", record.OUTPUT.read_text()))
    assert read - there - recorded - stated == set()
    # What is stated by hand alone has no sample in any simulated GPU.
    assert read - there - recorded <= {"odin_gpu_sram_ecc_threshold_exceeded"}


def test_xids_are_in_the_rule_of_their_class() -> None:
    source = (paths.ROOT / "crates" / "odin-gpu" / "src" / "xid.rs").read_text()
    classes: dict[str, set[str]] = {}
    for number, kind in re.findall(r"xid\(\s*(\d+),\s*Class::(\w+)", source):
        classes.setdefault(kind, set()).add(number)
    groups = yaml.safe_load((paths.RULES / "gpu.yaml").read_text())["groups"]
    rules = {rule.get("alert"): rule["expr"] for group in groups for rule in group["rules"]}

    def named(alert: str) -> set[str]:
        (found,) = re.findall(r'xid[=!~]+"([\d|]+)"', rules[alert])
        return set(found.split("|"))

    assert named("GpuXidApplication") == classes["Application"]
    assert named("GpuXidReset") == classes["Reset"]
    assert named("GpuXidHardware") | named("GpuFellOffBus") == classes["Hardware"]
    # All others, and those nobody knows.
    known = set().union(*(each for kind, each in classes.items() if kind != "Notice"))
    assert named("GpuXidNotice") == known


def test_maintained_drivers_are_not_called_old() -> None:
    matrix = (paths.ROOT / "nixos" / "modules" / "gpu" / "compatibility.nix").read_text()
    branches = {int(series) for series in re.findall(r'series = "(\d+)"', matrix)}
    (pattern,) = re.findall(r'driver=~"([^"]+)"', (paths.RULES / "gpu.yaml").read_text())
    for branch in branches:
        assert not re.fullmatch(pattern, f"{branch}.95.05"), branch
    oldest = min(branches)
    for branch in (oldest - 1, oldest - 10, 535, 470, 390, 96):
        assert re.fullmatch(pattern, f"{branch}.95.05"), branch
