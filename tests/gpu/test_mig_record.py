"""`odin gpu mig` and what it recorded: a layout that was there is never forgotten too early."""

from __future__ import annotations

import json

import pytest
from exporter import Machine
from test_mig import BEFORE, NEW, OLD, begun, declared, fault, layouts, mig

# Two GPUs in use of MIG, so that what is lost of either is seen.
BOTH = BEFORE + 'mig = ["7g.80gb"]\n'
BOTH_OLD = [OLD[0], "7g.80gb@0"]


def faulty(machine: Machine, text: str, scenario: str = BOTH) -> None:
    machine.simulation.write(f"{scenario}[[fault]]\n{text}\n")


def recorded(machine: Machine) -> int:
    """How many GPUs the record of a begun change has."""
    record = machine.directory / "state" / "gpu" / "mig-change.json"
    return len(json.loads(record.read_text())["changes"])


@pytest.mark.parametrize("gpu", [0, 1])
def test_a_mode_that_is_not_told_is_not_taken_for_off(machine: Machine, gpu: int) -> None:
    declared(machine)
    fault(machine, f'kind = "mig-killed"\ngpu = {gpu}\nat = 2')
    mig(machine, "apply", -9)
    calls = 'calls = ["nvmlDeviceGetMigMode"]'
    fault(machine, f'kind = "fails"\ngpu = {gpu}\nerror = "not-supported"\n{calls}')
    said = mig(machine, "rollback", 1, f"cannot cut GPU {gpu}", "does not tell its MIG mode")
    assert "gpu.mig" not in said
    assert begun(machine)
    machine.simulation.write(BEFORE)
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD
    assert not begun(machine)
