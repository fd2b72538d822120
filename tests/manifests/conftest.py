"""Fixtures of the manifests' tests: tools, rendered bundles, a Kubernetes API."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from odin_lab import tools  # noqa: E402
from odin_lab.apiserver import ApiServer  # noqa: E402

from odin_manifests import bundle as bundles  # noqa: E402
from odin_manifests import paths  # noqa: E402

pytest_plugins = ["odin_lab.fixtures"]

Run = Callable[..., subprocess.CompletedProcess]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machine: boots a lab machine")


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a tool of the lab by name and returns how it ended; never raises for that."""

    def run_tool(
        name: str, *arguments: object, cwd: Path | None = None
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [tools.binary(name), *map(str, arguments)],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run_tool


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Renders an overlay, with optional components, into a new directory with odin itself."""

    def render_overlay(overlay: str, *optional: str) -> Path:
        directory = tmp_path_factory.mktemp("bundle") / overlay
        done = subprocess.run(
            [
                paths.odin(),
                "bundle",
                "build",
                paths.OVERLAYS / overlay,
                *(argument for name in optional for argument in ("--with", name)),
                "-o",
                directory,
                "--helm",
                tools.binary("helm"),
                "--kubectl",
                tools.binary("kubectl"),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"odin bundle build {overlay} failed:\n{done.stderr}"
        return directory

    return render_overlay


@pytest.fixture(scope="session")
def all_bundles(render: Callable[[str], Path]) -> dict[str, bundles.Bundle]:
    """Every overlay, rendered once."""
    return {name: bundles.load(name, render(name)) for name in paths.OVERLAY_NAMES}


@pytest.fixture(scope="session", params=paths.OVERLAY_NAMES)
def bundle(
    request: pytest.FixtureRequest, all_bundles: dict[str, bundles.Bundle]
) -> bundles.Bundle:
    """Each overlay in its turn."""
    return all_bundles[request.param]


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """A Kubernetes API of the session's own."""
    with ApiServer() as api:
        yield api
