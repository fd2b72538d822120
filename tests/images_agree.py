"""Tells whether the images that are built are those that bundles run.

    images_agree.py IMAGES.json BUNDLE...

An image that a bundle names and nobody built cannot be pulled without a
network; one that is built and named nowhere takes space for nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

# What only probes of `odin verify` and tests of charts start.
UNNAMED = {"odin.local/busybox"}


def images(value: Any) -> Iterator[str]:
    """Every `image` of every container below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "image" and isinstance(item, str):
                yield item
            else:
                yield from images(item)
    elif isinstance(value, list):
        for item in value:
            yield from images(item)


def named(bundle: Path) -> set[str]:
    """Images that the objects of a bundle run."""
    return {
        image
        for file in sorted(bundle.glob("*/*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        for image in images(document)
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--names-only", action="store_true", help="leave tags alone")
    chosen = parser.parse_args(arguments)

    def key(image: str) -> str:
        return image.rpartition(":")[0] if chosen.names_only else image

    built = {key(image) for image in json.loads(chosen.built.read_text())}
    problems = []
    wanted = set()
    for bundle in chosen.bundles:
        found = {key(image) for image in named(bundle)}
        if not found:
            problems.append(f"{bundle}: no object of it runs an image")
        problems += [f"{bundle}: {image} is not built" for image in sorted(found - built)]
        wanted |= found
    for image in sorted(built - wanted):
        name = image if chosen.names_only else image.rpartition(":")[0]
        if name not in UNNAMED:
            problems.append(f"{image} is built and no bundle runs it")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
