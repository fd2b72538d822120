"""Every configuration evaluates, and what it declares is what odin reads."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from odin_lab import paths

from odin_nix import toml, tools
from odin_nix.checker import Checker, configurations

NAMES = sorted(configurations())
UNITS = tools.ROOT / "crates" / "odin" / "units"
FULL = Path(__file__).parent / "full.nix"


@pytest.mark.parametrize("name", NAMES)
def test_evaluates(check: Checker, name: str) -> None:
    done = check.system(configurations()[name])
    assert done.returncode == 0, done.stdout + done.stderr


def test_installer_evaluates(check: Checker) -> None:
    modules = [
        tools.ROOT / "nixos" / name for name in ("profiles/installer.nix", "images/installer.nix")
    ]
    image = 'diskImage=fake "odin" null { passthru.filePath = "odin.img"; }'
    done = check.run(*modules, "--arg", image)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in image.modules.iso-installer" in done.stdout


def accepted(program: Path, settings: dict[str, Any], directory: Path) -> None:
    """Asserts that `odin config check` takes what Nix declares."""
    file = directory / "odin.toml"
    file.write_text(toml.render(settings))
    assert tomllib.loads(file.read_text()) == settings
    done = subprocess.run([program, "config", "check", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_declaration_is_read(check: Checker, program: Path, name: str, tmp_path: Path) -> None:
    accepted(program, check.value(configurations()[name], "odin.settings"), tmp_path)


def test_every_key_can_be_written(check: Checker, program: Path, tmp_path: Path) -> None:
    # full.nix sets every option that ends in odin.toml; the fixture of the
    # model has every key that there is.
    settings = check.value([FULL], "odin.settings")
    accepted(program, settings, tmp_path)
    fixture = tools.ROOT / "crates/odin-model/tests/fixtures/odin.toml"
    known = keys(tomllib.loads(fixture.read_text()))
    # Paths and names that are K3s' or the host's own keep their defaults.
    left_alone = {
        *(f"host.{key}" for key in ("name", "k3s-data-dir", "kubeconfig", "cri-socket")),
        *("host.state-dir", "host.run-dir", "host.lock-timeout"),
        # How GPUs are read, and paths that are the kubelet's.
        *("gpu.interval", "gpu.deadline", "gpu.maximum-age"),
        *("gpu.pod-resources-socket", "gpu.device-plugin-dir", "gpu.kubelet-kubeconfig"),
        "gpu.cdi-dirs",
    }
    assert known - keys(settings) == left_alone


def keys(value: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, item in value.items():
        tables = item if isinstance(item, list) else [item]
        below = [table for table in tables if isinstance(table, dict)]
        if below:
            found |= set().union(*(keys(table, f"{prefix}{key}.") for table in below))
        else:
            found.add(f"{prefix}{key}")
    return found


def test_units_that_are_wired_ship_with_the_package(check: Checker) -> None:
    services = check.value(configurations()["server"], "systemd.services")
    wired = {
        name
        for name, unit in services.items()
        if name.startswith("odin") and "ExecStart" not in unit.get("serviceConfig", {})
    }
    assert wired == {file.stem for file in UNITS.glob("*.service")}


def test_keys_are_written_where_sshd_reads_them(check: Checker) -> None:
    configuration = configurations()["server"]
    user = check.value(configuration, "odin.access.user")
    read = check.value(configuration, "services.openssh.authorizedKeysFiles")
    written = check.value(configuration, "odin.settings.access.keys-file")
    assert written in [file.replace("%u", user) for file in read]


def test_what_pods_load_by_themselves_is_there_before_loading_is_locked(check: Checker) -> None:
    server = configurations()["server"]
    own = set(check.value(server, "boot.kernelModules"))
    locked = set(
        check.value(server, "boot.kernelModules", "--set", "odin.hardening.lockKernelModules=true")
    )
    assert "veth" not in own
    assert {"veth", "ip_set", "nft_compat", *own} <= locked


def test_kubernetes_is_the_minor_of_the_lab(check: Checker) -> None:
    package = check.value(configurations()["server"], "services.k3s.package")
    lab = tomllib.loads((paths.TOOLS / "tools.toml").read_text())["kubernetes"]["ldflags"]
    minor = re.search(r"gitVersion=v(\d+\.\d+)\.", " ".join(lab))
    assert minor is not None
    assert f"-k3s-{minor[1]}." in package


def test_images_are_those_of_the_bundles(check: Checker, tmp_path: Path) -> None:
    images = check.value(configurations()["server"], "services.k3s.images")
    built = [
        f"{entry['image']['name']}:{entry['image']['tag']}"
        for entry in images
        if isinstance(entry, dict)
    ]
    assert len(built) == len(images) - 1, "one is K3s' own set"
    # The versions are nixpkgs' and stand in the charts only when Nix builds the
    # bundle; here the names are compared, there the tags as well.
    listing = tmp_path / "images.json"
    listing.write_text(json.dumps(built))
    bundles = [tools.ROOT / "tests/manifests/snapshots" / name for name in ("dev", "prod")]
    script = tools.ROOT / "tests/images_agree.py"
    command = ["python3", script, "--names-only", listing, *bundles]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
