"""`odin gpu mig`: GPUs are cut as declared, or as they were before; nothing in between.

Not looked at: a card. What a driver refuses that nvml-sim does not.
"""

from __future__ import annotations

import json
import sys

import pytest
from exporter import Machine
from simulation import CLIENTS, Simulation

H100 = "NVIDIA H100 80GB HBM3"
A100 = "NVIDIA A100-SXM4-80GB"
# Two GPUs that are cut otherwise than declared: one in use of MIG, one not.
BEFORE = 'count = 2\nload = 60\n[[gpu]]\nmig = ["2g.20gb", "1g.10gb", "1g.10gb"]\n[[gpu]]\n'
DECLARED = {H100: {"3g.40gb": 1, "1g.10gb": 2}}
# GPU 0: one instance and its compute instance go and one comes; GPU 1: the mode and three.
CALLS = (4, 7)
WENT_BACK = "every GPU has its old layout again"


def declared(machine: Machine, scenario: str = BEFORE) -> Machine:
    machine.simulation.write(scenario)
    machine.cut(DECLARED)
    return machine


def layouts(machine: Machine) -> list[str]:
    """What the plan says that each GPU has."""
    done = machine.run("gpu", "mig", "plan", "--json")
    shown = []
    for gpu in json.loads(done.stdout)["gpus"]:
        now = gpu["now"]
        parts = [f"{part['profile']}@{part['start']}" for part in now["instances"]]
        shown.append(" ".join(parts) if now["enabled"] else "off")
    return shown


OLD = ["2g.20gb@0 1g.10gb@2 1g.10gb@3", "off"]
NEW = ["1g.10gb@2 1g.10gb@3 3g.40gb@4", "3g.40gb@0 1g.10gb@4 1g.10gb@5"]


def fault(machine: Machine, text: str) -> None:
    machine.simulation.write(f"{BEFORE}[[fault]]\n{text}\n")


def begin_anew(machine: Machine) -> None:
    """Forgets what was cut, and what ODIN recorded."""
    machine.simulation.write(BEFORE)
    machine.simulation.scenario.with_name("scenario.toml.mig").unlink(missing_ok=True)
    for record in (machine.directory / "state" / "gpu").glob("mig-*.json"):
        record.unlink()


def mig(machine: Machine, verb: str, status: int, *words: str) -> str:
    done = machine.run("gpu", "mig", verb)
    assert done.returncode == status, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "panicked" not in said, said
    for word in words:
        assert word in said, said
    return said


def begun(machine: Machine) -> bool:
    return (machine.directory / "state" / "gpu" / "mig-change.json").exists()


