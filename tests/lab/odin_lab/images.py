"""The container images of the lab: built from the lab's own binaries, no registry.

Tags are the versions pinned by the tools' go.mod files, so a manifest that
names another version does not start.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from odin_lab import oci, paths, tools

BASE = ("pause", "busybox", "coredns", "local-path-provisioner")
"""What every cluster needs."""

NOBODY = "65534:65534"
_PASSWD = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"


class ImageError(Exception):
    """An image could not be built; the message says which and why."""


@dataclass(frozen=True)
class _Component:
    """An image made of the binaries of one tool; the first one is started."""

    tool: str
    module: str
    binaries: tuple[str, ...]
    data: str | None = None
    """Working directory, owned by the user the image runs as."""


_COMPONENTS = {
    "coredns": _Component("coredns", "github.com/coredns/coredns", ("coredns",)),
    "local-path-provisioner": _Component(
        "local-path-provisioner",
        "github.com/rancher/local-path-provisioner",
        ("local-path-provisioner",),
    ),
    "prometheus": _Component(
        "prometheus", "github.com/prometheus/prometheus", ("prometheus", "promtool"), "/prometheus"
    ),
    "alertmanager": _Component(
        "alertmanager",
        "github.com/prometheus/alertmanager",
        ("alertmanager", "amtool"),
        "/alertmanager",
    ),
    "node-exporter": _Component(
        "node-exporter", "github.com/prometheus/node_exporter", ("node_exporter",)
    ),
    "loki": _Component("loki", "github.com/grafana/loki/v3", ("loki",), "/loki"),
    "otel-collector": _Component(
        "otel-collector",
        # Its own module has no version; all its parts have one.
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver",
        ("otel-collector",),
    ),
}

NAMES = ("pause", "busybox", *_COMPONENTS)


def reference(name: str) -> str:
    """`coredns` -> `odin.local/coredns:v1.14.7`.

    Raises ImageError when the lab has no such image.
    """
    if name in ("pause", "busybox"):
        return f"odin.local/{name}:1"
    if name not in _COMPONENTS:
        raise ImageError(f"the lab has no image {name!r}; it has {', '.join(NAMES)}")
    component = _COMPONENTS[name]
    return f"odin.local/{name}:{pinned(component.tool, component.module)}"


def pinned(tool: str, module: str) -> str:
    """The version of `module` that the go.mod of `tool` pins."""
    text = (paths.TOOLS / tool / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise ImageError(f"tools/{tool}/go.mod does not pin {module}")
    return found[1]


def required_tools(names: Iterable[str]) -> list[str]:
    """The tools whose binaries these images hold."""
    return [_COMPONENTS[name].tool for name in names if name in _COMPONENTS]


def ensure(names: Iterable[str], say: Callable[[str], None] = print) -> list[Path]:
    """Builds the named images unless they are there; returns their tarballs.

    Raises ImageError when one is unknown or cannot be built, and ToolError
    when its binaries are not built yet.
    """
    directory = paths.cache() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    archives = []
    with open(directory / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            image = _image(name, directory)
            target = directory / f"{name}-{_key(image)}.tar"
            if not target.exists():
                say(f"building image {image.reference}")
                oci.save(image, target)
            archives.append(target)
    return archives


def _image(name: str, directory: Path) -> oci.Image:
    if name == "pause":
        program = _pause(directory)
        return oci.Image(reference(name), ("/pause",), {"/pause": program}, user=NOBODY)
    if name == "busybox":
        return _busybox()
    title = reference(name)
    component = _COMPONENTS[name]
    directories = {component.data: (65534, 0o755)} if component.data else {}
    return oci.Image(
        reference=title,
        entrypoint=(f"/bin/{component.binaries[0]}",),
        files={
            "/etc/passwd": _PASSWD,
            "/etc/group": _GROUP,
            **{f"/bin/{binary}": tools.binary(binary) for binary in component.binaries},
        },
        user=NOBODY,
        directories=directories,
        workdir=component.data or "/",
    )


def _busybox() -> oci.Image:
    # Root by default, as in everybody's busybox: the volume helper pods need
    # it, and a test that wants another user says so.
    program = shutil.which("busybox")
    if program is None:
        raise ImageError("there is no busybox on this host: install Debian's busybox-static")
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    return oci.Image(
        reference=reference("busybox"),
        entrypoint=("/bin/sh",),
        files={"/bin/busybox": Path(program), "/etc/passwd": _PASSWD, "/etc/group": _GROUP},
        links={
            f"/bin/{applet}": "busybox" for applet in applets.stdout.split() if applet != "busybox"
        },
    )


def _pause(directory: Path) -> Path:
    source = paths.LAB / "images/pause.c"
    program = directory / f"pause-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        scratch = directory / ".pause"
        command = ["gcc", "-static", "-Os", "-s", "-Wall", "-Werror", "-o", scratch, source]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise ImageError(f"cannot compile {source}: {done.stderr}")
        scratch.rename(program)
    return program


def _key(image: oci.Image) -> str:
    digest = hashlib.sha256(Path(oci.__file__).read_bytes())
    for path, content in sorted(image.files.items()):
        if isinstance(content, str):
            data = content.encode()
        elif paths.cache() / "tools" in content.parents:
            # Large, and its directory is named by the hash of its pins.
            data = f"{content.parent.name}/{content.name}".encode()
        else:
            data = content.read_bytes()
        digest.update(path.encode() + b"\0" + data + b"\0")
    rest = [image.reference, image.entrypoint, image.links, image.user, image.directories]
    digest.update(json.dumps([*rest, image.workdir], sort_keys=True).encode())
    return digest.hexdigest()[:16]
