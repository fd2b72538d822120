"""nvidia-ml-py and nvitop list and read every model through nvml-sim.

Not looked at: whether a figure is that of a board on somebody's desk; the
profiles name their sources.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from simulation import CLIENTS, Simulation

# Name, MiB of memory, watts, PCIe generation, NVLinks.
MODELS = {
    "t4": ("Tesla T4", 15360, 70, 3, 0),
    "a100": ("NVIDIA A100-SXM4-80GB", 81920, 400, 4, 12),
    "l40s": ("NVIDIA L40S", 46068, 350, 4, 0),
    "h100": ("NVIDIA H100 80GB HBM3", 81559, 700, 5, 18),
    "h200": ("NVIDIA H200", 143771, 700, 5, 18),
    "b200": ("NVIDIA B200", 183359, 1000, 5, 18),
}
PROFILES = Path(__file__).resolve().parents[2] / "crates" / "nvml-sim" / "src" / "profiles"

NOT_SUPPORTED = "error 3 "
DEPRECATED = "error 26 "


def refusals(answers: dict[str, str]) -> dict[str, str]:
    return {name: answer for name, answer in answers.items() if not answer.startswith("value")}


def test_every_profile_is_looked_at() -> None:
    assert {path.stem for path in PROFILES.glob("*.toml")} == set(MODELS)


@pytest.mark.parametrize("count", [1, 8, 16])
@pytest.mark.parametrize("profile", MODELS)
def test_every_getter_answers(simulation: Simulation, profile: str, count: int) -> None:
    simulation.write(f'profile = "{profile}"\ncount = {count}\nload = 60\n')
    devices = simulation.getters()
    assert len(devices) == count
    for answers in devices:
        strange = {
            name: answer
            for name, answer in refusals(answers).items()
            if not answer.startswith((NOT_SUPPORTED, DEPRECATED))
        }
        assert strange == {}, "neither a value nor a reasoned no"
        # A library that refuses everything would pass the line above.
        assert len(answers) - len(refusals(answers)) >= 170
    uuids = {answers["nvmlDeviceGetUUID"] for answers in devices}
    assert len(uuids) == count


@pytest.mark.parametrize("profile", MODELS)
def test_a_model_has_its_figures(simulation: Simulation, profile: str) -> None:
    name, mebibytes, watts, generation, links = MODELS[profile]
    simulation.write(f'profile = "{profile}"\ncount = 1\nload = 60\n')
    (answers,) = simulation.getters()
    assert answers["nvmlDeviceGetName"] == f"value {name}"
    assert f"total: {mebibytes * 2**20} B" in answers["nvmlDeviceGetMemoryInfo"]
    assert answers["nvmlDeviceGetPowerManagementLimit"] == f"value {watts * 1000}"
    assert answers["nvmlDeviceGetMaxPcieLinkGeneration"] == f"value {generation}"
    count = answers["NVML_FI_DEV_NVLINK_LINK_COUNT"]
    assert count == f"value 1/{links}" if links else count.startswith(NOT_SUPPORTED)


@pytest.mark.parametrize("count", [1, 8, 16])
@pytest.mark.parametrize("profile", MODELS)
def test_nvitop_reads_every_device(simulation: Simulation, profile: str, count: int) -> None:
    name, mebibytes, watts, _, _ = MODELS[profile]
    simulation.write(f'profile = "{profile}"\ncount = {count}\nload = 60\nmemory = 50\n')
    done = simulation.run(sys.executable, str(CLIENTS / "devices.py"))
    assert done.returncode == 0, done.stderr
    devices = json.loads(done.stdout)
    assert [device["name"] for device in devices] == [name] * count
    for device in devices:
        assert device["memory_total"] == mebibytes * 2**20
        assert 0.4 < device["memory_used"] / device["memory_total"] < 0.6
        assert device["gpu_utilization"] == 60
        assert device["power_limit"] == watts * 1000
        assert 0 < device["power_usage"] <= device["power_limit"]


def test_processes_are_listed_with_their_names(simulation: Simulation) -> None:
    simulation.write(
        'count = 2\nload = 80\n[[gpu]]\n[[gpu.process]]\npid = 1\nname = "init"\nmemory-mib = 512\n'
    )
    done = simulation.run(sys.executable, str(CLIENTS / "devices.py"))
    assert done.returncode == 0, done.stderr
    assert [device["processes"] for device in json.loads(done.stdout)] == [[1], []]


def test_mig_devices_are_found(simulation: Simulation) -> None:
    simulation.write('count = 1\n[[gpu]]\nmig = ["3g.40gb", "1g.10gb", "1g.10gb"]\n')
    done = simulation.run(sys.executable, str(CLIENTS / "mig.py"))
    assert done.returncode == 0, done.stderr
    devices = json.loads(done.stdout)
    assert [device["slices"] for device in devices] == [3, 1, 1]
    assert [device["instance"] for device in devices] == [1, 2, 3]
    assert len({device["uuid"] for device in devices}) == 3
    assert devices[0]["memory"] == 40448 * 2**20


def test_activity_between_two_samples_is_the_load(simulation: Simulation) -> None:
    simulation.write("count = 1\nload = 50\n")
    done = simulation.run(sys.executable, str(CLIENTS / "activity.py"))
    assert done.returncode == 0, done.stderr
    activity = json.loads(done.stdout)
    assert activity["graphics"] == pytest.approx(50, abs=0.5)
    assert activity["nvlink"] > 0
    # Chip to chip links are not on this model.
    assert activity["c2c"] == 3
