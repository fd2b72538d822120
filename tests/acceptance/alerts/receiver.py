"""A receiver of notifications on this host, and the machine's Alertmanager told of it."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from odin_lab import network

from alerts.box import Box

Labels = dict[str, str]


@dataclass
class Receiver:
    """What arrived and when, by the clock of this host."""

    arrived: list[tuple[float, str, Labels]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, notification: dict) -> None:
        """Keeps the alerts of one notification."""
        now = time.monotonic()
        with self.changed:
            self.arrived += [
                (now, alert["status"], alert["labels"]) for alert in notification["alerts"]
            ]
            self.changed.notify_all()

    def wait(self, status: str, labels: Labels, since: float, patience: float) -> float | None:
        """When such an alert arrived; none where it did not within `patience` of `since`."""

        def found() -> float | None:
            times = (
                at
                for at, told, there in self.arrived
                if at >= since and told == status and labels.items() <= there.items()
            )
            return next(times, None)

        with self.changed:
            left = since + patience - time.monotonic()
            return self.changed.wait_for(found, timeout=max(0, left))


@contextmanager
def listening(box: Box) -> Iterator[Receiver]:
    """A receiver that the machine's Alertmanager sends everything to.

    Grouping and times are those of the configuration in force; only who is told
    is changed.
    """
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer((network.GATEWAY, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        declare(box, f"http://{network.GATEWAY}:{server.server_port}/")
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def declare(box: Box, url: str) -> None:
    """Lays a webhook over the default by the Secret, and has the pod read it."""
    told = box.machine.succeed("kubectl -n monitoring get configmap alertmanager-default -o json")
    config = yaml.safe_load(json.loads(told)["data"]["alertmanager.yml"])
    config["route"]["receiver"] = "hook"
    config["receivers"].append({"name": "hook", "webhook_configs": [{"url": url}]})
    text = shlex.quote(yaml.safe_dump(config))
    box.machine.succeed(
        "kubectl -n monitoring create secret generic alertmanager-config"
        f" --from-literal=alertmanager.yml={text}",
        "kubectl -n monitoring delete pod alertmanager-0",
        "kubectl -n monitoring rollout status statefulset/alertmanager --timeout=180s",
    )
