"""`odin gpu mig` refuses: one message, the right exit status, nothing changed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from exporter import Machine
from odin_manifests.kubelet import Pod, telling
from simulation import PATIENCE, wait_until
from test_mig import BEFORE, DECLARED, H100, NEW, OLD, WENT_BACK, begun, declared, layouts, mig

USED = BEFORE.replace(
    '"1g.10gb"]\n',
    '"1g.10gb"]\n[[gpu.process]]\npid = 4194305\nname = "train"\ninstance = 0\n',
)
FAULTS = {
    "nobody may": ('kind = "fails"\nerror = "no-permission"\ncalls = ["nvmlDeviceSetMigMode"]', 1),
    "the GPU hangs": ('kind = "hang"\ngpu = 1', 1),
    "no driver": ('kind = "fails"\nerror = "driver-not-loaded"\ncalls = ["nvmlInit_v2"]', 1),
}
DECLARATIONS = {
    "unknown profile": ({H100: {"1g.5gb": 1}}, "has no profile 1g.5gb; it has 1g.10gb, "),
    "too many": ({H100: {"2g.20gb": 3, "1g.20gb": 2}}, "is more than a GPU has"),
    "too much memory": ({H100: {"3g.40gb": 2, "1g.10gb": 1}}, "MiB of memory; NVIDIA H100"),
    "too many of one": ({H100: {"1g.20gb": 5}}, "takes 4 x 1g.20gb at most, not 5"),
    "no profile": ({H100: {"large": 1}}, "must be a profile of GPU instances"),
    "none declared": ({}, "gpu.mig is not declared"),
}


def refused(machine: Machine, verb: str, status: int, *words: str) -> None:
    said = mig(machine, verb, status, *words)
    # At the beginning of a line: reasons of others may have the word, too.
    assert sum(line.startswith("error: ") for line in said.splitlines()) == 1, said
    assert said.count("hint: ") == 1, said


@pytest.mark.parametrize("case", DECLARATIONS)
def test_declarations_that_cannot_be(machine: Machine, case: str) -> None:
    layout, words = DECLARATIONS[case]
    declared(machine)
    machine.cut(layout)
    for verb in ("plan", "apply"):
        refused(machine, verb, 64, words)
    machine.cut(DECLARED)
    assert layouts(machine) == OLD


@pytest.mark.parametrize("model", ["t4", "l40s"])
def test_models_without_mig(machine: Machine, model: str) -> None:
    name = {"t4": "Tesla T4", "l40s": "NVIDIA L40S"}[model]
    machine.simulation.write(f'profile = "{model}"\ncount = 1\n')
    machine.cut({name: {"1g.10gb": 1}})
    refused(machine, "apply", 64, f"{name} has no MIG")
    machine.cut(DECLARED)
    mig(machine, "apply", 0, f"no GPU here is of the model {H100}; here are: {name}")


@pytest.mark.parametrize("case", FAULTS)
def test_drivers_that_do_not_do_it(machine: Machine, case: str) -> None:
    text, status = FAULTS[case]
    declared(machine)
    machine.simulation.write(f"{BEFORE}[[fault]]\n{text}\n")
    refused(machine, "apply", status)
    machine.simulation.write(BEFORE)
    assert layouts(machine) == OLD
    assert not begun(machine)


def test_a_gpu_that_cannot_be_read_is_left_alone(machine: Machine) -> None:
    declared(machine)
    machine.simulation.write(f'{BEFORE}[[fault]]\nkind = "lost"\ngpu = 1\n')
    mig(machine, "plan", 1, "cannot read how GPU 1 is cut: the GPU is lost")
    mig(machine, "apply", 1, "left alone: cannot read how GPU 1 is cut", "1 x 3g.40gb")
    machine.simulation.write(BEFORE)
    assert layouts(machine) == [NEW[0], OLD[1]]


def test_a_kubelet_that_begins_or_ends(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(machine)
    systemctl = machine.directory / "bin" / "systemctl"
    systemctl.parent.mkdir()
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    for state in ("active", "activating", "deactivating"):
        systemctl.write_text(f"#!/bin/sh\necho {state}\n")
        systemctl.chmod(0o755)
        # Its pods may come back with what they held.
        refused(machine, "apply", 1, "the kubelet does not tell which pods hold it")
    assert layouts(machine) == OLD
    systemctl.write_text("#!/bin/sh\necho inactive\n")
    mig(machine, "apply", 0, "only processes were looked for")


def test_a_gpu_with_a_process(machine: Machine) -> None:
    declared(machine, USED)
    mig(machine, "plan", 1, "in use: process 4194305", "refused while GPUs are in use")
    refused(machine, "apply", 1, "GPU 0 is in use: process 4194305", "kubectl drain")
    assert layouts(machine) == OLD
    machine.simulation.write(BEFORE)
    mig(machine, "apply", 0)
    # As declared it may be used.
    machine.simulation.write(USED)
    mig(machine, "plan", 0)
    machine.simulation.write(BEFORE)
    mig(machine, "rollback", 0)


@contextlib.contextmanager
def cutting_slowly(machine: Machine) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`apply` in a call on GPU 0 that lasts until the scenario is another."""
    calls = 'calls = ["nvmlGpuInstanceDestroy"]'
    slow = f'[[fault]]\nkind = "slow"\ngpu = 0\nseconds = 1000.0\n{calls}\n'
    machine.simulation.write(BEFORE + slow)
    path = machine.directory / "apply.log"
    with path.open("w") as log:
        process = machine.start("gpu", "mig", "apply", log=log)
    try:
        wait_until(lambda: "GPU 0: destroy" in path.read_text(), "it destroys")
        yield process, path
    finally:
        process.kill()
        process.wait()


