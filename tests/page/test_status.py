"""What is wrong and what to do next is on the first page, as it happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from box import LOST, Box, work
from chromium import Visitor
from playwright.sync_api import Page, expect

SOON = 90_000
"""Milliseconds in which an open page shows what happened: it asks every ten
seconds, and what it asks for was seen within five."""


@pytest.fixture
def lost(box: Box) -> Iterator[None]:
    """GPU 1 is lost to the driver."""
    work(box, LOST)
    yield
    work(box)
    box.machine.wait_until_succeeds("odin gpu health", 60)


def trouble(page: Page, text: str):
    return page.get_by_role("main").get_by_role("listitem").filter(has_text=text)


def test_what_is_wrong_comes_with_what_to_do_and_goes_when_it_is_done(box: Box, page: Page) -> None:
    page.evaluate("window.same = true")
    suspended = trouble(page, "the repair of drift is suspended")
    expect(suspended).to_have_count(0)
    box.machine.succeed("odin suspend")
    try:
        expect(suspended).to_contain_text("Next: odin resume", timeout=SOON)
        expect(page.locator(".hero")).to_contain_text("wrong")
    finally:
        box.machine.succeed("odin resume")
    expect(suspended).to_have_count(0, timeout=SOON)
    assert page.evaluate("window.same"), "the page came up to date without being loaded again"


def test_a_lost_gpu_is_critical_and_first(visitor: Visitor, lost: None) -> None:
    page = visitor.opens("/")
    gone = trouble(page, "GPU 1: lost").first
    expect(gone).to_contain_text("critical", timeout=SOON)
    expect(gone).to_contain_text("Next:")
    first = page.get_by_role("main").get_by_role("listitem").first
    expect(first).to_contain_text("critical")
    tile = trouble(page, "GPUs").filter(has_text="1 of 2")
    expect(tile).to_have_class("card bad")
    tile.get_by_role("link", name="GPUs").click()
    expect(page.get_by_role("heading", name="GPU 1")).to_contain_text("failed")


def test_a_machine_that_is_silent_is_not_taken_for_well(box: Box, visitor: Visitor) -> None:
    visitor.expected = "ERR_CONNECTION"
    page = visitor.opens("/")
    stale = page.locator("#stale")
    expect(stale).to_be_hidden()
    box.machine.succeed("systemctl stop odin.service")
    try:
        expect(stale).to_contain_text("not up to date", timeout=SOON)
    finally:
        box.machine.succeed("systemctl start odin.service")
    expect(stale).to_be_hidden(timeout=SOON)


def test_the_tiles_lead_to_their_pages(visitor: Visitor) -> None:
    page = visitor.opens("/")
    tiles = page.locator(".tiles")
    paths = [link.get_attribute("href") for link in tiles.get_by_role("link").all()]
    assert paths == ["/components", "/gpus", "/alerts", "/backups", "/backups", "/history"]
    expect(tiles).to_contain_text("6 of 6", timeout=SOON)
    expect(tiles).to_contain_text("passed", timeout=SOON)
