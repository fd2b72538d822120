"""`odin install` on loop devices: a real partition table, real writes, and the
disk as it is read afterwards. The image holds no system: nothing boots."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from odin_lab import odin
from odin_lab.shell import Shell
from scenarios import install as scenario

MIB = 1 << 20
# The boot partition, found by its type, and a root, as in the image.
TABLE = """label: gpt
start=2048, size=65536, type=U, name=ESP
start=67584, size=20480, type=L, name=nixos
"""
IMAGE_BYTES = 48 * MIB
DISK_BYTES = 64 * MIB
SITE = '[host]\nname = "gpu-01"\n'


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def image(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk image with the partitions of the real one, and its checksum."""
    odin.build()
    file = tmp_path_factory.mktemp("image") / "odin.img"
    sparse(file, IMAGE_BYTES)
    subprocess.run(["sfdisk", "--quiet", file], input=TABLE, check=True, text=True)
    # The boot partition ends 32 MiB after its begin; mkfs.vfat counts KiB.
    run("mkfs.vfat", "-n", "ESP", "--offset", "2048", file, str(32 * 1024))
    run("mkfs.ext4", "-q", "-L", "nixos", "-E", f"offset={33 * MIB}", file, "10m")
    file.with_name("odin.img.sha256").write_text(f"{digest(file)}  odin.img\n")
    return file


@pytest.fixture
def disk(lab: None, tmp_path: Path) -> Iterator[Path]:
    """An empty disk."""
    with attached(sparse(tmp_path / "disk", DISK_BYTES)) as device:
        yield device


@pytest.fixture
def precious(disk: Path) -> Path:
    """A disk with data on it."""
    run("mkfs.ext4", "-q", "-L", "precious", disk)
    return disk


@pytest.fixture
def stick(lab: None, tmp_path: Path) -> Iterator[Path]:
    """A stick with a seed on it."""
    with attached(sparse(tmp_path / "stick", 4 * MIB)) as device:
        run("mkfs.ext4", "-q", "-L", "ODIN-SEED", device)
        with mounted(device, tmp_path / "seed") as directory:
            (directory / "site.toml").write_text(SITE)
        yield device


def sparse(file: Path, size: int) -> Path:
    with file.open("wb") as empty:
        empty.truncate(size)
    return file


