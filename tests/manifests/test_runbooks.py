"""That what a runbook has somebody call is there to be called."""

from __future__ import annotations

import re

from odin_manifests import paths

# Programs that nixos/modules/appliance/tools.nix adds, and the package they are in.
ADDED = {
    "amtool": "pkgs.prometheus-alertmanager",
    "conntrack": "pkgs.conntrack-tools",
    "ethtool": "pkgs.ethtool",
    "fuser": "pkgs.psmisc",
    "iostat": "pkgs.sysstat",
    "iotop": "pkgs.iotop",
    "ipmitool": "pkgs.ipmitool",
    "jq": "pkgs.jq",
    "logcli": "logcli",
    "lspci": "pkgs.pciutils",
    "mdadm": "pkgs.mdadm",
    "nvme": "pkgs.nvme-cli",
    "promtool": "pkgs.prometheus.cli",
    "sensors": "pkgs.lm_sensors",
    "smartctl": "pkgs.smartmontools",
    "sqlite3": "pkgs.sqlite",
    "xfs_repair": "pkgs.xfsprogs",
}
# What every NixOS has, what comes with a part of the appliance, and the shell's.
THERE = {
    *("cat", "curl", "df", "dmesg", "du", "findmnt", "free", "ip", "ls", "lsmod", "modprobe"),
    *("ping", "ps", "top", "vmstat", "journalctl", "systemctl", "systemd-cgtop"),
    *("chronyc", "crictl", "k3s", "kubectl", "nvidia-smi", "odin"),
    "for",
}
# Said by programs, or PromQL: not to be called.
SAID = {
    *("body size limit exceeded", "connection refused", "context deadline exceeded"),
    *("database is locked", "fallen off the bus", "no space left", "no space left on device"),
    *("not a database", "sample limit exceeded"),
}
COMMAND = re.compile(r"([a-z][a-z0-9_-]*) ")


def called() -> dict[str, set[str]]:
    """First words of what looks like a command, and the runbooks it is in."""
    found: dict[str, set[str]] = {}
    for path in paths.RUNBOOKS.glob("*.md"):
        for span in re.findall(r"`([^`]+)`", path.read_text()):
            word = COMMAND.match(span)
            if word and span not in SAID and word[1] not in ("count", "sum"):
                found.setdefault(word[1], set()).add(path.stem)
    return found


def test_every_command_of_a_runbook_is_on_the_appliance() -> None:
    words = called()
    assert len(words) > 30
    assert {word: names for word, names in words.items() if word not in THERE | ADDED.keys()} == {}


def test_the_appliance_has_the_tools() -> None:
    module = (paths.ROOT / "nixos/modules/appliance/tools.nix").read_text()
    added = module.partition("systemPackages = [")[2].partition("];")[0]
    listed = re.findall(r"^ +((?:pkgs\.)?[a-z_.-]+)$", added, re.MULTILINE)
    assert sorted(listed) == sorted(ADDED.values())


def test_a_gpu_is_reset_when_nothing_has_it_open() -> None:
    """Neither ODIN's reader nor NVIDIA's persistence daemon, which the appliance starts."""
    texts = [path.read_text() for path in paths.RUNBOOKS.glob("Gpu*.md")]
    texts.append((paths.ROOT / "docs/guides/mig.md").read_text())
    resets = [text for text in texts if "nvidia-smi --gpu-reset" in text]
    assert len(resets) == 8
    for text in resets:
        before, _, after = text.partition("nvidia-smi --gpu-reset")
        assert "`systemctl stop odin-gpu nvidia-persistenced`" in before
        assert "`systemctl start nvidia-persistenced odin-gpu`" in after
