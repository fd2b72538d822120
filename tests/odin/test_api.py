"""The API over TCP on a machine with the stack: scraped, read, logged into, revoked."""

from __future__ import annotations

import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from odin_lab import cluster, odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
PORT = 9480
PROXIES = {"prometheus": "http", "alertmanager": "http", "loki": "http"}
NOT_ON_THE_LAB = {"grafana": 2}
"""Examples that no test asks, by service: the lab overlay does not have it."""


def examples() -> list[tuple[str, str]]:
    """Service and path of each example of the reference."""
    found = []
    for service, block in re.findall(r"```http (\w+)\n(.*?)```", REFERENCE.read_text(), re.S):
        for line in block.splitlines():
            method, path = line.split(" ")
            assert method == "GET", line
            found.append((service, path))
    return found


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory, lab: None) -> Iterator[Machine]:
    """A machine whose daemon applied the stack and serves the API."""
    parts = [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(bundle, supervise=True)]
    disk = tmp_path_factory.mktemp("api-disk")
    with temporary_machine("api", parts=parts, binds={disk: odin.BACKUP_DISK}) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.wait_until_succeeds("odin status", 1800)
        yield machine


@pytest.fixture(scope="module")
def trust(served: Machine, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Trusts the machine's authority and nothing else."""
    authority = served.succeed("cat /var/lib/odin/tls/ca.crt")
    return ssl.create_default_context(cadata=authority)


def token(machine: Machine, name: str, scope: str) -> str:
    command = f"odin --json token create {name} --scope {scope} --expires 1h"
    return json.loads(machine.succeed(command))["token"]


def get(machine: Machine, trust: ssl.SSLContext, path: str, bearer: str = "") -> tuple[int, str]:
    """Asks from outside the machine, by its address."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    request = urllib.request.Request(f"https://{machine.address}:{PORT}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def proxied(machine: Machine, service: str, path: str) -> str:
    uri = f"/api/v1/namespaces/monitoring/services/{service}:{PROXIES[service]}/proxy{path}"
    return machine.succeed(f"kubectl get --raw '{uri}'")


def test_the_metrics_of_the_supervisor_are_in_prometheus(served: Machine) -> None:
    query = "/api/v1/query?query=odin_build_info%7Bjob%3D%22odin%22%7D"
    deadline = time.monotonic() + 180
    while not (found := json.loads(proxied(served, "prometheus", query))["data"]["result"]):
        targets = proxied(served, "prometheus", "/api/v1/targets?scrapePool=odin")
        assert time.monotonic() < deadline, targets
        time.sleep(1)
    assert found[0]["metric"]["instance"] == served.succeed("hostname").strip()


def test_the_examples_of_the_reference_are_answered(served: Machine, trust: ssl.SSLContext) -> None:
    asked = examples()
    assert len(asked) >= 20
    reader = token(served, "examples", "read")
    left: dict[str, int] = {}
    for service, path in asked:
        if service == "odin":
            # Nothing declares GPUs here, which is an answer too.
            status, body = get(served, trust, path, reader)
            assert status == 200, (path, body)
            json.loads(body)
        elif service in PROXIES:
            answer = json.loads(proxied(served, service, path))
            assert isinstance(answer, list) or answer.get("status", "success") != "error", path
        else:
            left[service] = left.get(service, 0) + 1
    assert left == NOT_ON_THE_LAB


def test_what_the_api_tells_is_so(served: Machine, trust: ssl.SSLContext) -> None:
    reader = token(served, "teller", "read")

    def tell(path: str) -> object:
        status, body = get(served, trust, path, reader)
        assert status == 200, body
        return json.loads(body)

    components = {each["name"]: each for each in tell("/api/v1/components")}
    assert components["prometheus"]["healthy"], components
    deadline = time.monotonic() + 120
    while "Watchdog" not in {alert["name"] for alert in tell("/api/v1/alerts")}:
        assert time.monotonic() < deadline, "no watchdog"
        time.sleep(1)
    (watchdog,) = (alert for alert in tell("/api/v1/alerts") if alert["name"] == "Watchdog")
    assert watchdog["runbook"] == "/runbooks/Watchdog"
    history = tell("/api/v1/history")
    changes = [change["object"] for change in history[-1]["changes"]]
    assert "Secret monitoring/odin-scrape" in changes, changes
    assert get(served, trust, "/readyz") == (200, "ready\n")


def test_a_secret_shows_nowhere(served: Machine, trust: ssl.SSLContext) -> None:
    reader = token(served, "prier", "read")
    scraper = served.succeed("cat /var/lib/odin/credentials/monitoring.odin-scrape.token").strip()
    assert get(served, trust, "/metrics", scraper)[0] == 200
    webhook = served.succeed("cat /var/lib/odin/credentials/monitoring.alertmanager-webhook.token")
    for path in ("/api/v1/history?limit=500", "/api/v1/status", "/history", "/"):
        status, body = get(served, trust, path, reader)
        assert status == 200, path
        for secret in (scraper, webhook.strip(), reader):
            assert secret not in body, path


def test_a_token_is_void_in_the_moment_it_is_revoked(
    served: Machine, trust: ssl.SSLContext
) -> None:
    reader = token(served, "brief", "read")
    assert get(served, trust, "/api/v1/runbooks", reader)[0] == 200
    served.succeed("odin token revoke brief")
    assert get(served, trust, "/api/v1/runbooks", reader)[0] == 401
    assert "brief" not in served.succeed("odin token list")
    audit = served.succeed("cat /var/lib/odin/history/tokens.jsonl")
    assert '"revoked"' in audit and reader not in audit
    assert get(served, trust, "/api/v1/runbooks")[0] == 401


def test_files_of_tokens_and_keys_are_roots_alone(served: Machine) -> None:
    modes = served.succeed(
        "stat -c '%a %n' /var/lib/odin/tls /var/lib/odin/tls/* /var/lib/odin/tokens/*"
    )
    for line in modes.splitlines():
        mode, name = line.split(" ", 1)
        assert mode == ("700" if name.endswith("/tls") else "600"), line


def test_a_new_token_of_prometheus_comes_alone(served: Machine) -> None:
    """The Secret follows; what a person suspended and changed stays."""
    secret = "kubectl -n monitoring get secret odin-scrape -o jsonpath='{.data.token}'"
    shown = (
        "kubectl -n monitoring get service alertmanager"
        " -o jsonpath='{.metadata.labels.app\\.kubernetes\\.io/version}'"
    )
    label = "kubectl -n monitoring label --overwrite service alertmanager"
    applies = (
        "curl --fail --silent --unix-socket /run/odin/odin.sock http://o/metrics"
        " | grep '^odin_operations_total{operation=\"apply\"'"
    )
    before, declared, counted = (
        served.succeed(secret),
        served.succeed(shown),
        served.succeed(applies),
    )
    served.succeed("odin suspend")
    try:
        served.succeed(f"{label} app.kubernetes.io/version=by-hand", "odin token revoke prometheus")
        # Looked at once an hour, and after each operation like this.
        served.succeed("odin suspend")
        served.wait_until_succeeds(f'test "$({secret})" != "{before}"', 90)
        assert served.succeed(shown) == "by-hand"
        assert served.succeed(applies) == counted
    finally:
        served.succeed("odin resume")
    served.wait_until_succeeds(f'test "$({shown})" = "{declared}"', 60)
    assert served.succeed(secret) != before
    # Nothing is left to do, and what was brought is what would be applied.
    served.succeed("odin plan")
