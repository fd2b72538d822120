"""The root file system of every machine: Debian, built once, never changed.

It is kept as a directory that machines use as the lower layer of an overlay.
Its name holds the hash of the recipe below, so a changed recipe is a new
directory and a machine never sees half of one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from odin_lab import paths
from odin_lab.tools import duration

SUITE = "bookworm"
SECONDS = 75  # measured on 2 cores

PACKAGES = (
    # The system itself and its network.
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2"),
    # What the kubelet, kube-proxy and containerd call.
    *("iptables", "nftables", "runc", "containernetworking-plugins"),
    *("conntrack", "socat", "ipset", "ca-certificates"),
    # What scenarios and ODIN's guides call.
    *("openssl", "curl", "jq", "sqlite3", "restic", "psmisc", "acl", "attr", "e2fsprogs"),
)

# Written over what the packages bring.
FILES = {
    # containerd's shims survive their unit on purpose; a power-off would wait
    # the default 90 s for them.
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=5s\n",
    "etc/systemd/journald.conf.d/lab.conf": (
        "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitBurst=0\n"
    ),
    # A machine has no name server but the cluster's, which its pods alone use.
    "etc/resolv.conf": "",
    "etc/fstab": "",
    # The machine's own, written when it is made.
    "etc/machine-id": "",
    "etc/profile.d/lab.sh": (
        "export KUBECONFIG=/etc/rancher/k3s/k3s.yaml\n"
        "export CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock\n"
        "export CONTAINERD_NAMESPACE=k8s.io\n"
    ),
}

REMOVED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log/apt",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "etc/hostname",
)

ENABLED = ("systemd-networkd.service",)
# Units that wait for, or change, what a machine shares with its host.
MASKED = (
    "console-getty.service",
    "getty@.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-firstboot.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount",
    "dev-hugepages.mount",
    "e2scrub_reap.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
)


class RootfsError(Exception):
    """The root file system could not be built; the message says why."""


def key() -> str:
    """Names the recipe: equal recipes share a directory."""
    recipe = [SUITE, PACKAGES, FILES, REMOVED, ENABLED, MASKED]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]


def directory() -> Path:
    """Where the root file system is, or will be."""
    return paths.cache() / "rootfs" / f"{SUITE}-{key()}"


def ensure(say: Callable[[str], None] = print) -> Path:
    """Builds the root file system unless it is there; returns its directory.

    Raises RootfsError when debootstrap fails.
    """
    target = directory()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        say(f"building the root file system (about {duration(SECONDS)})")
        started = time.monotonic()
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".build-"))
        try:
            root = scratch / "root"
            _bootstrap(root, say)
            _adapt(root)
            root.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        say(f"root file system built in {duration(time.monotonic() - started)}")
    return target


def mirror() -> str:
    """The address apt on this host gets the suite from.

    Raises RootfsError when apt has no source for it.
    """
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        address, release, component = line.split()
        if release == SUITE and component == "main":
            return address
    raise RootfsError(f"apt has no source for Debian {SUITE}/main: add one to /etc/apt")


def _bootstrap(root: Path, say: Callable[[str], None]) -> None:
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(root),
        mirror(),
    ]
    stages = {
        "I: Retrieving": "downloading packages",
        "I: Extracting": "unpacking the core",
        "I: Unpacking required": "installing the core",
        "I: Unpacking the base": "installing the rest",
    }
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        lines = []
        for line in child.stdout or ():
            lines.append(line)
            for prefix in [prefix for prefix in stages if line.startswith(prefix)]:
                say(f"  {stages.pop(prefix)}")
    if child.returncode != 0:
        log = root / "debootstrap/debootstrap.log"
        detail = "".join(lines[-5:]) + (log.read_text()[-2000:] if log.is_file() else "")
        raise RootfsError(f"debootstrap failed: {' '.join(command)}\n{detail}")


def _adapt(root: Path) -> None:
    for name in REMOVED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    for verb, units in (("enable", ENABLED), ("mask", MASKED)):
        done = subprocess.run(
            ["systemctl", f"--root={root}", verb, *units], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RootfsError(f"cannot {verb} units in {root}: {done.stderr}")
