"""odin-host.service on a machine as an installation leaves it: who may log in, its
name, its first password; and the socket that the group `odin` may read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from odin_lab import odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine

UNIT = "odin-host.service"
KEYS = "/var/lib/odin-keys/admin"
SITE = "/var/lib/odin/site.toml"
PASSWORD = "/var/lib/odin/repository-password"
REPOSITORY = "/var/lib/odin/repository"

DECLARATION = f"""
[access]
keys-file = "{KEYS}"

[backup]
password-file = "{PASSWORD}"
"""

# Made by ssh-keygen for these tests; nobody has the other halves.
FIRST = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym you@desk"
SECOND = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK6VLOC37aBi59J+"
    "r4pJCrsln6rYolc1un2k3+RA0p3tPpVhJo5TTGhaPBuIV+X9YgJR1zl87T+EYacFoPvZsvs= them@desk"
)


def site(*keys: str, name: str = "gpu-01", more: str = "") -> str:
    """A site.toml."""
    return f'[host]\nname = "{name}"\n[access]\nauthorized-keys = {json.dumps(keys)}\n{more}'


def write(machine: Machine, path: str, text: str) -> None:
    """Writes a file as it stands, also through a link."""
    machine.succeed(f"cat >{path} <<'END'\n{text}\nEND")


@pytest.fixture(scope="module")
def fresh(lab: None) -> Iterator[Machine]:
    """A machine that boots for the first time after its installation."""
    with temporary_machine("fresh", parts=[odin.Odin(declaration=DECLARATION)]) as machine:
        machine.start()
        machine.wait_for_unit("multi-user.target")
        # The image has no name; those who made the lab's machine gave it one.
        machine.succeed("rm /etc/hostname", "mkdir -p /boot")
        write(machine, "/boot/odin-site.toml", site(FIRST, SECOND))
        machine.succeed(f"systemctl enable {UNIT} odin.service")
        machine.reboot()
        machine.wait_for_unit("multi-user.target")
        yield machine


@pytest.fixture
def box(fresh: Machine) -> Iterator[Machine]:
    """The same, with its own values in force again afterwards."""
    fresh.wait_for_file(SITE, 30)
    fresh.succeed(f"cp {SITE} /root/site.toml")
    yield fresh
    fresh.succeed(
        f"cp /root/site.toml {SITE}",
        f"rm -rf {KEYS} /etc/hostname {REPOSITORY}",
        ": >/etc/fstab",
        "odin host apply",
    )


def apply(machine: Machine) -> dict[str, dict]:
    """`odin host apply`, each part by its name."""
    _, text = machine.execute("odin host apply --json")
    return {part["name"]: part for part in json.loads(text)["parts"]}


def states(parts: dict[str, dict]) -> list[str]:
    return [part["state"] for part in parts.values()]


def written(machine: Machine) -> str:
    """What is in the keys file below the line that says who wrote it."""
    mark, keys = machine.succeed(f"cat {KEYS}").split("\n", 1)
    assert mark.startswith("# Written by ODIN from "), mark
    return keys


def began(machine: Machine, unit: str, what: str) -> int:
    return int(machine.get_unit_property(unit, f"{what}TimestampMonotonic"))


def test_a_first_boot_lets_the_owner_in_and_has_its_name(fresh: Machine):
    fresh.require_unit_state(UNIT)
    assert written(fresh) == f"{FIRST}\n{SECOND}\n"
    modes = fresh.succeed(f"stat -c '%a %U' /var/lib/odin-keys {KEYS}").split()
    assert modes == ["755", "root", "644", "root"]
    assert fresh.succeed("cat /proc/sys/kernel/hostname").strip() == "gpu-01"
    assert fresh.succeed("hostnamectl --static").strip() == "gpu-01"
    # Before what names itself by it.
    for unit in ("systemd-networkd.service", "odin.service"):
        assert began(fresh, UNIT, "ExecMainExit") < began(fresh, unit, "ExecMainStart"), unit
    fresh.fail("journalctl -b | grep 'ordering cycle'")


def test_the_name_of_a_dhcp_lease_does_not_win(fresh: Machine):
    # What systemd-networkd does with the name of a lease.
    fresh.succeed(
        "busctl call org.freedesktop.hostname1 /org/freedesktop/hostname1"
        " org.freedesktop.hostname1 SetHostname sb dhcp-7 false"
    )
    assert fresh.succeed("cat /proc/sys/kernel/hostname").strip() == "gpu-01"


def test_the_first_password_is_made_once_and_opens_the_repository(fresh: Machine):
    assert fresh.succeed(f"stat -c '%a %U %s' {PASSWORD}").split() == ["600", "root", "45"]
    before = fresh.succeed(f"cat {PASSWORD} {KEYS} /etc/hostname")
    fresh.reboot()
    fresh.wait_for_unit("multi-user.target")
    fresh.require_unit_state(UNIT)
    assert fresh.succeed(f"cat {PASSWORD} {KEYS} /etc/hostname") == before
    assert states(apply(fresh)) == ["unchanged"] * 3


def test_a_plan_changes_nothing_and_keys_go_as_they_came(box: Machine):
    write(box, SITE, site(SECOND))
    status, words = box.execute("odin host plan")
    assert status == 2, words
    assert "1 key" in words and KEYS in words
    assert FIRST in written(box)
    assert apply(box)["authorized-keys"]["state"] == "done"
    assert written(box) == f"{SECOND}\n"
    write(box, SITE, site())
    apply(box)
    assert written(box) == ""


def test_what_somebody_else_wrote_stays(box: Machine):
    write(box, KEYS, SECOND)
    write(box, "/etc/hostname", "rack-7")
    parts = apply(box)
    assert [parts[name]["state"] for name in ("authorized-keys", "host-name")] == ["left", "left"]
    assert KEYS in parts["authorized-keys"]["text"]
    assert "rack-7" in parts["host-name"]["text"] and "gpu-01" in parts["host-name"]["text"]
    assert box.succeed(f"cat {KEYS} /etc/hostname") == f"{SECOND}\nrack-7\n"
    # On NixOS a declared name is a link into the store.
    box.succeed("echo declared >/root/hostname", "ln -sf /root/hostname /etc/hostname")
    assert "configuration" in apply(box)["host-name"]["text"]
    assert box.succeed("cat /root/hostname") == "declared\n"
    # What is somebody else's is no failure.
    box.succeed(f"systemctl restart {UNIT}")


def test_another_name_is_taken_at_once(box: Machine):
    write(box, SITE, site(name="gpu-02"))
    box.succeed("odin host apply")
    assert box.succeed("cat /proc/sys/kernel/hostname").strip() == "gpu-02"
    assert box.succeed("hostnamectl --static").strip() == "gpu-02"


def test_a_wrong_site_takes_nothing_away(box: Machine):
    before = box.succeed(f"cat {KEYS}")
    write(box, SITE, site("ssh-ed25519 AAAA"))
    assert states(apply(box)) == ["failed"] * 3
    box.fail(f"systemctl restart {UNIT}")
    assert box.get_unit_property(UNIT, "ActiveState") == "failed"
    assert "authorized-keys[0]" in box.succeed(f"journalctl -b -u {UNIT}")
    assert box.succeed(f"cat {KEYS}") == before


def test_no_password_is_made_for_a_repository_that_is_there(box: Machine):
    password = box.succeed(f"cat {PASSWORD}").strip()
    box.succeed(
        f"restic init --repo {REPOSITORY} --password-file {PASSWORD}",
        f"rm {PASSWORD} {KEYS}",
    )
    box.fail(f"systemctl restart {UNIT}")
    said = box.succeed(f"journalctl -b -u {UNIT}")
    assert f"{REPOSITORY} is a repository" in said and f"password to {PASSWORD}" in said
    box.fail(f"test -e {PASSWORD}")
    # The other parts were had all the same.
    assert written(box) == f"{FIRST}\n{SECOND}\n"
    # The guide's way: the copy that was kept away from the machine.
    box.succeed(f"(umask 077; echo '{password}' >{PASSWORD})", f"systemctl restart {UNIT}")
    box.succeed(f"restic snapshots --repo {REPOSITORY} --password-file {PASSWORD}")


def test_no_password_is_made_while_the_disk_of_the_repository_is_away(box: Machine):
    write(box, SITE, site(more='[backup]\nrepository = "/mnt/other/box"\n'))
    write(box, "/etc/fstab", "LABEL=other /mnt/other ext4 nofail 0 0")
    box.succeed(f"mv {PASSWORD} /root/password")
    part = apply(box)["repository-password"]
    assert part["state"] == "failed" and "/mnt/other" in part["text"]
    box.fail(f"test -e {PASSWORD}")
    box.succeed("mkdir -p /mnt/other", "mount -t tmpfs tmpfs /mnt/other")
    assert apply(box)["repository-password"]["state"] == "done"
    box.succeed("umount /mnt/other", f"mv /root/password {PASSWORD}")


def test_the_group_may_read_the_state_and_others_may_not(fresh: Machine):
    read = "curl -sf --unix-socket /run/odin/odin-read.sock http://odin/healthz"
    fresh.wait_for_unit("odin.service")
    assert fresh.succeed("stat -c '%a %G' /run/odin/odin-read.sock").split() == ["600", "root"]
    fresh.succeed(
        "groupadd --system odin",
        "useradd --groups odin member",
        "useradd other",
        "systemctl restart odin.service",
    )
    fresh.succeed(f"runuser -u member -- {read}", read)
    fresh.fail(f"runuser -u other -- {read}")
    sockets = "/run/odin/odin-read.sock /run/odin/odin.sock"
    modes = fresh.succeed(f"stat -c '%a %U %G' {sockets}").split()
    assert modes == ["660", "root", "odin", "600", "root", "root"]
    fresh.fail("runuser -u member -- curl -sf --unix-socket /run/odin/odin.sock http://odin/")
