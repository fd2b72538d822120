"""Fixtures: the library as it is built today and as an old driver has it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "manifests")]

import exporter
from simulation import Simulation, build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml") / "new")


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml") / "old", old_driver=True)


@pytest.fixture
def simulation(library: Path, tmp_path: Path) -> Simulation:
    return Simulation(library, tmp_path)


@pytest.fixture
def old_simulation(old_library: Path, tmp_path: Path) -> Simulation:
    return Simulation(old_library, tmp_path)


@pytest.fixture(scope="session")
def odin() -> Path:
    return exporter.build()


@pytest.fixture
def machine(odin: Path, simulation: Simulation, tmp_path: Path) -> exporter.Machine:
    return exporter.Machine(odin, simulation, tmp_path)


@pytest.fixture
def old_machine(odin: Path, old_simulation: Simulation, tmp_path: Path) -> exporter.Machine:
    return exporter.Machine(odin, old_simulation, tmp_path)