def test_a_process_that_comes_while_another_gpu_is_cut(machine: Machine) -> None:
    declared(machine)
    with cutting_slowly(machine) as (process, log):
        # The call comes back with the fault, and GPU 1 is not idle any more.
        machine.simulation.write(f"{BEFORE}[[gpu.process]]\npid = 4194306\n")
        assert process.wait(timeout=PATIENCE) == 1
    said = log.read_text()
    assert "cannot cut GPU 1: it is in use: process 4194306" in said, said
    assert WENT_BACK in said, said
    machine.simulation.write(BEFORE)
    assert layouts(machine) == OLD


def test_a_pod_that_comes_while_another_gpu_is_cut(machine: Machine) -> None:
    declared(machine)
    kubelet = machine.directory / "kubelet.sock"
    done = machine.run("gpu", "mig", "plan", "--json")
    uuid = json.loads(done.stdout)["gpus"][1]["uuid"]
    holding = telling(kubelet, [Pod("team-a", "train-0", (uuid,))])
    with cutting_slowly(machine) as (process, log), holding:
        machine.simulation.write(BEFORE)
        assert process.wait(timeout=PATIENCE) == 1
    said = log.read_text()
    assert f"cannot cut GPU 1: it is in use: pod team-a/train-0 has {uuid}" in said, said
    assert WENT_BACK in said, said
    assert layouts(machine) == OLD
    assert not begun(machine)


def test_processes_that_cannot_be_told(machine: Machine) -> None:
    calls = 'calls = ["nvmlDeviceGetComputeRunningProcesses_v3"]'
    failing = f'{BEFORE}[[fault]]\nkind = "fails"\nerror = "unknown"\n{calls}\n'
    declared(machine, failing)
    refused(machine, "apply", 1, "its processes cannot be told")


def test_a_kubelet_that_talks_nonsense(machine: Machine) -> None:
    declared(machine)
    with socket.socket(socket.AF_UNIX) as kubelet:
        kubelet.bind(str(machine.directory / "kubelet.sock"))
        kubelet.listen()

        def nonsense() -> None:
            while True:
                try:
                    connection, _ = kubelet.accept()
                except OSError:
                    return
                # Who only looks whether somebody listens may be gone by now.
                with connection, contextlib.suppress(OSError):
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=nonsense, daemon=True).start()
        refused(machine, "apply", 1, "the kubelet does not tell which pods hold it")
        kubelet.shutdown(socket.SHUT_RDWR)
    assert layouts(machine) == OLD


