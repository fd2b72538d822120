"""Builds the Go tools of the lab once, into a cache keyed by their pins.

A tool's key is the SHA-256 of its go.mod, its go.sum, its own Go files where it
has some, and its entry in tools.toml: the same pins are never built twice,
changed pins never reuse an old binary.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from odin_lab import paths


class ToolError(Exception):
    """A tool could not be built; the message says which and why."""


@dataclass(frozen=True)
class Tool:
    """One entry of tools.toml."""

    name: str
    packages: tuple[str, ...]
    tags: tuple[str, ...]
    ldflags: tuple[str, ...]
    cgo: bool
    seconds: int
    late: bool = False
    """Whether `make run` goes on without it until it is there."""

    @property
    def module(self) -> Path:
        return paths.TOOLS / self.name

    @property
    def binaries(self) -> tuple[str, ...]:
        return tuple(package.rsplit("/", 1)[-1] for package in self.packages)

    @property
    def key(self) -> str:
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            digest.update((self.module / name).read_bytes())
        for path in sorted(self.module.glob("*.go")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        entry = [self.packages, self.tags, self.ldflags, self.cgo]
        digest.update(json.dumps(entry).encode())
        return digest.hexdigest()[:16]

    @property
    def directory(self) -> Path:
        return paths.cache() / "tools" / f"{self.name}-{self.key}"

    @property
    def built(self) -> bool:
        # The directory appears by rename when it is complete.
        return self.directory.is_dir()


def load() -> dict[str, Tool]:
    """Reads tools.toml."""
    table = tomllib.loads((paths.TOOLS / "tools.toml").read_text())
    return {
        name: Tool(
            name=name,
            packages=tuple(entry["packages"]),
            tags=tuple(entry.get("tags", ())),
            ldflags=tuple(entry.get("ldflags", ())),
            cgo=entry.get("cgo", False),
            seconds=entry["seconds"],
            late=entry.get("late", False),
        )
        for name, entry in table.items()
    }


def binary(name: str) -> Path:
    """Path of a built binary, for example `binary("kubectl")`.

    Raises ToolError when it is unknown or not built yet.
    """
    for tool in load().values():
        if name in tool.binaries:
            if not tool.built:
                raise ToolError(f"{name} is not built: run `make tools`")
            return tool.directory / name
    raise ToolError(f"no tool of the lab provides a binary {name!r}")


def build(names: list[str] | None = None, say=print) -> None:
    """Builds the named tools (all when None), in the order given."""
    table = load()
    unknown = [name for name in names or [] if name not in table]
    if unknown:
        raise ToolError(f"unknown tools {', '.join(unknown)}; known: {', '.join(table)}")
    wanted = [table[name] for name in names or table if not table[name].built]
    for position, tool in enumerate(wanted, start=1):
        left = sum(later.seconds for later in wanted[position - 1 :])
        say(
            f"[{position}/{len(wanted)}] building {tool.name}"
            f" (about {duration(tool.seconds)}; {duration(left)} for all that is left)"
        )
        started = time.monotonic()
        with _lock(tool):
            if not tool.built:
                _compile(tool)
        took = duration(time.monotonic() - started)
        say(f"[{position}/{len(wanted)}] {tool.name} built in {took}")


def duration(seconds: float) -> str:
    """`75` -> `1 min 15 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _lock(tool: Tool):
    directory = paths.cache() / "tools"
    directory.mkdir(parents=True, exist_ok=True)
    handle = open(directory / f".{tool.name}.lock", "w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle  # closing it, at the end of `with`, releases the lock


def _compile(tool: Tool) -> None:
    if shutil.which("go") is None:
        raise ToolError(f"cannot build {tool.name}: no `go` in PATH; install Go 1.26 or newer")
    with tempfile.TemporaryDirectory(dir=paths.cache() / "tools", prefix=".build-") as scratch:
        output = Path(scratch) / "bin"
        output.mkdir()
        command = [
            "go",
            "build",
            "-mod=readonly",
            "-trimpath",
            "-tags=" + ",".join(tool.tags),
            "-ldflags=" + " ".join(("-s", "-w", *tool.ldflags)),
            f"-o={output}/",
            *tool.packages,
        ]
        environment = {**os.environ, "CGO_ENABLED": "1" if tool.cgo else "0", "GOFLAGS": ""}
        done = subprocess.run(
            command,
            cwd=tool.module,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            raise ToolError(f"cannot build {tool.name}: {' '.join(command)}\n{done.stderr}")
        output.rename(tool.directory)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="odin_lab.tools", description=__doc__)
    parser.add_argument("names", nargs="*", help="tools to build (default: all)")
    chosen = parser.parse_args(arguments)
    # So that a build that is ended takes its scratch directory with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        build(chosen.names or None, say=lambda line: print(line, file=sys.stderr, flush=True))
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
