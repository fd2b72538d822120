"""The VM tests evaluate: their machines and the script that drives them."""

from __future__ import annotations

import pytest

from odin_nix import tools
from odin_nix.checker import Checker

VM = tools.ROOT / "tests" / "vm"
# What tests/vm/default.nix hands to the tests besides packages.
ARGUMENTS = (
    "--arg",
    'installedImage=fake "odin-image" null { passthru.filePath = "odin.img"; }',
)
TESTS = sorted(file.stem for file in VM.glob("*.nix") if file.stem not in ("default", "machine"))


def test_the_declared_ones_are_there() -> None:
    wanted = {
        "phase1",
        "phase2",
        "phase3",
        "install",
        "upgrade-good",
        "upgrade-bad",
        "restore",
        "powercut",
    }
    assert wanted <= set(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_evaluates(check: Checker, name: str) -> None:
    done = check.run("--vm-test", VM / f"{name}.nix", *ARGUMENTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test script compiles" in done.stdout


@pytest.mark.parametrize("name", TESTS)
def test_script_calls_a_scenario(name: str) -> None:
    # What is asserted lies in tests/vm/scenarios, where the lab finds it too.
    text = (VM / f"{name}.nix").read_text()
    module = name.replace("-", "_").removesuffix("_good").removesuffix("_bad")
    assert f"import {module}" in text
    assert (VM / "scenarios" / f"{module}.py").is_file()
