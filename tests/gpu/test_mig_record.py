"""`odin gpu mig` and what it recorded: a layout that was there is never forgotten too early."""

from __future__ import annotations

import json

import pytest
from exporter import Machine
from simulation import PATIENCE
from test_mig import BEFORE, H100, NEW, OLD, WENT_BACK, begun, declared, fault, layouts, mig
from test_mig_refused import cutting_slowly

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


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_a_gpu_that_is_away_when_the_others_are_ended_is_not_forgotten(
    machine: Machine, verb: str
) -> None:
    declared(machine, BOTH)
    # GPU 0 is done by then; with GPU 1 lost there is nothing left to do.
    faulty(machine, 'kind = "mig-killed"\ngpu = 1\nat = 2')
    mig(machine, "apply", -9)
    faulty(machine, 'kind = "lost"\ngpu = 1')
    mig(machine, "apply", 1, "cannot end the change of GPU 1", "its old layout stays recorded")
    assert begun(machine)
    machine.simulation.write(BOTH)
    mig(machine, verb, 0)
    if verb == "apply":
        mig(machine, "rollback", 0)
    assert layouts(machine) == BOTH_OLD
    assert not begun(machine)


def test_a_gpu_that_is_away_while_others_are_cut_is_not_forgotten(machine: Machine) -> None:
    declared(machine, BOTH)
    # Stuck on GPU 1, and GPU 0 is back at its old layout.
    calls = '["nvmlGpuInstanceDestroy", "nvmlDeviceCreateGpuInstanceWithPlacement"]'
    faulty(machine, f'kind = "fails"\ngpu = 1\nerror = "gpu-is-lost"\ncalls = {calls}')
    mig(machine, "apply", 1, "going back failed")
    assert recorded(machine) == 2
    faulty(machine, 'kind = "lost"\ngpu = 1')
    mig(machine, "apply", 1, "its old layout stays recorded", "1 x 3g.40gb")
    assert recorded(machine) == 2
    machine.simulation.write(BOTH)
    mig(machine, "rollback", 0)
    assert layouts(machine) == BOTH_OLD
    assert not begun(machine)


def test_a_gpu_that_is_away_while_others_go_back_is_not_forgotten(machine: Machine) -> None:
    declared(machine, BOTH)
    faulty(machine, 'kind = "mig-killed"\ngpu = 1\nat = 2')
    mig(machine, "apply", -9)
    # GPU 0 is to be cut otherwise now, fails, and goes back; GPU 1 is away.
    machine.cut({H100: {"7g.80gb": 1}})
    lost = '[[fault]]\nkind = "lost"\ngpu = 1\n'
    fails = 'kind = "mig-fails"\ngpu = 0\nat = 6\nerror = "insufficient-resources"'
    faulty(machine, fails, BOTH + lost)
    mig(machine, "apply", 1, WENT_BACK)
    assert recorded(machine) == 1
    machine.simulation.write(BOTH)
    mig(machine, "rollback", 0)
    assert layouts(machine) == BOTH_OLD
    assert not begun(machine)


def test_a_layout_cut_by_hand_is_gone_back_to(machine: Machine) -> None:
    declared(machine, BOTH)
    mig(machine, "apply", 0)
    by_hand = BOTH.replace('"2g.20gb", "1g.10gb", "1g.10gb"', '"4g.40gb", "1g.20gb"')
    machine.simulation.write(by_hand)
    machine.simulation.scenario.with_name("scenario.toml.mig").unlink()
    before = layouts(machine)
    mig(machine, "apply", 0)
    mig(machine, "rollback", 0)
    assert layouts(machine) == before


def test_a_damaged_earlier_record_is_told_before_anything_is_cut(machine: Machine) -> None:
    declared(machine)
    record = machine.directory / "state" / "gpu" / "mig-previous.json"
    record.parent.mkdir(parents=True)
    record.write_text("{")
    mig(machine, "apply", 1, "mig-previous.json")
    assert layouts(machine) == OLD
    assert not begun(machine)


def test_a_record_that_cannot_be_ended_is_told_with_what_was_cut(machine: Machine) -> None:
    declared(machine)
    record = machine.directory / "state" / "gpu" / "mig-previous.json"
    with cutting_slowly(machine) as (process, log):
        # In the way of the record since the change began.
        record.mkdir()
        machine.simulation.write(BEFORE)
        assert process.wait(timeout=PATIENCE) == 1
    said = log.read_text()
    assert "GPUs are cut as declared, but cannot rename" in said, said
    assert "CDI specification" in said, said
    assert layouts(machine) == NEW
    record.rmdir()
    mig(machine, "apply", 0)
    assert not begun(machine)
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD


def test_a_change_at_work_is_not_taken_for_one_that_was_cut_off(machine: Machine) -> None:
    declared(machine)
    with cutting_slowly(machine) as (process, _):
        done = machine.run("gpu", "mig", "plan")
        assert "is at work: cut GPUs, since" in done.stdout, done.stdout
        assert "cut off" not in done.stdout
        machine.simulation.write(BEFORE)
        assert process.wait(timeout=PATIENCE) == 0
    said = mig(machine, "plan", 0)
    assert "a change was" not in said


def test_what_a_rollback_of_a_cut_off_change_leaves_is_told(machine: Machine) -> None:
    declared(machine)
    fault(machine, 'kind = "mig-killed"\ngpu = 1\nat = 2')
    mig(machine, "apply", -9)
    machine.simulation.write(BEFORE)
    said = mig(machine, "rollback", 0, "1 x 2g.20gb, as before", "MIG off, as before")
    assert " -> " not in said
