"""What the flake builds that is no system: it evaluates, and bundles render."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from odin_lab import tools as lab

from odin_nix import tools
from odin_nix.checker import Checker

OUTPUTS = Path(__file__).parent / "outputs.nix"
# Charts whose images nixpkgs builds, as far as this tree has them.
VERSIONED = [
    chart
    for chart in (
        "alertmanager",
        "grafana",
        "kube-state-metrics",
        "loki",
        "node-exporter",
        "otel-collector",
        "prometheus",
    )
    if (tools.ROOT / "manifests/charts" / chart).exists()
]
# Of the appliance; the lab's bundle runs with the lab's own images.
OVERLAYS = ("dev", "prod")


@pytest.fixture(scope="module")
def outputs(check: Checker) -> list:
    done = check.run(OUTPUTS, "--show", "environment.systemPackages")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def script(outputs: list, name: str) -> str:
    """The commands of the derivation of this name."""
    drvs = [entry for entry in outputs if isinstance(entry, dict)]
    # A bundle is a package and a check, the same both times.
    texts = {entry["text"] for entry in drvs if entry["drv"].endswith(name)}
    assert len(texts) == 1, name
    return texts.pop()


def test_they_evaluate(check: Checker) -> None:
    done = check.run(OUTPUTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_bundle_has_the_tags_of_the_images(
    outputs: list, program: Path, overlay: str, tmp_path: Path
) -> None:
    """Runs what Nix would run, with the lab's programs in place of nixpkgs'."""
    yq = tools.program("yq")
    said = subprocess.run([yq, "--version"], capture_output=True, text=True) if yq else None
    if said is None or "mikefarah" not in said.stdout:
        pytest.skip("the yq of nixpkgs (mikefarah's) is not there; `tests/nix/tools` builds it")
    commands = script(outputs, f"odin-bundle-{overlay}")
    source = re.search(r"/nix/store/\S+-source/manifests", commands)
    assert source is not None
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, file in (
        ("odin", program),
        ("helm", lab.binary("helm")),
        ("kubectl", lab.binary("kubectl")),
        ("yq", yq),
    ):
        (programs / name).symlink_to(file)
    # A version that nothing else in the repository has.
    versioned = commands.replace(source[0], str(tools.ROOT / "manifests")).replace(
        '"v1.0"', '"v12.34.56"'
    )
    assert versioned.count("v12.34.56") == len(VERSIONED)
    out = tmp_path / "out"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", versioned],
        cwd=tmp_path,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(tmp_path), "out": str(out)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    images = [f"odin.local/{name}:v12.34.56" for name in VERSIONED]
    listing = tmp_path / "images.json"
    listing.write_text(json.dumps([*images, "odin.local/busybox:1"]))
    command = [sys.executable, tools.ROOT / "tests/images_agree.py", listing, out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_tag_that_nobody_built_is_found(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tools.ROOT / "tests/manifests/snapshots/prod", bundle)
    images = sorted(
        container["image"]
        for file in bundle.glob("*/*.yaml")
        for item in yaml.safe_load_all(file.read_text())
        if item.get("kind") in ("StatefulSet", "DaemonSet", "Deployment")
        for container in item["spec"]["template"]["spec"]["containers"]
    )
    listing = tmp_path / "images.json"
    command = [sys.executable, tools.ROOT / "tests/images_agree.py", listing, bundle]

    listing.write_text(json.dumps(images))
    assert subprocess.run(command, capture_output=True).returncode == 0
    for wrong in (images[1:], [*images, "odin.local/other:1"], [f"{images[0]}-rc", *images[1:]]):
        listing.write_text(json.dumps(wrong))
        assert subprocess.run(command, capture_output=True).returncode == 1, wrong
