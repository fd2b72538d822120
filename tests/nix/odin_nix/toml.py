"""TOML from a value, as much of it as a declaration has."""

from __future__ import annotations

import json
from typing import Any


def render(value: dict[str, Any]) -> str:
    """A document: one line a key, everything below it inline."""
    return "".join(f"{json.dumps(key)} = {inline(item)}\n" for key, item in value.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {inline(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    # Strings, integers and booleans are written alike in JSON and TOML.
    assert isinstance(value, (str, int, bool)), f"TOML has no {value!r}"
    return json.dumps(value, ensure_ascii=False)
