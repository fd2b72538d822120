"""A rendered bundle, read back."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Object:
    """One object of a bundle and the file it is in."""

    component: str
    file: str
    content: dict

    @property
    def kind(self) -> str:
        return self.content["kind"]

    @property
    def name(self) -> str:
        return self.content["metadata"]["name"]

    @property
    def namespace(self) -> str | None:
        return self.content["metadata"].get("namespace")

    @property
    def labels(self) -> dict[str, str]:
        return self.content["metadata"].get("labels", {})

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace or 'cluster'}/{self.name}"


@dataclass(frozen=True)
class Bundle:
    """What `odin bundle build` wrote for one overlay."""

    overlay: str
    directory: Path
    declaration: dict
    objects: tuple[Object, ...]

    def of_kind(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item.kind in kinds]

    def one(self, kind: str, name: str, namespace: str | None = None) -> dict:
        """The content of the one object of that name."""
        (found,) = (
            item.content
            for item in self.of_kind(kind)
            if (item.name, item.namespace) == (name, namespace)
        )
        return found


def load(overlay: str, directory: Path) -> Bundle:
    """Reads a bundle; every file that is not its own must hold one object."""
    declaration = tomllib.loads((directory / "bundle.toml").read_text())
    objects = []
    for component in declaration["component"]:
        for path in sorted((directory / component["name"]).iterdir()):
            (content,) = yaml.safe_load_all(path.read_text())
            name = str(path.relative_to(directory))
            objects.append(Object(component["name"], name, content))
    return Bundle(overlay, directory, declaration, tuple(objects))


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, by its path."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def checksums(directory: Path) -> str:
    """What SHA256SUMS has to say of a bundle."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files(directory).items())
        if name != "SHA256SUMS"
    )
