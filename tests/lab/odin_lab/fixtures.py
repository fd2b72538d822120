"""pytest fixtures: machines and an API, ended and removed whatever a test does.

pytest_plugins = ["odin_lab.fixtures"]
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odin_lab import apiserver as api
from odin_lab import odin, process, registry, setup, shell, tools
from odin_lab.cluster import Cluster, wait_until_ready
from odin_lab.machine import Machine

_live: list[Machine] = []

DIAGNOSTICS = (
    "systemctl --failed --no-pager",
    "kubectl get nodes,pods,pvc -A -o wide",
    "kubectl get events -A --sort-by=.lastTimestamp | tail -n 25",
    "journalctl -b --no-pager -p warning -n 40",
    # Apart: the components of K3s write so much that nothing else is left.
    "journalctl -b --no-pager -n 40 -u 'k3s*'",
    "journalctl -b --no-pager -n 60 -u k3s.service -u 'odin*'",
)


def pytest_configure(config: pytest.Config) -> None:
    # SIGTERM unwinds like Ctrl-C, so that fixtures end what they started.
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """The host is ready for machines, and rid of what a crashed run left."""
    if os.geteuid() != 0:
        pytest.fail("lab machines need root: run the tests with sudo")
    setup.install(_say)
    for name in registry.reap():
        _say(f"removed {name}, left by a run that crashed")
    yield
    for machine in list(_live):
        machine.close()


@pytest.fixture
def machines(lab: None) -> Iterator[Callable[..., Machine]]:
    """Makes machines that live as long as one test: `machines("name", parts=[...])`."""
    with contextlib.ExitStack() as stack:
        yield lambda name="machine", **options: stack.enter_context(
            temporary_machine(name, **options)
        )


@pytest.fixture(scope="module")
def machine(lab: None) -> Iterator[Machine]:
    """A machine with a ready cluster, shared by the tests of a module."""
    with temporary_machine("machine", parts=[Cluster()]) as made:
        made.start()
        wait_until_ready(made)
        yield made


@pytest.fixture(scope="module")
def apiserver() -> Iterator[api.ApiServer]:
    """A Kubernetes API without nodes, shared by the tests of a module."""
    tools.build(list(api.TOOLS), _say)
    with api.ApiServer() as server:
        yield server


@pytest.fixture(scope="session")
def bundle(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the lab overlay."""
    odin.build(_say)
    return odin.build_bundle("lab", tmp_path_factory.mktemp("bundle") / "lab", _say)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Adds what the machines have to say to the report of a failed test."""
    report = yield
    if report.failed:
        for machine in _live:
            report.sections.append((f"machine {machine.identifier}", _diagnose(machine)))
    return report


@contextlib.contextmanager
def temporary_machine(name: str, **options) -> Iterator[Machine]:
    """A machine that is removed at the end, for fixtures of one's own.

    While it lives, a test that fails reports what the machine has to say.
    """
    # Runs side by side on one host must not meet in a name.
    identifier = f"{options.pop('identifier', name)}-{os.getpid()}"
    machine = Machine(name, identifier=identifier, say=_say, **options)
    _live.append(machine)
    try:
        with machine:
            try:
                yield machine
            except Exception as error:
                # In a fixture: the machine is gone before there is a report.
                error.add_note(_diagnose(machine))
                raise
    finally:
        _live.remove(machine)


def _diagnose(machine: Machine) -> str:
    if not machine.booted:
        return "not running" if not machine.made else f"not running\n{machine.console()}"
    parts = []
    for command in DIAGNOSTICS:
        try:
            parts.append(f"# {command}\n{machine.execute(f'{command} 2>&1', timeout=20)[1]}")
        except (shell.RequestedAssertionFailed, process.Timeout, OSError) as error:
            parts.append(f"# {command}\n{error}")
    return "\n".join(parts)


def _say(line: str) -> None:
    # Past pytest's capture: a first run is silent for minutes otherwise.
    print(line, file=sys.__stderr__, flush=True)
