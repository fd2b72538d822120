"""What the pages show of what was done on the machine."""

from __future__ import annotations

import json

import pytest
from box import EVIL, Box
from chromium import Visitor
from playwright.sync_api import Page, expect
from walk import OPEN_ALL, PAGES


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_by_its_address_and_says_where_one_is(visitor: Visitor, path: str) -> None:
    page = visitor.opens(path)
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[path])
    assert page.title() == f"{PAGES[path]} · gpu-01 · ODIN"
    if not path.startswith("/runbooks/"):
        current = page.get_by_role("navigation").locator("[aria-current=page]")
        assert current.get_attribute("href") == path


def test_the_history_shows_the_difference(visitor: Visitor) -> None:
    page = visitor.opens("/history")
    newest = page.get_by_role("article").first
    expect(newest.get_by_role("heading")).to_contain_text("succeeded")
    expect(newest).to_contain_text("ResourceQuota workloads/total")
    pods = newest.locator(".diff").filter(has_text="spec.hard.pods")
    expect(pods.locator("del")).to_have_text("was 30")
    expect(pods.locator("ins")).to_have_text("is 77")
    oldest = page.get_by_role("article").last
    oldest.get_by_text("changes").click()
    expect(oldest).to_contain_text("created")
    expect(oldest).to_contain_text("Namespace monitoring")


def test_backups_drills_and_restores_are_told(visitor: Visitor, box: Box) -> None:
    page = visitor.opens("/backups")
    snapshots = json.loads(box.machine.succeed("odin --json backup list"))
    text = json.dumps(snapshots)
    for title in ("Taken", "Begun"):
        table = page.get_by_role("table").filter(has_text=title)
        identifier = table.locator("td[data-label=Snapshot]").first.inner_text()
        assert len(identifier) == 8 and identifier in text, text
    expect(page.get_by_role("table").filter(has_text="Begun")).to_contain_text("passed")
    expect(page.get_by_role("table").filter(has_text="Machine down")).to_contain_text("41.2 s")


def test_alerts_are_listed_with_their_runbooks(visitor: Visitor) -> None:
    page = visitor.opens("/alerts")
    for name in ("LogErrorBurst", "Watchdog"):
        alert = page.get_by_role("article").filter(has_text=name)
        expect(alert).to_have_count(1)
        link = alert.get_by_role("link", name=f"Runbook of {name}")
        assert link.get_attribute("href") == f"/runbooks/{name}"
    page.get_by_role("link", name="Runbook of LogErrorBurst").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("LogErrorBurst")
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()


def test_what_is_wrong_leads_to_its_runbook(page: Page) -> None:
    page.get_by_role("link", name="the runbook LogErrorBurst").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("LogErrorBurst")


def test_runbooks_are_found_by_name(visitor: Visitor) -> None:
    page = visitor.opens("/runbooks")
    entries = page.get_by_role("main").get_by_role("listitem")
    everything = entries.count()
    page.get_by_label("Find by name").fill("gpuxid")
    expect(page.get_by_role("status").filter(has_text=f"of {everything}")).to_be_visible()
    found = entries.all_inner_texts()
    assert "GpuXidReset" in found and len(found) < everything
    assert all("gpuxid" in name.lower() for name in found), found


@pytest.mark.parametrize("path", ["/", "/alerts", "/history"])
def test_what_others_wrote_is_text_and_nothing_else(visitor: Visitor, path: str) -> None:
    page = visitor.opens(path)
    page.evaluate(OPEN_ALL)
    text = page.get_by_role("main").inner_text()
    assert EVIL in text.replace('\\"', '"'), text
    assert page.title() != "taken"
    # The one script and the one picture are the page's own.
    assert page.locator("main script, main img").count() == 0


def test_an_address_that_leads_nowhere_is_a_page_for_people(visitor: Visitor) -> None:
    visitor.expected = "404"
    page = visitor.opens("/runbooks/NoSuchAlert")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not Found")
    page.get_by_role("link", name="To the status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
