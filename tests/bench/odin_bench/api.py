"""A fresh API server that counts the requests of its administrator."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
from collections.abc import Iterator
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

from odin_lab.apiserver import ApiServer

# Only what the administrator sends, one line when the answer is complete.
_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    users: [{user}]
  - level: None
"""
ADMINISTRATOR = "system:admin"


class Api:
    """A running API server and what was asked of it."""

    def __init__(self, server: ApiServer, audit: Path) -> None:
        self.server = server
        self._audit = audit

    def requests(self) -> int:
        """Requests the administrator has sent so far, as the server counted them."""
        with contextlib.suppress(FileNotFoundError), self._audit.open("rb") as lines:
            return sum(1 for _ in lines)
        return 0

    def cpu_seconds(self) -> float:
        """Processor time that the daemons of the API have used so far."""
        ticks = 0
        for children in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for pid in children.read_text().split():
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def connect(self) -> HTTPSConnection:
        """A connection of the administrator's own, kept open."""
        tls = self.server.directory / "server/tls"
        context = ssl.create_default_context(cafile=str(tls / "server-ca.crt"))
        context.load_cert_chain(tls / "client-admin.crt", tls / "client-admin.key")
        connection = HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=30)
        connection.connect()
        return connection


@contextlib.contextmanager
def fresh(directory: Path) -> Iterator[Api]:
    """An API server that nothing was applied to; its count lies in `directory`."""
    directory.mkdir(parents=True)
    policy, audit = directory / "policy.yaml", directory / "audit.log"
    policy.write_text(_POLICY.format(user=f'"{ADMINISTRATOR}"'))
    arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={audit}")
    with ApiServer(arguments) as server:
        yield Api(server, audit)


def ask(
    connection: HTTPSConnection, method: str, path: str, body: Any = None, kind: str = "json"
) -> Any:
    """Sends one request and returns the object answered.

    Raises AssertionError with the server's words when it refuses.
    """
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {"Content-Type": f"application/{kind}"})
    answer = connection.getresponse()
    found = answer.read()
    if answer.status >= 300:
        raise AssertionError(f"{method} {path}: {answer.status} {found.decode(errors='replace')}")
    return json.loads(found)


def begin_watch(connection: HTTPSConnection, path: str) -> HTTPResponse:
    """Begins a watch; its events are the lines of the answer."""
    connection.request("GET", path)
    answer = connection.getresponse()
    if answer.status != 200:
        raise AssertionError(f"watch {path}: {answer.status} {answer.read().decode()}")
    return answer
