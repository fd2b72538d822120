"""Each fault of a scenario, as a client that nobody here wrote sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from simulation import CLIENTS, PATIENCE, Simulation, wait_until

BASE = 'profile = "{profile}"\ncount = 2\nload = 60\n[[fault]]\ngpu = 1\n{fault}\n'

# The fault, the model, what its GPU says then, and what no GPU may say.
FAULTS = {
    "lost": ("kind = 'lost'", "h100", {"nvmlDeviceGetPowerUsage": "error 15 "}),
    "fallen off the bus": ("kind = 'off-bus'", "h100", {"handle": "error 15 "}),
    "xid": (
        "kind = 'xid'\ncode = 79",
        "h100",
        {"NVML_FI_DEV_GET_GPU_RECOVERY_ACTION": "value 1/1"},
    ),
    "single bit": (
        "kind = 'ecc-single'\ncount = 7",
        "h100",
        {"NVML_FI_DEV_ECC_SBE_VOL_TOTAL": "value 3/7", "NVML_FI_DEV_ECC_SBE_AGG_DEV": "value 3/7"},
    ),
    "double bit": (
        "kind = 'ecc-double'\nlocation = 'l2-cache'",
        "h100",
        {"NVML_FI_DEV_ECC_DBE_VOL_TOTAL": "value 3/1", "NVML_FI_DEV_ECC_DBE_VOL_L2": "value 3/1"},
    ),
    "remap pending": (
        "kind = 'remap-pending'",
        "a100",
        {
            "nvmlDeviceGetRemappedRows": "value [0, 1, 1, 0]",
            "NVML_FI_DEV_REMAPPED_PENDING": "value 1/1",
        },
    ),
    "remap failed": (
        "kind = 'remap-failed'",
        "h200",
        # nvidia-ml-py reads nvmlDeviceGetUnrepairableMemoryFlag_v1 into a structure
        # with a version, which the header's does not have; it is not asked here.
        {
            "nvmlDeviceGetRemappedRows": "value [0, 0, 0, 1]",
            "NVML_FI_DEV_REMAPPED_FAILURE": "value 1/1",
        },
    ),
    "page retired": (
        "kind = 'remapped'\nuncorrectable = 2",
        "t4",
        {"NVML_FI_DEV_RETIRED_DBE": "value 1/2"},
    ),
    "page pending": (
        "kind = 'remap-pending'",
        "t4",
        {"nvmlDeviceGetRetiredPagesPendingStatus": "value 1"},
    ),
    "thermal slowdown": (
        "kind = 'thermal-slowdown'",
        "l40s",
        {"nvmlDeviceGetCurrentClocksEventReasons": "value 72"},
    ),
    "power slowdown": (
        "kind = 'power-slowdown'",
        "h100",
        {"nvmlDeviceGetCurrentClocksEventReasons": "value 136"},
    ),
    "power cap": (
        "kind = 'power-cap'",
        "h100",
        {
            "nvmlDeviceGetCurrentClocksEventReasons": "value 4",
            "nvmlDeviceGetPowerUsage": "value 700000",
        },
    ),
    "pcie downtrained": (
        "kind = 'pcie-downtrained'\ngeneration = 1\nwidth = 8",
        "h100",
        {
            "nvmlDeviceGetCurrPcieLinkGeneration": "value 1",
            "nvmlDeviceGetCurrPcieLinkWidth": "value 8",
            "nvmlDeviceGetMaxPcieLinkWidth": "value 16",
        },
    ),
    "nvlink down": (
        "kind = 'nvlink-down'\nlink = 3",
        "a100",
        {
            "NVML_FI_DEV_NVLINK_SPEED_MBPS_L3": "value 1/0",
            "NVML_FI_DEV_NVLINK_SPEED_MBPS_L2": "value 1/25000",
        },
    ),
    "not supported": (
        "kind = 'not-supported'\ncalls = ['nvmlDeviceGetPowerUsage']",
        "h100",
        {"nvmlDeviceGetPowerUsage": "error 3 ", "nvmlDeviceGetIndex": "value 1"},
    ),
    "no permission": (
        "kind = 'fails'\nerror = 'no-permission'\ncalls = ['nvmlDeviceGetSerial']",
        "h100",
        {"nvmlDeviceGetSerial": "error 4 "},
    ),
    "everything fails": (
        "kind = 'fails'\nerror = 'reset-required'",
        "h100",
        {"handle": "error 16 "},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_shows_on_its_gpu_alone(simulation: Simulation, name: str) -> None:
    fault, profile, expected = FAULTS[name]
    simulation.write(BASE.format(profile=profile, fault=fault))
    healthy, faulty = simulation.getters()
    for key, answer in expected.items():
        assert faulty[key].startswith(answer), key
        if key != "nvmlDeviceGetIndex" and "Max" not in key and "_L2" not in key:
            assert not healthy[key].startswith(answer), f"the other GPU has it too: {key}"
    assert not [answer for answer in faulty.values() if answer.startswith("client")]


def test_an_nvlink_storm_counts_up(simulation: Simulation) -> None:
    storm = "kind = 'nvlink-errors'\nrate = 1000\nlink = 2"
    simulation.write("clock = { frozen-at = 10 }\n" + BASE.format(profile="a100", fault=storm))
    healthy, faulty = simulation.getters()
    assert faulty["NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L2"] == "value 3/10000"
    assert faulty["NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"] == "value 3/10000"
    assert healthy["NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"] == "value 3/0"


@pytest.mark.parametrize("name", FAULTS)
def test_nvitop_survives(simulation: Simulation, name: str) -> None:
    fault, profile, expected = FAULTS[name]
    simulation.write(BASE.format(profile=profile, fault=fault))
    done = simulation.run(sys.executable, str(CLIENTS / "devices.py"))
    # nvitop gives up when a GPU cannot be had, with NVML's own words.
    if done.returncode != 0:
        assert "NVMLError" in done.stderr, done.stderr
        assert "handle" in expected or name == "lost"
    else:
        assert len(json.loads(done.stdout)) == 2


def rounds(client: subprocess.Popen[str]) -> dict[str, list]:
    assert client.stdin and client.stdout
    client.stdin.write("\n")
    client.stdin.flush()
    return json.loads(client.stdout.readline())


def advances(client: subprocess.Popen[str], index: int) -> Callable[[], bool]:
    before = rounds(client)["counts"][index]
    return lambda: rounds(client)["counts"][index] > before + 10


def test_a_hang_holds_only_the_calling_thread(simulation: Simulation) -> None:
    simulation.write("count = 2\nload = 60\n")
    client = simulation.start(name="threads.py")
    try:
        for index in (0, 1):
            wait_until(advances(client, index), f"GPU {index} answers")
        hang = "kind = 'hang'\ncalls = ['nvmlDeviceGetPowerUsage']"
        simulation.write(BASE.format(profile="h100", fault=hang))

        def stands_still() -> bool:
            before = rounds(client)["counts"]
            wait_until(advances(client, 0), "GPU 0 answers beside the hang")
            return rounds(client)["counts"][1] == before[1]

        wait_until(stands_still, "GPU 1 hangs")
        simulation.write("count = 2\nload = 60\n")
        wait_until(advances(client, 1), "GPU 1 comes back")
    finally:
        client.kill()
        client.wait()


def test_events_reach_who_waits(simulation: Simulation) -> None:
    simulation.write("count = 2\n")
    client = simulation.start("4", name="events.py")
    try:
        assert client.stdout and client.stdout.readline() == "ready\n"
        first = "[[fault]]\ngpu = 1\nkind = 'xid'\ncode = 63\n"
        simulation.write("count = 2\n" + first)
        assert client.stdout.readline() == "1 0x8 63\n"
        # The one that stayed is not told again; the new one is, part by part.
        simulation.write("count = 2\n" + first + "[[fault]]\ngpu = 0\nkind = 'ecc-double'\n")
        told = {client.stdout.readline() for _ in range(3)}
        assert told == {"0 0x2 0\n", "0 0x8 48\n", "0 0x8000 1\n"}
        assert client.wait(PATIENCE) == 0
    finally:
        client.kill()
        client.wait()


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("count = 1\nspeed = 3\n", "unknown field `speed`"),
        ("count = 17\n", "17 GPUs; at most 16"),
        ("profile = 'v100'\ncount = 1\n", "no profile `v100`; there are a100, b200"),
        ("count = 1\n[[fault]]\nkind = 'lost'\nrate = 1\n", "unknown field `rate`"),
        ("count = 1\n[[fault]]\ngpu = 4\nkind = 'lost'\n", "there are 1 GPUs"),
        ("count = [\n", "not a scenario"),
    ],
)
def test_a_wrong_scenario_is_refused_with_words(
    simulation: Simulation, scenario: str, words: str
) -> None:
    simulation.write(scenario)
    done = simulation.run(sys.executable, "-c", "import pynvml; pynvml.nvmlInit()")
    assert "NVMLError_Unknown" in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("driver-not-loaded", "NVMLError_DriverNotLoaded"),
        ("lib-rm-version-mismatch", "NVMLError_LibRmVersionMismatch"),
        ("no-permission", "NVMLError_NoPermission"),
    ],
)
def test_a_broken_driver_fails_the_start(simulation: Simulation, error: str, name: str) -> None:
    simulation.write(
        f"count = 1\n[[fault]]\nkind = 'fails'\nerror = '{error}'\n"
        "calls = ['nvmlInit_v2', 'nvmlInitWithFlags']\n"
    )
    done = simulation.run(sys.executable, "-c", "import pynvml; pynvml.nvmlInit()")
    assert name in done.stderr


def test_no_gpus_are_none(simulation: Simulation) -> None:
    simulation.write("count = 0\n")
    assert simulation.getters() == []


def test_a_missing_library_is_missing(simulation: Simulation) -> None:
    simulation.write("count = 1\n")
    simulation.library = simulation.library / "empty"
    done = simulation.run(sys.executable, "-c", "import pynvml; pynvml.nvmlInit()")
    assert "NVMLError_LibraryNotFound" in done.stderr


def test_an_old_driver_lacks_what_came_later(old_simulation: Simulation) -> None:
    old_simulation.write("count = 1\nload = 50\n")
    (answers,) = old_simulation.getters()
    assert answers["nvmlDeviceGetPdi"].startswith("error 13 "), "exported by NVML 12.5 and later"
    assert answers["NVML_FI_DEV_PCIE_COUNT_TX_BYTES"].startswith("error 2 ")
    assert answers["nvmlDeviceGetPowerUsage"].startswith("value ")
    strange = [
        f"{name}: {answer}"
        for name, answer in answers.items()
        if not answer.startswith(("value", "error 3 ", "error 26 ", "error 13 ", "error 2 "))
    ]
    assert strange == []
    done = old_simulation.run(sys.executable, str(CLIENTS / "devices.py"))
    assert done.returncode == 0, done.stderr
