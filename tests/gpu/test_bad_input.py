"""Each bad input is a clear state of `odin gpu health` and of the metrics, and no false zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from exporter import Machine, Page

ONE = 'profile = "h100"\ncount = 1\n'
REFUSES = '[[fault]]\nkind = "fails"\nerror = "{error}"\n'

# Families that are numbers of a GPU: none of them may be there when nobody read it.
NUMBERS = ("DCGM_", "odin_gpu_temperature", "odin_gpu_memory_", "odin_gpu_power", "odin_gpu_util")


@dataclass(frozen=True)
class Case:
    """What is wrong, and how it is told."""

    scenario: str = ONE
    library: str | None = None
    # State of the library, and of each GPU where there are any.
    state: str = "open"
    gpus: dict[int, str] = field(default_factory=dict)
    # Words of the evidence or the next step.
    words: tuple[str, ...] = ()


CASES = {
    "no library": Case(
        library="/nonexistent/libnvidia-ml.so.1",
        state="missing",
        words=("there is no NVML library /nonexistent/libnvidia-ml.so.1", "install the NVIDIA"),
    ),
    "no library where the linker looks": Case(
        library="libnvidia-ml-of-no-driver.so.1", state="missing", words=("gpu.library",)
    ),
    "a text in place of the library": Case(
        library="{directory}/text.so", state="not_a_library", words=("cannot load", "text.so")
    ),
    "another library": Case(
        library="libm.so.6", state="not_nvml", words=("libm.so.6 is a library, but not NVML",)
    ),
    "no driver": Case(
        scenario=ONE + REFUSES.format(error="driver-not-loaded") + 'calls = ["nvmlInit_v2"]\n',
        state="driver_not_loaded",
        words=("modprobe nvidia",),
    ),
    "library and driver of different versions": Case(
        scenario=ONE
        + REFUSES.format(error="lib-rm-version-mismatch")
        + 'calls = ["nvmlInit_v2"]\n',
        state="version_mismatch",
        words=("reboot",),
    ),
    "no permission": Case(
        scenario=ONE + REFUSES.format(error="no-permission") + 'calls = ["nvmlInit_v2"]\n',
        state="no_permission",
        words=("refuses this user", "/dev/nvidia"),
    ),
    "no permission for a GPU": Case(
        scenario=ONE + REFUSES.format(error="no-permission") + "gpu = 0\n",
        gpus={0: "no_permission"},
        words=("/dev/nvidia*",),
    ),
    "zero GPUs": Case(scenario="count = 0\n", words=("counts no GPU", "lspci")),
    "sixteen GPUs that all hang": Case(
        scenario='profile = "h100"\ncount = 16\n[[fault]]\nkind = "hang"\n',
        gpus=dict.fromkeys(range(16), "hung"),
        words=("a call of the driver does not return", "journalctl -k"),
    ),
    "a scenario nobody can read": Case(scenario="count = ", state="failed", words=("NVRM",)),
}


def numbers(page: Page) -> list[str]:
    return sorted(name for name in page.names() if name.startswith(NUMBERS))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_input_is_a_state(machine: Machine, case: Case) -> None:
    (machine.directory / "text.so").write_text("this is no library\n")
    if case.library:
        machine.declare(library=case.library.format(directory=machine.directory))
    machine.simulation.write(case.scenario)

    # A person without the service.
    done = machine.run("gpu", "health")
    assert done.returncode == 1, done.stdout + done.stderr
    assert all(word in done.stdout for word in case.words), done.stdout
    assert "panicked" not in done.stderr, done.stderr
    status, health = machine.health()
    assert (status, health["library"]) == (1, case.state)

    # The service and its metrics.
    with machine.serving():
        page = machine.until(
            lambda page: (
                page.library() == case.state
                and all(page.state(gpu) == state for gpu, state in case.gpus.items())
            ),
            f"library {case.state}, GPUs {case.gpus}",
        )
        assert numbers(page) == []
        counted = page.of("odin_gpu_devices")
        expected = [] if case.state != "open" else [len(case.gpus)]
        assert counted == expected, "a count that nobody made"
        asked = machine.run("gpu", "health")
        assert asked.returncode == 1
        assert all(word in asked.stdout for word in case.words), asked.stdout
    assert "panicked" not in machine.log(), machine.log()


def test_an_old_driver_is_read_as_far_as_it_goes(old_machine: Machine) -> None:
    old_machine.simulation.write('profile = "a100"\ncount = 2\ndriver = "535.183.01"\n')
    with old_machine.serving():
        page = old_machine.until(lambda page: page.state(1) == "running", "both are read")
        assert page.of("odin_gpu_library_calls_missing")[0] > 0
        assert len(page.of("DCGM_FI_DEV_GPU_TEMP")) == 2
        # What the driver lacks is absent and not 0.
        assert page.of("odin_gpu_recovery_action") == []
        done = old_machine.run("gpu", "health")
        assert done.returncode == 0, done.stdout
        assert "the driver lacks" in done.stdout


def test_a_kubelet_that_is_absent_is_told_and_the_gpus_stay_healthy(machine: Machine) -> None:
    machine.simulation.write(ONE)
    with machine.serving():
        page = machine.until(
            lambda page: page.state_in("odin_gpu_pod_resources_state") == "absent", "it is absent"
        )
        assert page.of("odin_gpu_pod_resources_up") == [0]
        assert page.of("odin_gpu_allocation") == []
        machine.until(lambda page: page.state(0) == "running", "the GPU is read")
        done = machine.run("gpu", "health")
        assert done.returncode == 0, done.stdout
        assert "pod_resources_absent" in done.stdout
        assert str(machine.directory / "kubelet.sock") in done.stdout


def test_a_directory_in_place_of_the_baseline_is_told(machine: Machine) -> None:
    place: Path = machine.directory / "state" / "gpu" / "baseline.json"
    place.mkdir(parents=True)
    machine.simulation.write(ONE)
    done = machine.run("gpu", "health")
    assert done.returncode == 1
    assert "baseline_unreadable" in done.stdout
