"""A Kubernetes API of one's own in seconds: kine, kube-apiserver, controller manager.

No kubelet, no scheduler, no pods: for tests of what talks to the API only.
Everything lives in a temporary directory and on loopback ports of its own, so
any number of them run side by side.

    python3 -m odin_lab.apiserver -- COMMAND [ARGUMENT...]

runs COMMAND with KUBECONFIG and ODIN_TEST_KUBECONFIG set and returns its exit
status. Whatever ends this process, SIGKILL included, ends the three daemons;
after SIGKILL the temporary directory stays.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from odin_lab import paths, process, tools

NODE = "apiserver"
TOOLS = ("kubernetes", "kine")
# Seconds for what takes eight on a machine with nothing else to do.
PATIENCE = 300


class ApiServerError(Exception):
    """The API did not come up; the message holds the end of the log."""


class ApiServer:
    """A running Kubernetes API; a context manager that cleans up after itself.

    `stop_apiserver` and `start_apiserver` make an outage: address, data and
    credentials stay, as when a server restarts.
    """

    def __init__(self, extra_arguments: tuple[str, ...] = ()) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="odin-api-"))
        self.kubeconfig = self.directory / "etc/k3s/k3s.yaml"
        self._extra = extra_arguments
        self._children: dict[str, subprocess.Popen] = {}
        self._reserved = socket.socket()
        # Bound, never listening: the port stays ours across restarts of the
        # apiserver, which may join it (--permit-port-sharing).
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts all three and returns when the API is ready to be used."""
        self._make_credentials()
        self.start_kine()
        self.start_apiserver()
        self.start_controller_manager()

    def start_kine(self) -> None:
        """Starts the datastore."""
        database = self.directory / "server/db/state.db"
        self._spawn(
            "kine",
            f"--endpoint=sqlite://{database}?_journal=WAL&cache=shared",
            f"--listen-address={self._datastore}",
            "--metrics-bind-address=0",
        )
        self._await("kine", (self.directory / "kine.sock").exists, "its socket exists")

    def start_apiserver(self) -> None:
        """Starts kube-apiserver and returns when it is ready."""
        tls = self.directory / "server/tls"
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={self._datastore}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--permit-port-sharing=true",
            # Loopback may not be an endpoint of a Service; nothing here needs that one.
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.directory}/run",
            f"--tls-cert-file={tls}/serving-kube-apiserver.crt",
            f"--tls-private-key-file={tls}/serving-kube-apiserver.key",
            f"--client-ca-file={tls}/client-ca.crt",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--service-cluster-ip-range=10.43.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={tls}/service.key",
            f"--service-account-signing-key-file={tls}/service.key",
            "--shutdown-delay-duration=0s",
            *self._extra,
        )
        self._await("kube-apiserver", self.ready, "the API is ready")

    def stop_apiserver(self, number: int = signal.SIGKILL) -> None:
        """Takes the API away; SIGKILL breaks connections, SIGTERM drains them."""
        self._end("kube-apiserver", number)

    def start_controller_manager(self) -> None:
        """Starts the controllers; they wait for the API by themselves."""
        kubeconfig = self.directory / "server/cred/controller.kubeconfig"
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
            # Without accounts of their own most controllers may do nothing,
            # and at the default rate getting them takes seconds.
            "--use-service-account-credentials=true",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            f"--service-account-private-key-file={self.directory}/server/tls/service.key",
            f"--root-ca-file={self.directory}/server/tls/server-ca.crt",
        )
        # The first thing a controller makes that a test depends on: a pod
        # without a service account is refused.
        self._await("kube-controller-manager", self._populated, "the default account exists")

    def stop_controller_manager(self) -> None:
        """Ends the controllers, for tests that want objects left alone."""
        self._end("kube-controller-manager", signal.SIGKILL)

    def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        return self._answers("/readyz")

    def _populated(self) -> bool:
        return self._answers("/api/v1/namespaces/default/serviceaccounts/default")

    def _answers(self, path: str) -> bool:
        tls = self.directory / "server/tls"
        context = ssl.create_default_context(cafile=str(tls / "server-ca.crt"))
        context.load_cert_chain(tls / "client-admin.crt", tls / "client-admin.key")
        try:
            with urllib.request.urlopen(self.url + path, context=context, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def kubectl(self, *arguments: str, data: str | None = None) -> str:
        """Runs kubectl as administrator and returns what it printed.

        Raises subprocess.CalledProcessError with its words when it fails.
        """
        done = subprocess.run(
            [tools.binary("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=data,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise subprocess.CalledProcessError(
                done.returncode, ["kubectl", *arguments], done.stdout, done.stderr
            )
        return done.stdout

    def close(self) -> None:
        """Ends what runs and removes the directory; may be called twice."""
        for name in reversed(list(self._children)):
            self._end(name, signal.SIGKILL)
        self._reserved.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _datastore(self) -> str:
        return f"unix://{self.directory}/kine.sock"

    def _make_credentials(self) -> None:
        command = [
            paths.GUEST / "k3s-credentials",
            self.directory / "server",
            self.directory / "agent",
            self.directory / "etc",
            NODE,
            "127.0.0.1",
            self.url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ApiServerError(f"cannot make credentials in {self.directory}: {done.stderr}")

    def _spawn(self, name: str, *arguments: str) -> None:
        self._children[name] = process.spawn(
            [tools.binary(name), *arguments], self._log(name), cwd=self.directory
        )

    def _await(self, name: str, condition, what: str) -> None:
        child = self._children[name]
        try:
            process.wait_until(lambda: child.poll() is not None or condition(), PATIENCE, what)
        except process.Timeout as error:
            raise ApiServerError(f"{name}: {error}\n{process.tail(self._log(name))}") from error
        if child.poll() is not None:
            raise ApiServerError(
                f"{name} ended with status {child.returncode} before {what}\n"
                f"{process.tail(self._log(name))}"
            )

    def _end(self, name: str, number: int) -> None:
        child = self._children.pop(name, None)
        if child is not None:
            process.end(child, number)

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def main(arguments: list[str]) -> int:
    """Runs a command against a fresh API."""
    parser = argparse.ArgumentParser(
        prog="odin_lab.apiserver", description="Runs COMMAND against a fresh Kubernetes API."
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    chosen = parser.parse_args(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the directory goes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        tools.build(list(TOOLS), say=lambda line: print(line, file=sys.stderr, flush=True))
        with ApiServer() as api:
            config = str(api.kubeconfig)
            path = f"{tools.binary('kubectl').parent}:{os.environ.get('PATH', os.defpath)}"
            environment = {
                **os.environ,
                "KUBECONFIG": config,
                "ODIN_TEST_KUBECONFIG": config,
                "PATH": path,
            }
            child = subprocess.Popen(
                chosen.command, env=environment, preexec_fn=process.die_with_parent(signal.SIGTERM)
            )
            try:
                return _status(child.wait())
            finally:
                process.end(child)
    except FileNotFoundError as error:
        print(f"error: cannot run {error.filename}: not found", file=sys.stderr)
        return 127
    except (tools.ToolError, ApiServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _status(code: int) -> int:
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
