"""The monitoring stack while something happens to it.

Each function leaves the machine as it found it and returns figures by name.
They need a machine with the declared stack in force and nobody who repairs
drift meanwhile. Deadlines hold for the overlay `lab`, which scrapes and
evaluates every five seconds.

Not here: a clock that jumps. A lab machine has its host's clock.
"""

from __future__ import annotations

from pathlib import Path

from scenarios import phase2, stack

WATCHDOG = "Watchdog"
LIMIT_ALERT = "ScrapeLimitReached"
FULL_ALERT = "NodeFilesystemAlmostFull"
SCRAPE_LIMIT = 10_000  # samples: `podLimits` of the chart
# Prometheus repeats an alert every minute, and a scrape may just have been.
REPEAT = 90

LOUD = Path(__file__).resolve().parent / "loud-pod.yaml"


def prometheus_killed(machine) -> dict[str, float]:
    """Its process dies: it comes back by itself with all it had written."""
    moment = str(stack.now(machine) - 5)
    count = 'count(up == 1) and on () (count(up{job="node-exporter"}) > 0)'
    before = stack.value(machine, count, time=moment)
    assert before and before >= 5, before

    killed = stack.now(machine)
    machine.succeed("pkill -KILL -x prometheus")
    back = stack.wait(
        "Prometheus scrapes again",
        lambda: (stack.value(machine, 'min(timestamp(up{job="node-exporter"}))') or 0) > killed,
        180,
    )
    # What was in memory at the kill comes from its write-ahead log.
    assert stack.value(machine, count, time=moment) == before
    told = stack.wait(
        "the watchdog is repeated to Alertmanager",
        lambda: any(newer(machine, alert, killed) for alert in stack.alerts(machine, WATCHDOG)),
        REPEAT + 60,
    )
    phase2.accepted(machine)
    return {"scraping again": back, "watchdog told again": back + told}


def newer(machine, alert: dict, moment: float) -> bool:
    """Whether Alertmanager heard of an alert after a moment."""
    return float(machine.succeed(f"date +%s.%N -d '{alert['updatedAt']}'")) > moment


def alertmanager_away(machine) -> dict[str, float]:
    """An alert that fires while Alertmanager is away is there once it is back."""
    scale(machine, "alertmanager", 0)
    firing = f'count(ALERTS{{alertname="{LIMIT_ALERT}", alertstate="firing"}})'
    with_loud_pod(machine)
    stack.wait("the alert fires", lambda: stack.value(machine, firing), 240)
    scale(machine, "alertmanager", 1)
    delivered = stack.wait(
        "the alert is delivered", lambda: stack.alerts(machine, LIMIT_ALERT), REPEAT
    )
    without_loud_pod(machine)
    resolved = stack.wait("the alert resolves", lambda: not stack.alerts(machine, LIMIT_ALERT), 240)
    return {"delivered after its return": delivered, "resolved": resolved}


def cardinality(machine) -> dict[str, float]:
    """A pod with ten times the series a scrape may bring: nothing of it is kept."""
    stack.wait("no such alert is left", lambda: not stack.alerts(machine, LIMIT_ALERT), 240)
    others = 'count(up{job!="pods"} == 1)'
    series = "sum(prometheus_tsdb_head_series)"
    before, head = stack.value(machine, others), stack.value(machine, series)
    with_loud_pod(machine)
    told = stack.wait("the alert names it", lambda: stack.alerts(machine, LIMIT_ALERT), 240)
    (alert,) = stack.alerts(machine, LIMIT_ALERT)
    assert alert["labels"]["pod"] == "loud", alert
    assert stack.value(machine, 'count({__name__=~"loud_.+"})') is None
    assert stack.value(machine, others) == before
    grown = (stack.value(machine, series) or 0) - (head or 0)
    # Up to the limit they are made before it is known that there are more, and
    # stay in memory until it is tidied.
    assert grown < 2 * SCRAPE_LIMIT, f"Prometheus keeps {grown} series more"
    without_loud_pod(machine)
    gone = stack.wait("the alert resolves", lambda: not stack.alerts(machine, LIMIT_ALERT), 240)
    return {"told": told, "resolved": gone, "series more": grown}


def disk_filling(machine) -> dict[str, float]:
    """A file system fills up: its alert fires in time, and resolves."""
    # An overlay over memory: a small file system of its own on any machine, of a
    # kind that the node exporter does not leave out.
    place, layers = "/srv/filled", "/run/filled"
    machine.succeed(
        f"mkdir -p {place} {layers} && mount -t tmpfs -o size=64m none {layers}"
        f" && mkdir {layers}/lower {layers}/upper {layers}/work"
        " && mount -t overlay odin-filled"
        f" -o lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work {place}"
    )
    try:
        machine.succeed(f"head -c 65011712 /dev/zero > {place}/file")
        fired = stack.wait("the alert fires", lambda: full(machine), REPEAT)
        machine.succeed(f"rm {place}/file")
        # It is told at once and not taken back at once, for five minutes.
        resolved = stack.wait("the alert resolves", lambda: not full(machine), 300 + REPEAT)
        assert resolved > 240, f"it resolved after {resolved} s"
    finally:
        machine.succeed(f"umount {place} {layers} && rmdir {place} {layers}")
    return {"told": fired, "resolved": resolved}


def full(machine) -> list[dict]:
    """The critical alert of the file system that `disk_filling` made."""
    found = [alert["labels"] for alert in stack.alerts(machine, FULL_ALERT)]
    return [
        labels
        for labels in found
        if labels["device"] == "odin-filled" and labels["severity"] == "critical"
    ]


def node_restart(machine) -> dict[str, float]:
    """The machine is rebooted: every target is back, and the series go on."""
    moment = str(stack.now(machine) - 5)
    before = stack.value(machine, "count(up == 1)", time=moment)
    booted = stack.now(machine)
    machine.reboot()
    back = stack.wait(
        "every target is up again",
        lambda: (
            (stack.value(machine, f"count(up == 1 and timestamp(up) > {booted})") or 0) >= before
        ),
        300,
    )
    assert stack.value(machine, "count(up == 1)", time=moment) == before
    phase2.accepted(machine)
    return {"every target up": back}


def scale(machine, name: str, replicas: int) -> None:
    """Scales a StatefulSet of the stack and waits until it is so."""
    machine.succeed(f"kubectl -n monitoring scale statefulset {name} --replicas={replicas}")
    if replicas == 0:
        machine.wait_until_fails(f"kubectl -n monitoring get pod {name}-0", 120)
    else:
        machine.succeed(f"kubectl -n monitoring rollout status statefulset {name} --timeout=180s")


def with_loud_pod(machine) -> None:
    """Starts a pod that answers a scrape with ten times as many series as it may have."""
    machine.copy_from_host(str(LOUD), "/tmp/loud-pod.yaml")
    machine.succeed("kubectl apply -f /tmp/loud-pod.yaml")
    machine.succeed("kubectl -n workloads wait --for=condition=Ready pod/loud --timeout=120s")


def without_loud_pod(machine) -> None:
    """Removes it."""
    machine.succeed("kubectl -n workloads delete pod loud --wait --timeout=60s")
