"""Who is told what, and when: Alertmanager's default and the example, by amtool and by running."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from odin_manifests import alertmanager, paths
from odin_manifests.alertmanager import Running
from odin_manifests.bundle import Bundle

EXAMPLE = paths.MANIFESTS / "examples" / "alertmanager.yml"
RECORDED = re.compile(r"[a-z_]+:[a-z_]+:[a-z0-9_]+")
DURATION = re.compile(r"(\d+)(s|m|h)")
# What must not wait, and in which form.
URGENT = {
    "BackupFailed": "critical",
    "ContainerRestartsOften": "critical",
    "GpuLost": "critical",
    "NodeFilesystemAlmostFull": "critical",
    "TargetDown": "warning",
}
SECONDS = {"s": 1, "m": 60, "h": 3600}


def default(bundle: Bundle) -> dict:
    data = bundle.one("ConfigMap", "alertmanager-default", "monitoring")["data"]
    return yaml.safe_load(data["alertmanager.yml"])


def seconds(text: str) -> int:
    return sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(text))


def test_the_example_is_valid(run) -> None:
    done = run("amtool", "check-config", EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_default_sends_nothing(bundle: Bundle) -> None:
    config = default(bundle)
    assert config["receivers"] == [{"name": "null"}]
    assert [route for route in config["route"]["routes"] if "receiver" in route] == []


def test_the_example_groups_as_the_default(all_bundles: dict[str, Bundle]) -> None:
    """A change of the chart's times is a change of the example."""
    ours, example = default(all_bundles["prod"])["route"], yaml.safe_load(EXAMPLE.read_text())
    theirs = example["route"]
    for key in ("group_by", "group_wait", "group_interval", "repeat_interval"):
        assert ours[key] == theirs[key]
    manners = {tuple(route["matchers"]): route for route in theirs["routes"]}
    for route in ours["routes"]:
        if 'severity="info"' not in route["matchers"]:
            there = manners[tuple(route["matchers"])]
            assert route.items() <= there.items()


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=Watchdog severity=none", "dead-man"),
        ("alertname=GpuLost severity=critical instance=box", "on-call"),
        ("alertname=NodeLoadHigh severity=info instance=box", "null"),
        ("alertname=TargetDown severity=warning namespace=monitoring", "operators"),
        ("alertname=Slow severity=warning team=research", "research,null"),
        ("alertname=Slow severity=critical team=research", "research,on-call"),
        ("alertname=KubeJobFailed severity=warning namespace=workloads", "research"),
        ("alertname=ApplicationDown severity=critical namespace=workloads", "on-call"),
    ],
)
def test_who_is_told(labels: str, receivers: str, run) -> None:
    done = run(
        "amtool",
        *("config", "routes", "test", f"--config.file={EXAMPLE}"),
        f"--verify.receivers={receivers}",
        *labels.split(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_notification_leaves_in_time(all_bundles: dict[str, Bundle]) -> None:
    """The longest way of what must not wait, as docs/guides/alerts.md adds it up."""
    bundle = all_bundles["prod"]
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    scraped = yaml.safe_load(text)["global"]
    route = default(bundle)["route"]
    wait = seconds(scraped["scrape_interval"]) + seconds(route["group_wait"])
    evaluation = seconds(scraped["evaluation_interval"])
    ways = {
        # What reads a recorded series waits for two evaluations.
        rule["alert"]: wait
        + evaluation * (2 if RECORDED.search(rule["expr"]) else 1)
        + seconds(rule.get("for", "0s"))
        for file in sorted(paths.RULES.glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if URGENT.get(rule.get("alert")) == rule.get("labels", {}).get("severity", "none")
    }
    assert ways.keys() == URGENT.keys()
    assert max(ways.values()) < 30, ways


@pytest.fixture
def running(tmp_path: Path, all_bundles: dict[str, Bundle]):
    """Alertmanager with the appliance's inhibition; routes only wait less."""
    config = default(all_bundles["prod"])
    config["route"]["group_wait"] = "0s"
    with alertmanager.running(tmp_path, config) as it:
        yield it


Alert = dict[str, str]
BOX = {"instance": "box"}
GPU = {"instance": "box", "gpu": "0", "UUID": "GPU-0"}


def alert(name: str, severity: str = "warning", **labels: str) -> Alert:
    return {"alertname": name, "severity": severity, **labels}


@pytest.mark.parametrize(
    ("firing", "silent"),
    [
        pytest.param(
            [
                alert("NodeFilesystemAlmostFull", "critical", device="sda", **BOX),
                alert("NodeFilesystemAlmostFull", device="sda", **BOX),
                alert("NodeFilesystemAlmostFull", device="sdb", **BOX),
            ],
            {1},
            id="the milder form of the same device, and of no other",
        ),
        pytest.param(
            [
                alert("GpuLost", "critical", **GPU),
                alert("GpuPcieReplays", **GPU),
                alert("GpuPcieReplays", **{**GPU, "gpu": "1", "UUID": "GPU-1"}),
                alert("TargetDown", **BOX),
            ],
            {1},
            id="lesser errors of a lost GPU, and of no other",
        ),
        pytest.param(
            [
                alert("GpuExporterDown", "critical", **BOX),
                alert("GpuLost", "critical", **GPU),
                alert("GpuLost", "critical", **{**GPU, "instance": "other"}),
            ],
            {1},
            id="GPUs that nobody reads",
        ),
        pytest.param(
            [
                alert("NodeDown", "critical", **BOX),
                alert("KubeletDown", "critical", **BOX),
                alert("TargetDown", **BOX),
                alert("GpuExporterDown", "critical", **BOX),
                alert("KubeNodeNotReady", "critical", node="box", **BOX),
                alert("TargetDown", instance="other"),
                alert("NodeFilesystemAlmostFull", "critical", device="sda", **BOX),
            ],
            {1, 2, 3, 4},
            id="what a node that is down cannot answer, and not that its disk is full",
        ),
        pytest.param(
            [
                alert("KubeletDown", "critical", **BOX),
                alert("KubeNodeNotReady", "critical", node="box", **BOX),
                alert("KubeNodeNotReady", "critical", node="other", instance="other"),
            ],
            {1},
            id="a node that is not ready because its kubelet is down, and no other",
        ),
        pytest.param(
            [
                alert("ApiServerDown", "critical", instance="10.0.0.1:6443"),
                alert("ApplyFailed", "critical", **BOX),
                alert("BackupFailed", "critical", **BOX),
                alert("Watchdog", "none"),
            ],
            {1},
            id="what needs the API server, and never the watchdog",
        ),
        pytest.param(
            [
                alert("KubePodPending", namespace="workloads", pod="a"),
                alert("ContainerRestartsOften", "critical", namespace="workloads", pod="a"),
                alert("ContainerRestartsOften", namespace="workloads", pod="a"),
            ],
            {2},
            id="two troubles of one pod",
        ),
    ],
)
def test_what_is_silent_beside_what(running: Running, firing: list[Alert], silent: set[int]):
    running.send(firing)
    running.until_silent([firing[place] for place in silent], among=firing)


def test_a_silence_has_an_owner_and_an_end(running: Running, run: Callable) -> None:
    """As docs/guides/alerts.md says it is done."""
    firing = [alert("TargetDown", **BOX), alert("TargetDown", instance="other")]
    running.send(firing)
    running.until_silent([], among=firing)
    url = f"--alertmanager.url={running.url}"
    refused = run("amtool", "silence", "add", url, "--author=anna", "instance=box")
    assert refused.returncode != 0 and "comment required" in refused.stderr
    done = run(
        *("amtool", "silence", "add", url, "--author=anna", "--duration=2h"),
        *("--comment=new power supply", "alertname=TargetDown", "instance=box"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    running.until_silent(firing[:1], among=firing)
    told = run("amtool", "silence", "query", url, "--output=json", "--created-by=anna")
    (silence,) = json.loads(told.stdout)
    ends = datetime.fromisoformat(silence["endsAt"].replace("Z", "+00:00"))
    assert 0 < (ends - datetime.now(UTC)).total_seconds() <= 7200
    assert run("amtool", "silence", "expire", url, silence["id"]).returncode == 0
    running.until_silent([], among=firing)


def test_the_example_names_its_files() -> None:
    """What the guide says belongs into the Secret beside it."""
    names = re.findall(r"/etc/alertmanager/([a-z-]+)", EXAMPLE.read_text())
    assert sorted(names) == ["dead-man-url", "mail-password", "pagerduty-key", "slack-url"]
    guide = (paths.ROOT / "docs" / "guides" / "alerts.md").read_text()
    assert [name for name in names if f"`{name}`" not in guide] == []
