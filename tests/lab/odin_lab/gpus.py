"""GPUs for a machine: the simulated library, device nodes and a CDI specification.

The specification is what nvidia-ctk would write: it names the GPUs by index and
puts each one's node and the driver's libraries into a container. The driver
shows a container only the GPUs whose nodes it has; here each GPU's own scenario
stands for that.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from odin_lab import layout, paths
from odin_lab.registry import Record
from odin_lab.shell import Shell

SCENARIO = "/etc/nvml-sim/scenario.toml"
"""What the machine's GPUs do; tests write faults into it."""

_LIBRARY = "/usr/lib/libnvidia-ml.so.1"
_LIST = "/usr/bin/nvml-list"
# What a program that was linked on this machine needs in an image without libc.
_LIBC = (
    "/lib64/ld-linux-x86-64.so.2",
    *(f"/lib/x86_64-linux-gnu/{name}.so.{version}" for name, version in (("libc", 6), ("libm", 6))),
    "/lib/x86_64-linux-gnu/libgcc_s.so.1",
)


class BuildError(Exception):
    """The simulated library could not be built."""


def uuid(index: int) -> str:
    """The UUID of one GPU."""
    return f"GPU-0d1e0000-0000-4000-8000-{index:012x}"


def library() -> Path:
    """The simulated library: a debug build, or what `NVML_SIM` names."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or paths.REPOSITORY / "target")
    return Path(os.environ.get("NVML_SIM") or target / "debug" / "libnvml_sim.so")


class Gpus:
    """A part of a machine: simulated GPUs, all well."""

    def __init__(self, count: int = 4, profile: str = "h100") -> None:
        self.count = count
        self._profile = profile

    def prepare(self, say: Callable[[str], None]) -> None:
        """Builds the library, and a program that lists what it shows."""
        if "NVML_SIM" not in os.environ:
            say("building nvml-sim")
            command = ["cargo", "build", "--locked", "--quiet", "--package", "nvml-sim"]
            if subprocess.run(command, cwd=paths.REPOSITORY).returncode != 0:
                raise BuildError("cannot build nvml-sim: see cargo's messages above")
        _compile()

    def binds_ro(self) -> Mapping[Path, str]:
        """The library and the program."""
        return {library(): _LIBRARY, _program(): _LIST}

    def write(self, record: Record, root: Path, var: Path) -> None:
        """Writes scenarios, the specification, and who makes the device nodes."""
        nodes = " ".join(str(index) for index in range(self.count))
        layout.write(
            root,
            {
                SCENARIO.lstrip("/"): self.scenario(),
                **{
                    f"etc/nvml-sim/gpu-{index}.toml": self._scenario_of([index])
                    for index in range(self.count)
                },
                "etc/cdi/nvidia.yaml": json.dumps(self.specification()),
                # Stand-ins: nothing opens them, a container has them or has not.
                "etc/systemd/system/nvidia-nodes.service": (
                    "[Unit]\nDescription=Device nodes of the GPUs\nBefore=odin-gpu.service\n"
                    "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                    f"ExecStart=/bin/sh -ec 'for n in {nodes}; do"
                    " [ -e /dev/nvidia$n ] || mknod -m 666 /dev/nvidia$n c 1 3; done'\n"
                ),
                "etc/systemd/system/odin-gpu.service.d/lab.conf": (
                    "[Unit]\nRequires=nvidia-nodes.service\n"
                    f"[Service]\nEnvironment=NVML_SIM_SCENARIO={SCENARIO}\n"
                ),
            },
        )

    def scenario(self, faults: str = "") -> str:
        """All GPUs of the machine, with faults as nvml-sim's scenarios have them."""
        return self._scenario_of(range(self.count)) + faults

    def set_faults(self, machine: Shell, faults: str = "") -> None:
        """Replaces the faults at once: readers see the old ones or the new ones."""
        text = self.scenario(faults)
        machine.succeed(f"cat >{SCENARIO}.new <<'END'\n{text}END\nmv {SCENARIO}.new {SCENARIO}")

    def specification(self) -> dict:
        """The CDI specification."""
        mounts = [_mount(path, path) for path in (_LIBRARY, _LIST, *_LIBC)]
        devices = [
            {
                "name": str(index),
                "containerEdits": {
                    "deviceNodes": [{"path": f"/dev/nvidia{index}"}],
                    "mounts": [_mount(f"/etc/nvml-sim/gpu-{index}.toml", SCENARIO)],
                },
            }
            for index in range(self.count)
        ]
        return {
            "cdiVersion": "0.6.0",
            "kind": "nvidia.com/gpu",
            "devices": devices,
            "containerEdits": {"env": [f"NVML_SIM_SCENARIO={SCENARIO}"], "mounts": mounts},
        }

    def _scenario_of(self, indices: object) -> str:
        gpus = "".join(f'[[gpu]]\nuuid = "{uuid(index)}"\n' for index in indices)
        return f'profile = "{self._profile}"\n{gpus}'


def _mount(host: str, container: str) -> dict:
    return {"hostPath": host, "containerPath": container, "options": ["ro", "nosuid", "bind"]}


def _program() -> Path:
    return paths.cache() / "images" / "nvml-list"


def _compile() -> None:
    source, program = paths.LAB / "images/nvml-list.c", _program()
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return
    program.parent.mkdir(parents=True, exist_ok=True)
    scratch = program.with_suffix(f".{os.getpid()}")
    command = ["gcc", "-Os", "-s", "-Wall", "-Werror", "-o", scratch, source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"cannot compile {source}: {done.stderr}")
    scratch.rename(program)
