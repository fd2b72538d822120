"""The installation medium: what lies on a disk is kept unless somebody says so.

`installer` runs the medium with the target as /dev/vda; `target` boots from that
disk afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

from scenarios import phase1

DISK = "/dev/vda"
SEED = """
[host]
name = "gpu-01"
"""


def run(installer, target, image: str, hand_over: Callable[[], None]) -> None:
    """Plans, is refused, installs, and boots what was installed."""
    installer.wait_for_unit("multi-user.target")
    apply = f"odin install apply --image {image} --disk path={DISK} --seed /tmp/site.toml"
    installer.succeed(f"cat > /tmp/site.toml <<'END'\n{SEED}\nEND")

    # A plan changes nothing.
    empty = installer.succeed(f"head -c 1048576 {DISK} | sha256sum")
    plan = installer.succeed(f"odin install plan --image {image} --disk path={DISK}")
    assert DISK in plan, plan
    assert installer.succeed(f"head -c 1048576 {DISK} | sha256sum") == empty

    # A disk with data is refused by name, and stays as it is.
    installer.succeed(f"mkfs.ext4 -q -L precious {DISK}")
    full = installer.succeed(f"head -c 1048576 {DISK} | sha256sum")
    status, text = installer.execute(f"{apply} --yes 2>&1")
    assert status == 1, text
    assert DISK in text and "precious" in text, text
    assert installer.succeed(f"head -c 1048576 {DISK} | sha256sum") == full

    # Told so, it writes, reads back and compares.
    installer.succeed(f"{apply} --yes --erase {DISK}")
    hand_over()

    target.start()
    phase1.come_up(target)
    assert target.succeed("odin config show").count("gpu-01") == 1
    # The rest of the disk is the data partition.
    target.succeed("findmnt --source /dev/disk/by-partlabel/odin-data /srv")
    target.succeed("findmnt /var/lib/rancher", "findmnt /var/lib/odin")