def test_a_gpu_nobody_named_keeps_what_it_has(machine: Machine) -> None:
    declared(machine)
    machine.cut({"NVIDIA H100": {"7g.80gb": 1}})
    refused(machine, "apply", 1, f"GPU 0 ({H100}) has 2 x 1g.10gb, 1 x 2g.20gb", "--yes")
    assert layouts(machine) == OLD
    done = machine.run("gpu", "mig", "apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert layouts(machine) == ["off", "off"]


def test_another_operation_at_work(machine: Machine) -> None:
    declared(machine)
    (machine.directory / "run").mkdir()
    with (machine.directory / "run" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in ("apply", "rollback"):
            refused(machine, verb, 1, "cannot cut GPUs")
    assert layouts(machine) == OLD


def test_a_damaged_record(machine: Machine) -> None:
    declared(machine)
    mig(machine, "apply", 0)
    record = machine.directory / "state" / "gpu" / "mig-previous.json"
    assert record.stat().st_mode & 0o777 == 0o600
    record.write_text("{")
    refused(machine, "rollback", 1, "mig-previous.json")


def test_an_interruption_leaves_the_old_layout(machine: Machine) -> None:
    declared(machine)
    calls = 'calls = ["nvmlDeviceCreateGpuInstanceWithPlacement"]'
    slow = f'{BEFORE}[[fault]]\nkind = "slow"\nseconds = 2.0\n{calls}\n'
    machine.simulation.write(slow)
    log = machine.directory / "apply.log"
    with log.open("w") as output:
        process = machine.start("gpu", "mig", "apply", log=output)
    wait_until(lambda: "GPU 0: create 3g.40gb at 4 ..." in log.read_text(), "it creates")
    process.send_signal(signal.SIGINT)
    machine.simulation.write(BEFORE)
    assert process.wait(timeout=PATIENCE) == 130, log.read_text()
    assert WENT_BACK in log.read_text()
    assert layouts(machine) == OLD
    assert not begun(machine)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_of_a_driver_that_hangs_ends(
    machine: Machine, number: signal.Signals
) -> None:
    declared(machine)
    with cutting_slowly(machine) as (process, log):
        process.send_signal(number)
        assert process.wait(timeout=PATIENCE) == 1
    said = log.read_text()
    assert "a change is half done, the old layout is in" in said, said
    assert "odin gpu mig rollback" in said, said
    assert begun(machine)
    machine.simulation.write(BEFORE)
    mig(machine, "rollback", 0)
    assert layouts(machine) == OLD


def test_many_slow_gpus_are_read(machine: Machine) -> None:
    declared(machine)
    # Each answers within the deadline of 800 ms, all together not within three.
    calls = 'calls = ["nvmlDeviceGetHandleByIndex_v2"]'
    slow = f'[[fault]]\nkind = "slow"\nseconds = 0.7\n{calls}\n'
    machine.simulation.write(f"count = 8\n{slow}")
    mig(machine, "plan", 2, "GPU 7")


def test_the_job_of_the_daemon_does_the_same(machine: Machine) -> None:
    declared(machine)

    def job(name: str, request: dict) -> dict:
        base = machine.directory / name
        order = {"config": str(machine.config), "request": request}
        base.with_suffix(".request").write_text(json.dumps(order))
        machine.run("job", str(base))
        return json.loads(Path(f"{base}.events").read_text().splitlines()[-1])

    pending = job("1", {"operation": "gpu-mig-plan"})
    assert pending["outcome"]["status"] == "pending", pending
    done = job("2", {"operation": "gpu-mig-apply", "yes": False})
    assert done["outcome"]["status"] == "done", done
    back = job("3", {"operation": "gpu-mig-rollback"})
    assert back["outcome"]["status"] == "done", back
    assert layouts(machine) == OLD
