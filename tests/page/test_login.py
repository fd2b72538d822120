"""Who is let in, who is not, and what they are told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from box import Box
from chromium import Visitor
from playwright.sync_api import expect

Comes = Callable[..., Visitor]


def test_a_token_opens_the_page_and_logging_out_closes_it(comes: Comes, reader: str) -> None:
    visitor = comes()
    page = visitor.opens("/alerts")
    assert page.url.endswith("/login")
    page = visitor.logs_in(reader)
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    (cookie,) = visitor.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert not visitor.context.cookies()
    # Nor is anything left to go back to.
    page.go_back()
    expect(page.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize(
    ("scope", "reason"), [("", "no token of this machine"), ("metrics", "scope read")]
)
def test_a_token_that_is_not_good_is_refused_in_words(
    comes: Comes, box: Box, scope: str, reason: str
) -> None:
    visitor = comes()
    visitor.expected = "40"
    page = visitor.logs_in(box.token(scope)[1] if scope else "odin_0123456789")
    expect(page.get_by_role("alert")).to_contain_text(reason)
    described = page.get_by_label("Token").get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == page.get_by_role("alert").inner_text()
    assert not visitor.context.cookies()


def test_whoever_is_shut_out_is_told_why(comes: Comes, box: Box) -> None:
    visitor = comes()
    visitor.expected = "401"
    name, token = box.token()
    expect(visitor.logs_in(token).get_by_role("heading", level=1)).to_have_text("Status")
    box.machine.succeed(f"odin token revoke {name}")
    page = visitor.opens("/alerts")
    expect(page.get_by_role("alert")).to_contain_text("revoked")


def test_a_page_that_is_open_when_its_token_expires_says_so(comes: Comes, box: Box) -> None:
    visitor = comes()
    visitor.expected = "401"
    visitor.page.clock.install()
    page = visitor.logs_in(box.token(expires="20s")[1])
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    alert = page.get_by_role("alert")
    deadline = time.monotonic() + 90
    while not alert.count() and time.monotonic() < deadline:
        page.clock.run_for(10_000)
        # Of the clock on the wall, which is the token's.
        time.sleep(1)
    expect(alert).to_contain_text("expired")


def test_runbooks_are_for_everybody_and_nothing_else_is_offered(comes: Comes) -> None:
    visitor = comes()
    page = visitor.opens("/login")
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.all_inner_texts() == ["Runbooks"]
    links.click()
    page.get_by_role("link", name="TargetDown").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("TargetDown")
    assert "gpu-01" not in page.locator(".brand").inner_text()
