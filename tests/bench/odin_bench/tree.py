"""A mixed tree of files, the same for the same seed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 20261123
MIB = 1 << 20


@dataclass(frozen=True)
class Shape:
    """How much of what."""

    texts: int
    random_mib: int
    logs_mib: int
    rows: int

    def describe(self) -> str:
        return (
            f"{self.texts:,} small text files, {self.random_mib:,} MiB that do not compress,"
            f" {self.logs_mib} MiB of logs, one SQLite database"
        )


FULL = Shape(texts=20_000, random_mib=1228, logs_mib=480, rows=300_000)
QUICK = Shape(texts=500, random_mib=24, logs_mib=8, rows=3_000)


def grow(directory: Path, shape: Shape) -> int:
    """Writes the tree and returns its bytes."""
    chance = random.Random(SEED)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=length)) for length in _LENGTHS]
    written = _texts(directory / "texts", chance, words, shape.texts)
    written += _fill(
        directory / "random", "bin", shape.random_mib * MIB, chance, lambda: chance.randbytes(MIB)
    )
    written += _fill(
        directory / "logs", "log", shape.logs_mib * MIB, chance, lambda: _log(chance, words)
    )
    return written + _database(directory / "data/state.db", chance, words, shape.rows)


_LENGTHS = [2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 11] * 60


def _texts(directory: Path, chance: random.Random, words: list[str], count: int) -> int:
    written = 0
    for number in range(count):
        folder = directory / f"{number // 1000:02}" / f"{number // 50 % 20:02}"
        folder.mkdir(parents=True, exist_ok=True)
        text = " ".join(chance.choices(words, k=chance.randrange(20, 2600))).encode()
        (folder / f"{number:05}.txt").write_bytes(text)
        written += len(text)
    return written


def _fill(
    directory: Path, suffix: str, size: int, chance: random.Random, block: Callable[[], bytes]
) -> int:
    """Files of 1 to 64 MiB until they hold `size` bytes."""
    directory.mkdir(parents=True)
    written = number = 0
    while written < size:
        wanted = min(chance.choice((1, 2, 4, 8, 16, 64)) * MIB, size - written)
        with open(directory / f"{number:03}.{suffix}", "wb") as file:
            length = 0
            while length < wanted:
                length += file.write(block()[: wanted - length])
        written += wanted
        number += 1
    return written


def _log(chance: random.Random, words: list[str]) -> bytes:
    """About a MiB of lines as programs write them."""
    lines = []
    for _ in range(7000):
        moment = f"2026-11-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:14:07.000Z"
        level = chance.choice(("INFO", "INFO", "INFO", "WARN", "ERROR"))
        said = " ".join(chance.choices(words, k=12))
        lines.append(f"{moment} {level} component={chance.choice(words[:20])} {said}\n")
    return "".join(lines).encode()


def _database(file: Path, chance: random.Random, words: list[str], rows: int) -> int:
    file.parent.mkdir(parents=True)
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE kine (id INTEGER PRIMARY KEY, name TEXT, value BLOB)")
    database.execute("CREATE INDEX kine_name ON kine (name)")
    database.executemany(
        "INSERT INTO kine (name, value) VALUES (?, ?)",
        (
            ("/".join(chance.choices(words, k=4)), " ".join(chance.choices(words, k=80)).encode())
            for _ in range(rows)
        ),
    )
    database.commit()
    database.close()
    return file.stat().st_size
