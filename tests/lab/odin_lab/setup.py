"""Installs the Debian packages the lab needs on this host.

Says what it does, does nothing when all is there, and may be run any number
of times.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

# Package, and what the lab does with it.
PACKAGES = {
    "busybox-static": "the shell and applets of the test image",
    "debootstrap": "the root file system of the machines",
    "dosfstools": "the boot partition of the image that installation is tried with",
    "fdisk": "its partition table",
    "mtools": "a look into its boot partition",
    "gcc": "the pause program, and SQLite inside kine",
    "iproute2": "the bridge between the machines",
    "libc6-dev": "static linking of the pause program",
    "nix-bin": "parsing and evaluating the Nix files",
    "openssl": "the credentials of a cluster",
    "shellcheck": "the check of shell scripts",
    "restic": "the judge of ODIN's backup repository",
    "sqlite3": "a look into a datastore",
    "systemd-container": "systemd-nspawn",
    "util-linux": "nsenter",
}

# What only the tests of the web page need (tests/page).
BROWSER = {
    "chromium": "the browser the web page is tried in",
    "fonts-dejavu-core": "letters for it",
    "libnss3-tools": "certutil, so that it trusts a machine's authority",
}


class SetupError(Exception):
    """The host lacks something that could not be installed."""


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """Packages that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
    )
    installed = {
        line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
    }
    return [name for name in packages if name not in installed]


def install(say=print, packages: Mapping[str, str] = PACKAGES) -> None:
    """Installs what is missing of some packages, those of the lab where none are named.

    Raises SetupError when this is no Debian, the user is not root, or apt fails.
    """
    try:
        wanted = missing(packages)
    except FileNotFoundError as error:
        raise SetupError("the lab needs Debian 12 or alike: there is no dpkg-query here") from error
    if not wanted:
        return
    for name in wanted:
        say(f"installing {name}: {packages[name]}")
    if os.geteuid() != 0:
        raise SetupError(f"installing needs root; run: sudo apt-get install {' '.join(wanted)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may be at work, on a fresh machine quite likely.
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        done = subprocess.run(
            [*apt, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A source that cannot be reached fails `update`; what is needed may
        # still be in the lists, so only the installation decides.
        if done.returncode != 0 and arguments[0] == "install":
            raise SetupError(f"apt-get {' '.join(arguments)} failed:\n{done.stdout}")


def main() -> int:
    try:
        install(say=lambda line: print(line, file=sys.stderr, flush=True))
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
