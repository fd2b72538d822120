"""Tells whether files are well-formed YAML or TOML, by their suffix.

Without arguments it looks at every file of the repository.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def problem(path: Path) -> str | None:
    """What is wrong with a file, or None."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            tomllib.loads(text)
        else:
            for _document in yaml.safe_load_all(text):
                pass
    except (
        OSError,
        UnicodeDecodeError,
        tomllib.TOMLDecodeError,
        yaml.YAMLError,
    ) as error:
        return f"{path}: {error}"
    return None


def tracked() -> list[str]:
    """Every YAML and TOML file of the repository; templates are neither yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.yaml", "*.yml", "*.toml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and "/templates/" not in name]
    return [str(ROOT / name) for name in names if (ROOT / name).is_file()]


def main(arguments: list[str]) -> int:
    problems = [found for found in map(problem, map(Path, arguments or tracked())) if found]
    for found in problems:
        print(found, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
