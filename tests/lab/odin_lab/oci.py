"""Writes container images: the OCI image layout in a tarball, byte for byte the
same for the same content.

One uncompressed layer, no timestamps, fixed owners: all that `ctr images
import` needs, and no registry or build tool.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Image:
    """What goes into an image. Paths are absolute, as seen in the container."""

    reference: str
    entrypoint: tuple[str, ...]
    files: Mapping[str, Path | str]
    """A Path is a program on this host, text is the content of a file."""
    links: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    directories: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Path to (owner, mode)."""
    workdir: str = "/"


def write(image: Image, target: BinaryIO) -> None:
    """Writes the image as a tarball."""
    with tempfile.TemporaryFile() as layer:
        _write_layer(image, layer)
        size = layer.tell()
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        layer.seek(0)
        config = _encode(_config(image, digest))
        manifest = _encode(_manifest(config, digest, size))
        index = _encode(_index(image.reference, manifest))
        with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
            _add(archive, "oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", index)
            for blob in (config, manifest):
                _add(archive, f"blobs/sha256/{_sha256(blob)}", blob)
            archive.addfile(_entry(f"blobs/sha256/{digest}", size), layer)


def _write_layer(image: Image, target: BinaryIO) -> None:
    directories = {"/tmp": (0, 0o1777), "/etc": (0, 0o755), **image.directories}
    for path in (*image.files, *image.links):
        for parent in list(Path(path).parents)[:-1]:
            directories.setdefault(str(parent), (0, 0o755))
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, (owner, mode) in sorted(directories.items()):
            entry = _entry(path.lstrip("/"), 0, mode)
            entry.type = tarfile.DIRTYPE
            entry.uid = entry.gid = owner
            archive.addfile(entry)
        for path, content in sorted(image.files.items()):
            if isinstance(content, str):
                _add(archive, path.lstrip("/"), content.encode())
            else:
                with open(content, "rb") as source:
                    entry = _entry(path.lstrip("/"), content.stat().st_size, 0o755)
                    archive.addfile(entry, source)
        for path, to in sorted(image.links.items()):
            entry = _entry(path.lstrip("/"), 0, 0o777)
            entry.type = tarfile.SYMTYPE
            entry.linkname = to
            archive.addfile(entry)


def _config(image: Image, layer: str) -> dict:
    return {
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": image.user,
            "Entrypoint": list(image.entrypoint),
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": image.workdir,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _manifest(config: bytes, layer: str, size: int) -> dict:
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": f"sha256:{_sha256(config)}",
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": f"sha256:{layer}",
                "size": size,
            }
        ],
    }


def _index(reference: str, manifest: bytes) -> dict:
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": f"sha256:{_sha256(manifest)}",
                "size": len(manifest),
                "platform": {"architecture": architecture(), "os": "linux"},
                "annotations": {"io.containerd.image.name": reference},
            }
        ],
    }


def references(archive: Path) -> Iterable[str]:
    """The image names an archive of this kind holds."""
    with tarfile.open(archive) as tar:
        index = json.load(tar.extractfile("index.json"))
    return [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]


def save(image: Image, target: Path) -> None:
    """Writes the image to a file, which appears complete or not at all."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".image-", delete=False) as scratch:
        try:
            write(image, scratch)
            scratch.flush()
            shutil.move(scratch.name, target)
        except BaseException:
            Path(scratch.name).unlink(missing_ok=True)
            raise
    target.chmod(0o644)


def architecture() -> str:
    """This host's architecture in Go's words, which OCI uses."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _encode(value: dict) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entry(name: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = mode
    return entry


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_entry(name, len(data)), io.BytesIO(data))