def seen_by_others(simulation: Simulation) -> list[dict]:
    """The MIG devices of GPU 0 as nvidia-ml-py reads them."""
    done = simulation.run(sys.executable, str(CLIENTS / "mig.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_plan_apply_and_back_as_everybody_sees_it(machine: Machine) -> None:
    declared(machine)
    with machine.serving():
        machine.until(lambda page: len(page.of("odin_gpu_mig_device_slices", gpu="0")) > 0, "old")
        plan = mig(machine, "plan", 2, "destroy 2g.20gb at 0", "create 3g.40gb at 4")
        assert "create 2 x 1g.10gb, placed once MIG mode is on" in plan
        before = {device["uuid"]: device["slices"] for device in seen_by_others(machine.simulation)}
        assert sorted(before.values()) == [1, 1, 2]
        mig(machine, "apply", 0, "still to do", "nvidia-container-toolkit-cdi-generator.service")
        assert layouts(machine) == NEW
        after = {device["uuid"]: device["slices"] for device in seen_by_others(machine.simulation)}
        assert sorted(after.values()) == [1, 1, 3]
        assert len(before.keys() & after.keys()) >= 2, "what was wanted already stayed"
        # The running service follows.
        profile = {"gpu": "1", "slice": "gpu_instance"}
        machine.until(
            lambda page: sorted(page.of("odin_gpu_mig_device_slices", **profile)) == [1, 1, 3],
            "new",
        )
        mig(machine, "plan", 0, "nothing to do")
        mig(machine, "apply", 0, "every GPU is cut as declared")
        mig(machine, "rollback", 0)
        assert layouts(machine) == OLD
        mig(machine, "plan", 2)
        # Twice undoes itself.
        done = machine.run("gpu", "mig", "rollback", "--json")
        changes = json.loads(done.stdout)["changes"]
        assert [change["reached"] for change in changes] == ["as-wanted", "as-wanted"]
        assert layouts(machine) == NEW
        done = machine.run("gpu", "mig", "apply", "--json")
        assert json.loads(done.stdout) == {"changes": []}
    assert not begun(machine)


@pytest.mark.parametrize("gpu", [0, 1])
def test_a_call_that_fails_leaves_the_old_layout(machine: Machine, gpu: int) -> None:
    declared(machine)
    for at in range(1, CALLS[gpu] + 1):
        begin_anew(machine)
        fault(
            machine, f'kind = "mig-fails"\ngpu = {gpu}\nat = {at}\nerror = "insufficient-resources"'
        )
        mig(machine, "apply", 1, "not enough of it is free", WENT_BACK)
        assert layouts(machine) == OLD, at
        assert not begun(machine)
        mig(machine, "apply", 0)
        assert layouts(machine) == NEW, at
    begin_anew(machine)
    fault(machine, f'kind = "mig-fails"\ngpu = {gpu}\nat = {CALLS[gpu] + 1}\nerror = "in-use"')
    mig(machine, "apply", 0)


@pytest.mark.parametrize("verb", ["apply", "rollback"])
@pytest.mark.parametrize("gpu", [0, 1])
def test_a_power_cut_at_any_call_is_gone_on_from(machine: Machine, gpu: int, verb: str) -> None:
    declared(machine)
    for at in range(1, CALLS[gpu] + 1):
        begin_anew(machine)
        fault(machine, f'kind = "mig-killed"\ngpu = {gpu}\nat = {at}')
        mig(machine, "apply", -9)
        assert begun(machine)
        machine.simulation.write(BEFORE)
        mig(machine, verb, 0)
        assert layouts(machine) == (NEW if verb == "apply" else OLD), at
        assert not begun(machine)
        if verb == "apply":
            # To what was there before the first of the two.
            mig(machine, "rollback", 0)
            assert layouts(machine) == OLD, at
        else:
            mig(machine, "rollback", 1, "no earlier layout is recorded")


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_a_power_cut_while_going_back_is_gone_on_from(machine: Machine, verb: str) -> None:
    declared(machine)
    for more in range(1, CALLS[0] + 1):
        begin_anew(machine)
        mig(machine, "apply", 0)
        fault(machine, f'kind = "mig-killed"\ngpu = 0\nat = {CALLS[0] + more}')
        mig(machine, "rollback", -9)
        machine.simulation.write(BEFORE)
        mig(machine, verb, 0)
        assert layouts(machine) == (NEW if verb == "apply" else OLD), more
        assert not begun(machine)


def test_a_failure_that_lasts_is_told_and_the_old_layout_kept(machine: Machine) -> None:
    declared(machine)
    fault(machine, 'kind = "mig-fails"\ngpu = 0\nat = 3\ncount = 1000\nerror = "unknown"')
    said = mig(machine, "apply", 1, "going back failed", "neither layout whole", "mig-change.json")
    assert WENT_BACK not in said
    assert begun(machine)
    mig(machine, "plan", 2, "a change was cut off")
    machine.simulation.write(BEFORE)
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD
    assert not begun(machine)


def test_an_instance_in_use_is_not_destroyed(machine: Machine) -> None:
    declared(machine)
    calls = 'calls = ["nvmlGpuInstanceDestroy"]'
    fault(machine, f'kind = "fails"\ngpu = 0\nerror = "in-use"\n{calls}')
    # Its compute instance is gone by then, so going back needs the call too.
    mig(machine, "apply", 1, "it is in use")
    machine.simulation.write(BEFORE)
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD


def test_a_mode_that_waits_for_a_reset_is_pending(machine: Machine) -> None:
    declared(machine, "count = 1\n[[gpu]]\n")
    held = '[[fault]]\nkind = "mig-pending"\n'
    machine.simulation.write(f"count = 1\n[[gpu]]\n{held}")
    mig(machine, "apply", 2, "GPU 0 waits for a reset", "nvidia-smi --gpu-reset -i 0")
    mig(machine, "plan", 2, "MIG mode is on after the next reset")
    mig(machine, "apply", 2, "waits for a reset")
    machine.simulation.write("count = 1\n[[gpu]]\nresets = 1\n")
    mig(machine, "apply", 0)
    assert layouts(machine) == ["3g.40gb@0 1g.10gb@4 1g.10gb@5"]
    # And back to what was before the first call, which was off.
    mig(machine, "rollback", 0)
    assert layouts(machine) == ["off"]


def test_a_reset_after_which_nothing_is_left_is_mended(machine: Machine) -> None:
    declared(machine)
    mig(machine, "apply", 0)
    machine.simulation.write(BEFORE.replace("[[gpu]]\n", "[[gpu]]\nresets = 1\n"))
    assert layouts(machine) == ["", ""]
    mig(machine, "apply", 0)
    assert [sorted(gpu.split()) for gpu in layouts(machine)] == [
        ["1g.10gb@4", "1g.10gb@5", "3g.40gb@0"]
    ] * 2
    # Making them again is no change to go back from.
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD


@pytest.mark.parametrize(
    ("model", "name", "devices"),
    [
        ("a100", A100, {"1g.10gb": 7}),
        ("a100", A100, {"1g.10gb+me": 1, "1g.20gb": 1, "2g.20gb": 1}),
        ("h100", H100, {"7g.80gb": 1}),
        ("h200", "NVIDIA H200", {"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}),
        ("b200", "NVIDIA B200", {"4g.90gb": 1, "3g.90gb": 1}),
    ],
)
def test_every_model_is_cut(machine: Machine, model: str, name: str, devices: dict) -> None:
    machine.simulation.write(f'profile = "{model}"\ncount = 1\n')
    machine.cut({name: devices})
    mig(machine, "apply", 0)
    (layout,) = layouts(machine)
    made = [part.split("@")[0] for part in layout.split()]
    assert {profile: made.count(profile) for profile in made} == devices
    assert len(seen_by_others(machine.simulation)) == sum(devices.values())


def test_an_old_driver_is_cut(old_machine: Machine) -> None:
    declared(old_machine)
    mig(old_machine, "apply", 0)
    assert layouts(old_machine) == NEW


def test_what_others_cut_comes_back_as_it_was(machine: Machine) -> None:
    declared(machine, "count = 1\n[[gpu]]\n")
    with machine.serving():
        done = machine.simulation.run(sys.executable, str(CLIENTS / "cut.py"))
        assert done.returncode == 0, done.stderr
        # This process of ODIN's did not begin it and follows all the same.
        machine.until(
            lambda page: (
                sorted(page.of("odin_gpu_mig_device_slices", slice="compute_instance")) == [1, 2]
            ),
            "it is seen",
        )
        mig(machine, "plan", 2, "destroy 4g.40gb at 0 (2c, 1c)")
        before = seen_by_others(machine.simulation)
        mig(machine, "apply", 0)
        assert layouts(machine) == ["3g.40gb@0 1g.10gb@4 1g.10gb@5"]
        mig(machine, "rollback", 0)
        assert seen_by_others(machine.simulation) == before
