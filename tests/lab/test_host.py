"""What the lab builds and pins, without starting anything."""

from __future__ import annotations

import io
import re
import stat
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from odin_lab import cluster, images, oci, paths, process, rootfs, setup, tools

pytestmark = pytest.mark.host


def test_the_pinned_kubernetes_is_the_appliance_s_minor() -> None:
    """The constant, the go.mod and the version linked into the binaries agree."""
    pinned = images.pinned("kubernetes", "k8s.io/kubernetes")
    assert re.fullmatch(rf"v{re.escape(cluster.KUBERNETES_MINOR)}\.\d+", pinned)
    module = (paths.TOOLS / "kubernetes/go.mod").read_text()
    staging = set(re.findall(r"=> k8s\.io/\S+ v0\.(\S+)", module))
    assert staging == {pinned.removeprefix("v1.")}
    flags = "\n".join(tools.load()["kubernetes"].ldflags)
    assert f"gitVersion={pinned}" in flags
    assert f"gitMinor={cluster.KUBERNETES_MINOR.split('.')[1]}" in flags


def test_every_tool_has_its_pins() -> None:
    table = tomllib.loads((paths.TOOLS / "tools.toml").read_text())
    directories = {entry.name for entry in paths.TOOLS.iterdir() if entry.is_dir()}
    assert set(table) == directories
    for name in table:
        assert (paths.TOOLS / name / "go.sum").stat().st_size > 0


def test_image_names_come_from_the_pins() -> None:
    names = [images.reference(name) for name in images.NAMES]
    assert all(re.fullmatch(r"odin\.local/[a-z-]+:(1|v\d+\.\d+\.\d+)", name) for name in names)
    with pytest.raises(images.ImageError, match="no image 'nginx'"):
        images.reference("nginx")


def test_k3s_own_manifests_name_only_images_that_are_built() -> None:
    for file in (paths.GUEST / "manifests").glob("*.yaml"):
        marks = set(re.findall(r"@([a-z-]+)@", file.read_text()))
        assert marks <= set(images.BASE), file.name


@pytest.fixture
def image(tmp_path: Path) -> oci.Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return oci.Image(
        reference="odin.local/test:1",
        entrypoint=("/bin/program",),
        files={"/bin/program": program, "/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
        links={"/bin/link": "program"},
        user="65534:65534",
        directories={"/data": (65534, 0o750)},
    )


def test_an_image_is_the_same_every_time(image: oci.Image) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    oci.write(image, first)
    oci.write(image, second)
    assert first.getvalue() == second.getvalue()


def test_an_image_holds_what_was_asked(image: oci.Image, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    oci.save(image, archive)
    assert oci.references(archive) == ["odin.local/test:1"]
    with tarfile.open(archive) as outer:
        largest = max(outer.getmembers(), key=lambda member: member.size)
        with tarfile.open(fileobj=outer.extractfile(largest)) as layer:
            entries = {entry.name: entry for entry in layer.getmembers()}
    assert stat.S_IMODE(entries["bin/program"].mode) == 0o755
    assert entries["bin/link"].linkname == "program"
    assert (entries["data"].uid, entries["data"].mode) == (65534, 0o750)
    assert entries["tmp"].mode == 0o1777
    assert {entry.mtime for entry in entries.values()} == {0}


def test_a_file_that_cannot_be_read_leaves_no_image(image: oci.Image, tmp_path: Path) -> None:
    (tmp_path / "program").unlink()
    target = tmp_path / "images"
    target.mkdir()
    with pytest.raises(FileNotFoundError):
        oci.save(image, target / "image.tar")
    assert list(target.iterdir()) == []


def test_the_root_file_system_s_name_follows_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rootfs.directory()
    monkeypatch.setattr(rootfs, "PACKAGES", (*rootfs.PACKAGES, "less"))
    assert rootfs.directory() != before


def test_setup_without_apt_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(setup.SetupError, match="Debian"):
        setup.install()


def test_a_process_is_more_than_its_number() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    try:
        known = process.Process.of(child.pid)
        assert known is not None and known.alive
        later = process.Process(child.pid, known.start + 1)
        assert not later.alive
        later.signal(9)
        assert child.poll() is None
        known.signal(9)
        child.wait(10)
        assert not known.alive
        assert process.Process.of(child.pid) is None
    finally:
        child.kill()
        child.wait()


class TestCredentials:
    """The identity of a cluster is kept; what does not fit any more is made anew."""

    def make(self, directory: Path, address: str = "10.231.0.11") -> dict[str, bytes]:
        subprocess.run(
            [
                paths.GUEST / "k3s-credentials",
                *(directory / name for name in ("server", "agent", "etc")),
                *("node", address, "https://127.0.0.1:6443"),
            ],
            check=True,
        )
        return {
            str(file.relative_to(directory)): file.read_bytes()
            for file in sorted(directory.rglob("*"))
            if file.is_file()
        }

    def test_a_second_run_changes_nothing(self, tmp_path: Path) -> None:
        assert self.make(tmp_path) == self.make(tmp_path)

    def test_a_new_address_renews_the_serving_certificates_alone(self, tmp_path: Path) -> None:
        before, after = self.make(tmp_path), self.make(tmp_path, "10.231.0.12")
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {
            *("server/tls/serving-kube-apiserver.crt", "server/tls/serving-kube-apiserver.key"),
            *("agent/serving-kubelet.crt", "agent/serving-kubelet.key"),
        }

    def test_another_authority_renews_what_the_old_one_signed(self, tmp_path: Path) -> None:
        before = self.make(tmp_path)
        for kind in ("crt", "key"):
            (tmp_path / f"server/tls/client-ca.{kind}").unlink()
        after = self.make(tmp_path)
        assert before["agent/client-kubelet.crt"] != after["agent/client-kubelet.crt"]
        assert before["agent/serving-kubelet.crt"] == after["agent/serving-kubelet.crt"]
        assert before["server/token"] == after["server/token"]

    def test_secrets_are_for_root_alone(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*.key")}
        assert modes == {0o600}
