"""What a machine's Prometheus and Alertmanager say, asked as `odin verify` asks.

Through the API server's proxy, so that neither routes nor names are needed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

from scenarios import main_job

_PROXY = "/api/v1/namespaces/monitoring/services/{}/proxy{}"
LOOK = 1  # seconds between two looks


def ask(machine, service: str, path: str, **query: str):
    """The JSON that a Service answers."""
    address = _PROXY.format(service, path) + (f"?{urlencode(query)}" if query else "")
    return json.loads(machine.succeed(f"kubectl get --raw '{address}'"))


def value(machine, expression: str, **query: str) -> float | None:
    """The one value of an expression; `None` where there is none."""
    answer = ask(machine, "prometheus:9090", "/api/v1/query", query=expression, **query)
    result = answer["data"]["result"]
    assert len(result) <= 1, f"{expression} is more than one series: {result}"
    return float(result[0]["value"][1]) if result else None


def alerts(machine, name: str) -> list[dict]:
    """Alerts of a name in Alertmanager, those that are silenced among them."""
    return ask(machine, "alertmanager:9093", "/api/v2/alerts", filter=f'alertname="{name}"')


def now(machine) -> float:
    """The machine's own time."""
    return float(machine.succeed("date +%s.%N"))


def wait(what: str, condition: Callable[[], object], timeout: float) -> float:
    """Waits until something holds; returns how long it took."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
            reason = "it does not hold"
        # A service that is down while it is asked is what is waited for.
        except Exception as error:
            reason = str(error)
        assert time.monotonic() - began < timeout, f"{what}: not within {timeout} s; last: {reason}"
        time.sleep(LOOK)


def verified(machine, phase: int, timeout: float = 300) -> dict[str, str]:
    """Waits until no row of a phase fails; returns the verdicts by name."""
    machine.wait_until_succeeds(f"odin verify --phase {phase}", timeout)
    rows = main_job.report(machine, f"verify --phase {phase}")["rows"]
    return {row["name"]: row["verdict"] for row in rows}
