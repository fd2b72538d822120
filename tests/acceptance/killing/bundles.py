"""Two bundles that differ in a few objects, so that each apply has work."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

NAMES = ("one", "two")
NAMESPACE = "workloads"
CHANGED = 8
"""Objects of both bundles whose content differs."""
OWN = 2
"""Objects that only one of the bundles has: created by it, pruned by the other."""

_OBJECT = """\
apiVersion: v1
data:
  of: {content}
kind: ConfigMap
metadata:
  labels:
    app.kubernetes.io/part-of: odin
  name: {name}
  namespace: {namespace}
"""


def own_objects(bundle: str) -> set[str]:
    """Names of the ConfigMaps that are there while the bundle is in force."""
    both = {f"kills-both-{number}" for number in range(CHANGED)}
    return both | {f"kills-{bundle}-{number}" for number in range(OWN)}


def build(base: Path, output: Path) -> None:
    """Writes both bundles, made of the one at `base`, below `output`."""
    for name in NAMES:
        directory = output / name
        shutil.copytree(base, directory)
        for configmap in own_objects(name):
            file = directory / "platform" / f"configmap-{NAMESPACE}-{configmap}.yaml"
            file.write_text(_OBJECT.format(content=name, name=configmap, namespace=NAMESPACE))
        _sum(directory)


def digest(bundle: Path) -> str:
    """The sums of a bundle, which tell it from the other."""
    return hashlib.sha256((bundle / "SHA256SUMS").read_bytes()).hexdigest()


def _sum(bundle: Path) -> None:
    paths = sorted(
        str(path.relative_to(bundle))
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    )
    lines = [
        f"{hashlib.sha256((bundle / path).read_bytes()).hexdigest()}  {path}\n" for path in paths
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines))
