"""Tells whether files are well-formed YAML or TOML, by their suffix."""

import sys
import tomllib
from pathlib import Path

import yaml


def problem(path: Path) -> str | None:
    """What is wrong with a file, or None."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            tomllib.loads(text)
        else:
            for _document in yaml.safe_load_all(text):
                pass
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        return f"{path}: {error}"
    return None


def main(arguments: list[str]) -> int:
    problems = [found for found in map(problem, map(Path, arguments)) if found]
    for found in problems:
        print(found, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
