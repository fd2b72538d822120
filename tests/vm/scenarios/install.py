"""The installation medium: what lies on a disk is kept unless somebody says so.

`write` needs a shell where `odin install` may write to a disk; `first_boot` a
machine that boots from that disk afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

from scenarios import phase1

# Nobody has the other half.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym"
SEED = f"""
[host]
name = "gpu-01"

[access]
authorized-keys = ["{KEY} you@desk"]
"""


def write(installer, image: str, disk: str) -> None:
    """Plans, is refused, and installs onto an empty disk that has no serial number."""
    seed = installer.succeed("mktemp").strip()
    installer.succeed(f"cat > {seed} <<'END'\n{SEED}\nEND")
    plan = f"odin install plan --image {image} --disk path={disk} --seed {seed}"
    apply = f"odin install apply --image {image} --disk path={disk} --seed {seed}"

    def content() -> str:
        return installer.succeed(f"head -c 1048576 {disk} | sha256sum")

    # A plan changes nothing. There is something to do: status 2.
    empty = content()
    status, text = installer.execute(f"{plan} 2>&1")
    assert status == 2, text
    assert disk in text, text
    assert content() == empty

    # A disk with data is refused by name, and stays as it is.
    installer.succeed(f"mkfs.ext4 -q -L precious {disk}")
    full = content()
    status, text = installer.execute(f"{apply} --yes 2>&1")
    assert status == 1, text
    assert disk in text and "precious" in text, text
    assert content() == full

    # Told so, it writes, reads back and compares.
    installer.succeed(f"{apply} --yes --erase {disk}")
    assert content() != full
    installer.succeed(f"rm {seed}")


def first_boot(target) -> None:
    """The disk boots, with the host's own values and its data partition."""
    target.start()
    phase1.come_up(target)
    assert target.succeed("odin config show").count("gpu-01") == 1
    # The host's own: who may log in, its name and its node's, its first password.
    target.succeed(
        "systemctl is-active odin-host.service",
        f"grep -rqF '{KEY}' /var/lib/odin-keys",
        "grep -qx gpu-01 /proc/sys/kernel/hostname",
        "kubectl get node gpu-01",
        "test -s /var/lib/odin/repository-password",
    )
    # The rest of the disk is the data partition.
    target.succeed("findmnt --source /dev/disk/by-partlabel/odin-data /srv")
    target.succeed("findmnt /var/lib/rancher", "findmnt /var/lib/odin")


def run(installer, target, image: str, hand_over: Callable[[], None]) -> None:
    """Installs onto the medium's first disk, and boots what was installed."""
    installer.wait_for_unit("multi-user.target")
    write(installer, image, "/dev/vda")
    hand_over()
    first_boot(target)
