"""The test objects of the charts, which no bundle contains."""

from __future__ import annotations

import subprocess
import tomllib

import yaml
from odin_lab import tools

from odin_manifests import paths


def hooks(component: str, overlay: str) -> list[dict]:
    """What `helm test` would create for a component."""
    declared = tomllib.loads((paths.MANIFESTS / "bundle.toml").read_text())["component"]
    (entry,) = (each for each in declared if each["name"] == component)
    values = paths.OVERLAYS / overlay / "values" / f"{component}.yaml"
    done = subprocess.run(
        [
            *(tools.binary("helm"), "template", component, paths.MANIFESTS / entry["chart"]),
            *("--namespace", entry["namespace"], "--show-only", "templates/tests/*"),
            *(("--values", values) if values.exists() else ()),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]
