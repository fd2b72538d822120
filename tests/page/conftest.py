"""Fixtures: a machine with its daemon, and people with browsers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / "tests" / "vm")]

import box as boxes
from chromium import Visitor, running_chromium
from odin_lab import setup
from playwright.sync_api import Browser, Page

pytest_plugins = ["odin_lab.fixtures"]


def say(line: str) -> None:
    print(line, file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def box(lab: None) -> Iterator[boxes.Box]:
    """The machine. Shared by all tests: each leaves it well."""
    setup.install(say, setup.BROWSER)
    with boxes.running_box(say) as running:
        yield running


@pytest.fixture(scope="session")
def browser(box: boxes.Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium that trusts the machine."""
    authority = box.machine.succeed("cat /var/lib/odin/tls/ca.crt")
    with running_chromium(tmp_path_factory.mktemp("home"), authority) as started:
        yield started


@pytest.fixture(scope="session")
def reader(box: boxes.Box) -> str:
    """A token that may read."""
    return box.token()[1]


@pytest.fixture
def comes(browser: Browser, box: boxes.Box) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; nothing may go wrong in their browsers."""
    visitors: list[Visitor] = []

    def come(**options: object) -> Visitor:
        visitors.append(Visitor.comes(browser, box, **options))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leaves()


@pytest.fixture
def visitor(comes: Callable[..., Visitor], reader: str) -> Visitor:
    """Somebody who has logged in."""
    come = comes()
    come.has_logged_in(reader)
    return come


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """The first page, seen by somebody who has logged in."""
    return visitor.opens("/")
