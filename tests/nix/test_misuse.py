"""What cannot be meant fails when it is evaluated, and the message names the option."""

from __future__ import annotations

import pytest

from odin_nix.checker import Checker, configurations

AGENT = 'odin.cluster.role="agent"'

# What is set, and what the message must hold besides the name of the option.
MISUSES = {
    "unknown branch": (['odin.gpu.branch="beta"'], "odin.gpu.branch", "datacenter"),
    "two servers": (
        ['odin.cluster.servers=["10.0.0.1" "10.0.0.2"]'],
        "odin.cluster.servers",
        "three or five",
    ),
    "a server twice": (
        ['odin.cluster.servers=["a" "b" "b"]', 'odin.cluster.address="a"'],
        "odin.cluster.servers",
        "named twice",
    ),
    "not one of the servers": (
        ['odin.cluster.servers=["a" "b" "c"]', 'odin.cluster.address="d"'],
        "odin.cluster.address",
        "must be one of",
    ),
    "several servers, no token": (
        ['odin.cluster.servers=["a" "b" "c"]', 'odin.cluster.address="a"'],
        "odin.cluster.tokenFile",
        "same token",
    ),
    "agent without server": ([AGENT], "odin.cluster.servers", "a server to join"),
    "agent without token": ([AGENT], "odin.cluster.tokenFile", "the token"),
    "token as value": (['odin.cluster.token="s3cr3t"'], "odin.cluster.token", "tokenFile"),
    "token in place of a file": (
        ['odin.cluster.tokenFile="s3cr3t"'],
        "odin.cluster.tokenFile",
        "not in the Nix store",
    ),
    "token file in the store": (
        ['odin.cluster.tokenFile="/nix/store/00000000000000000000000000000000-token"'],
        "odin.cluster.tokenFile",
        "not in the Nix store",
    ),
    "token in K3s' settings": (
        ['odin.cluster.settings.token="s3cr3t"'],
        "odin.cluster.settings",
        "tokenFile",
    ),
    "needed component": (
        ['odin.cluster.disabledComponents=["coredns"]'],
        "odin.cluster.disabledComponents",
        "coredns",
    ),
    "images of one name": (
        [
            "odin.images=[(pkgs.dockerTools.buildLayeredImage {"
            ' name="example.com/prometheus"; tag="1"; compressor="zstd"; })]'
        ],
        "odin.images",
        "prometheus.tar.zst",
    ),
    "no password": (["odin.backup.passwordFile=null"], "odin.backup.passwordFile", "password"),
    "copy onto itself": (
        [
            'odin.backup.copies=[{ name="a"; repository="/var/lib/odin/repository";'
            ' passwordFile="/p"; }]'
        ],
        "odin.backup.copies",
        "named twice",
    ),
    "secret from nowhere": (
        ['odin.secrets=[{ namespace="a"; name="b"; key="c"; }]'],
        "odin.secrets",
        "exactly one",
    ),
    "driver and family": (['odin.gpu.families=["volta"]'], "odin.gpu.families", "driver 595"),
    "module and family": (
        ['odin.gpu.families=["blackwell"]', "odin.gpu.openModule=false"],
        "odin.gpu.openModule",
        "blackwell",
    ),
    "driver and CUDA": (['odin.gpu.cuda="14.0"'], "odin.gpu.cuda", "driver 595"),
    "family and CUDA": (
        ['odin.gpu.families=["volta"]', 'odin.gpu.cuda="13.0"', 'odin.gpu.branch="lts"'],
        "odin.gpu.cuda",
        "volta",
    ),
    "driver and kernel": (
        ["boot.kernelPackages=pkgs.linuxPackages_5_10"],
        "boot.kernelPackages",
        "driver 595",
    ),
    "fabric manager": (["odin.gpu.fabricManager=true"], "odin.gpu.fabricManager", "datacenter"),
    "sharing by another's plugin": (
        ['odin.gpu.sharing={ version = "v1"; }', 'odin.gpu.devicePlugin="nvidia"'],
        "odin.gpu.sharing",
        "odin.gpu.devicePlugin = nvidia",
    ),
    "MIG without a strategy": (
        ['odin.gpu.mig={"NVIDIA H100 80GB HBM3"={"1g.10gb"=7;};}'],
        "odin.gpu.mig",
        "migStrategy",
    ),
    "one generation": (["odin.upgrade.keepGenerations=1"], "odin.upgrade.keepGenerations", "2"),
    "unit without a suffix": (['odin.upgrade.units=["sshd"]'], "odin.upgrade.units", "pattern"),
    "route to nobody": (
        ['odin.alerting.routes=[{ receiver="opps"; team="a"; }]'],
        "odin.alerting.receivers",
        '"opps"',
    ),
    "webhook without an address": (
        ['odin.alerting.receivers=[{ name="ops"; webhook={ }; }]'],
        "odin.alerting.receivers",
        "exactly one of url and urlFile",
    ),
    "unknown remedy": (
        ['odin.alerting.remediation.actions=["reboot"]'],
        "odin.alerting.remediation.actions",
        "restart-pod",
    ),
    "unknown option": (["odin.gpu.count=8"], "odin.gpu.count", "does not exist"),
}


@pytest.mark.parametrize("name", sorted(MISUSES))
def test_is_refused(check: Checker, name: str) -> None:
    assignments, option, word = MISUSES[name]
    arguments = [part for item in assignments for part in ("--set", item)]
    done = check.system(configurations()["server"], *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    said = [block for block in done.stdout.split("failed assertion") if option in block]
    assert any(word in block for block in said), done.stdout


def test_the_same_without_misuse_is_accepted(check: Checker) -> None:
    # Otherwise the table above could fail for a reason it does not mean.
    arguments = ["--set", 'odin.gpu.branch="lts"', "--set", 'odin.gpu.families=["hopper"]']
    done = check.system(configurations()["server"], *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