@contextlib.contextmanager
def attached(file: Path) -> Iterator[Path]:
    device = run("losetup", "--find", "--show", file).strip()
    try:
        yield Path(device)
    finally:
        run("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(device: Path, directory: Path) -> Iterator[Path]:
    directory.mkdir()
    run("mount", device, directory)
    try:
        yield directory
    finally:
        run("umount", directory)


def digest(file: Path, size: int | None = None) -> str:
    with file.open("rb") as content:
        return hashlib.sha256(content.read(-1 if size is None else size)).hexdigest()


def install(verb: str, image: Path, disk: Path | None, *more: str | Path) -> tuple[int, str]:
    """`odin install VERB`, with nobody to ask; its status and words."""
    where = ["--disk", f"path={disk}"] if disk else []
    done = subprocess.run(
        [odin.binary(), "install", verb, "--image", image, *where, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def partitions(disk: Path) -> dict[str, int]:
    """Partitions of a disk by their names, and where they begin, in bytes."""
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    return {entry["name"]: entry["start"] * 512 for entry in table["partitions"]}


def test_a_plan_shows_the_disk_and_changes_nothing(image, disk):
    before = digest(disk)
    status, words = install("plan", image, disk)
    assert status == 2, words
    assert str(disk) in words and "nothing that is known" in words
    assert digest(disk) == before
    # Nobody agreed.
    status, words = install("apply", image, disk)
    assert status == 1, words
    assert "--yes" in words
    assert digest(disk) == before


class Medium(Shell):
    """This host in place of the installation medium."""

    name = "medium"

    def __init__(self, programs: Path) -> None:
        self._path = f"{programs}:{os.environ['PATH']}"

    def command(self, *arguments: str) -> list[str]:
        return ["env", f"PATH={self._path}", *arguments]


def test_the_scenario_of_the_medium_up_to_the_reboot(image, disk, tmp_path):
    (tmp_path / "odin").symlink_to(odin.binary().resolve())
    scenario.write(Medium(tmp_path), str(image), str(disk))
    assert partitions(disk) == {"ESP": MIB, "nixos": 33 * MIB}


def test_an_empty_disk_gets_the_image(image, disk):
    status, words = install("apply", image, disk, "--yes")
    assert status == 0, words
    assert digest(disk, IMAGE_BYTES) == digest(image)
    assert digest(image) in words
    assert partitions(disk) == {"ESP": MIB, "nixos": 33 * MIB}


@pytest.mark.parametrize("erase", [[], ["--erase", "another"]])
def test_a_disk_with_data_is_refused_and_stays(image, precious, erase):
    before = digest(precious)
    status, words = install("apply", image, precious, "--yes", *erase)
    assert status == 1, words
    assert str(precious) in words and "precious" in words
    assert digest(precious) == before
    # What is mounted, or has a partition that is, is refused whatever is said.
    with mounted(precious, image.parent / "in-use"):
        status, words = install("apply", image, precious, "--yes", "--erase", str(precious))
        assert status == 1, words
        assert "in use" in words
    (image.parent / "in-use").rmdir()


def test_data_that_is_named_is_given_up(image, precious):
    status, words = install("apply", image, precious, "--yes", "--erase", str(precious))
    assert status == 0, words
    assert digest(precious, IMAGE_BYTES) == digest(image)


def test_a_damaged_image_and_a_small_disk_are_refused(image, disk, tmp_path):
    damaged = tmp_path / "odin.img"
    content = bytearray(image.read_bytes())
    content[IMAGE_BYTES // 2] ^= 1
    damaged.write_bytes(content)
    damaged.with_name("odin.img.sha256").write_text(f"{digest(image)}  odin.img\n")
    before = digest(disk)
    status, words = install("apply", damaged, disk, "--yes")
    assert status == 1, words
    assert "it is damaged" in words
    with attached(sparse(tmp_path / "small", 16 * MIB)) as small:
        status, words = install("apply", image, small, "--yes")
        assert status == 1, words
        assert f"it has {16 * MIB} bytes" in words
    assert digest(disk) == before


def test_a_seed_installs_unattended_and_leaves_the_hosts_own_values(
    image, precious, stick, tmp_path
):
    # A seed that says nothing about the disk is no consent.
    status, words = install("apply", image, precious, "--seed", stick)
    assert status == 1, words
    with mounted(stick, tmp_path / "consent") as directory:
        consent = f'disk = "path={precious}"\nerase = "{precious}"\n'
        (directory / "install.toml").write_text(consent)
    status, words = install("apply", image, None, "--seed", stick)
    assert status == 0, words
    boot = f"{precious}@@{MIB}"
    assert run("mtype", "-i", boot, "::odin-site.toml") == SITE
    with precious.open("rb") as written:
        written.seek(MIB)
        (tmp_path / "boot").write_bytes(written.read(32 * MIB))
    run("fsck.vfat", "-n", tmp_path / "boot")
    # Behind the boot partition it is the image, and the seed is not written to.
    with precious.open("rb") as written, image.open("rb") as expected:
        written.seek(33 * MIB)
        expected.seek(33 * MIB)
        assert written.read(10 * MIB) == expected.read(10 * MIB)
    with mounted(stick, tmp_path / "again") as directory:
        assert (directory / "site.toml").read_text() == SITE


@pytest.mark.parametrize(
    ("site", "named"),
    [
        ("[apply]\nprune-limit = 1000\n", "apply"),
        ('[host]\nname = "gpu_01"\n', "host.name"),
        # What sshd would pass over: nobody could log in to what was installed.
        ('[access]\nauthorized-keys = ["ssh-ed25519 AAAAC3Nz"]\n', "access.authorized-keys[0]"),
    ],
)
def test_a_seed_that_says_what_a_host_cannot_be_is_refused(
    image, disk, stick, tmp_path, site, named
):
    with mounted(stick, tmp_path / "wrong") as directory:
        (directory / "site.toml").write_text(site)
    before = digest(disk)
    for verb in (["plan"], ["apply", "--yes"]):
        status, words = install(verb[0], image, disk, *verb[1:], "--seed", stick)
        assert status == 64, words
        assert named in words
    assert digest(disk) == before
