"""docs/reference is what the declarations say. UPDATE_REFERENCE=1 writes it again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from odin_nix import tools

REFERENCE = tools.ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages(library: Path) -> dict[str, Any]:
    source = tools.ROOT / "nixos" / "reference.nix"
    return tools.evaluate(f"import {source} {{ lib = import {library}; }}")


@pytest.mark.parametrize("name", ["options", "compatibility"])
def test_page_is_fresh(pages: dict[str, Any], name: str) -> None:
    page = REFERENCE / f"{name}.md"
    if os.environ.get("UPDATE_REFERENCE") == "1":
        page.write_text(pages[name])
    assert page.read_text() == pages[name], "UPDATE_REFERENCE=1 make nix-check writes it again"


def test_every_option_is_described_with_an_example(pages: dict[str, Any]) -> None:
    assert pages["incomplete"] == []
    assert pages["options"].count("\n### `odin.") > 50
