"""The flake: its lock says what it says, and its outputs are there."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from odin_nix import checker, tools

LOCK = tools.ROOT / "flake.lock"
# Charts that run an image of their own, as far as this tree has them.
CHARTS = {
    chart
    for chart in (
        *("alertmanager", "grafana", "kube-state-metrics", "loki"),
        *("node-exporter", "otel-collector", "prometheus"),
    )
    if (tools.ROOT / "manifests" / "charts" / chart).exists()
}
OUTPUTS = {
    "apps": {"vm", "flash"},
    "devShells": {"default"},
    "packages": {
        *("default", "odin", "bundle-dev", "bundle-lab", "bundle-prod"),
        *(f"container-{name}" for name in CHARTS | {"busybox"}),
        *("image-iso", "image-kexec", "image-raw"),
    },
}
OF_X86_ALONE = {"vm", "flash", "image-iso", "image-kexec", "image-raw"}


def declared() -> dict[str, Any]:
    return tools.evaluate(f"(import {tools.ROOT}/flake.nix).inputs")


def as_url(original: dict[str, str]) -> str:
    """The reference a lock's `original` stands for."""
    assert original["type"] == "github", original
    reference = f"/{original['ref']}" if "ref" in original else ""
    return f"github:{original['owner']}/{original['repo']}{reference}"


def test_lock_names_the_inputs_of_the_flake() -> None:
    # Nix locks again, over the network, when a single one differs.
    lock = json.loads(LOCK.read_text())
    assert lock["version"] == 7
    root = lock["nodes"][lock["root"]]["inputs"]
    urls = {name: as_url(lock["nodes"][node]["original"]) for name, node in root.items()}
    assert urls == {name: value["url"] for name, value in declared().items()}


def test_lock_has_no_other_nodes() -> None:
    lock = json.loads(LOCK.read_text())
    reached = {lock["root"], *lock["nodes"][lock["root"]]["inputs"].values()}
    assert set(lock["nodes"]) == reached


def test_lock_pins_content() -> None:
    lock = json.loads(LOCK.read_text())
    for name, node in lock["nodes"].items():
        if name == lock["root"]:
            continue
        locked, original = node["locked"], node["original"]
        assert re.fullmatch(r"[0-9a-f]{40}", locked["rev"]), name
        algorithm, digest = locked["narHash"].split("-", 1)
        assert algorithm == "sha256" and len(base64.b64decode(digest)) == 32, name
        assert locked["lastModified"] > 1_750_000_000, name
        same = ("owner", "repo", "type")
        assert {key: locked[key] for key in same} == {key: original[key] for key in same}


def outputs(library: Path) -> str:
    """The flake's outputs over a nixpkgs that has names and nothing behind them."""
    return f"""
      let
        lib = import {library};
        nixpkgs = {{
          lib = lib // {{ nixosSystem = args: {{ inherit args; extendModules = _: {{ }}; }}; }};
          legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: {{
            inherit lib;
            stdenv.hostPlatform = {{ inherit system; }};
          }});
        }};
        self = (import {tools.ROOT}/flake.nix).outputs {{ inherit self nixpkgs; }};
      in self
    """


def names(library: Path, path: str) -> set[str]:
    return set(tools.evaluate(f"builtins.attrNames ({outputs(library)}).{path}"))


def test_outputs(library: Path) -> None:
    for kind, expected in OUTPUTS.items():
        assert names(library, f"{kind}.x86_64-linux") == expected, kind
        assert names(library, f"{kind}.aarch64-linux") == expected - OF_X86_ALONE, kind
    assert names(library, "nixosModules") == {"default"}


def test_configurations(library: Path) -> None:
    assert names(library, "nixosConfigurations") == set(checker.configurations())
    assert {"server", "server-ha", "agent", "dev"} <= set(checker.configurations())


def test_a_machine_of_ones_own_and_its_media(library: Path) -> None:
    own = f"""
      let odin = {outputs(library)}; machine = odin.lib.appliance [ {{ odin.enable = true; }} ];
      in {{
        modules = builtins.length machine.args.modules;
        media = builtins.attrNames (odin.lib.images machine);
      }}
    """
    # The owner's module, the appliance, its disk, and the platform.
    assert tools.evaluate(own) == {"modules": 4, "media": ["iso", "kexec", "raw"]}


def test_every_vm_test_is_a_check(library: Path) -> None:
    written = {file.stem for file in (tools.ROOT / "tests" / "vm").glob("*.nix")} - {
        "default",
        "machine",
    }
    checks = names(library, "checks.x86_64-linux")
    assert {f"vm-{name}" for name in written} <= checks
    assert {"rustfmt", "clippy", "tests", "statix", "deadnix", "nixfmt"} <= checks
