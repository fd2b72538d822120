"""Charts that move, and what they are to somebody who does not see them."""

from __future__ import annotations

from chromium import Visitor
from playwright.sync_api import Page, expect

UTILISATION = "Utilisation of GPU 0"
LINE = "() => document.querySelector('section polyline')?.getAttribute('points')"
# The exporter is scraped every 15 seconds, a chart is kept for ten.
SOON = 60_000


def now(page: Page) -> str:
    return page.locator("section figcaption strong").first.inner_text()


def wait_for_charts(visitor: Visitor) -> Page:
    """The page, once the GPUs have been read for a while."""
    page = visitor.opens("/gpus")
    expect(page.locator("figure")).to_have_count(8, timeout=SOON)
    return page


def test_charts_come_up_to_date_by_themselves(visitor: Visitor) -> None:
    page = wait_for_charts(visitor)
    page.evaluate("window.same = true")
    value, line = now(page), page.evaluate(LINE)
    # What somebody opened stays open, and the focus where it is.
    summary = page.get_by_text("The charts as a table").first
    summary.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "([value, line]) => document.querySelector('section figcaption strong').innerText !== value"
        " && document.querySelector('section polyline').getAttribute('points') !== line",
        arg=[value, line],
        timeout=SOON,
    )
    assert page.evaluate("window.same"), "it was not loaded again"
    assert page.locator("details").first.get_attribute("open") is not None
    assert page.evaluate("document.activeElement.id") == "gpu-0-summary"


def test_updates_can_be_paused(visitor: Visitor) -> None:
    visitor.page.clock.install()
    page = visitor.opens("/gpus")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    pause = page.get_by_role("button", name="Pause updates")
    pause.click()
    assert pause.get_attribute("aria-pressed") == "true"
    page.clock.run_for(60_000)
    assert not [url for url in asked if url.endswith("/gpus")]
    with page.expect_request("**/gpus"):
        pause.click()


def test_a_chart_is_a_picture_with_words_and_a_table(visitor: Visitor) -> None:
    page = wait_for_charts(visitor)
    picture = page.get_by_role("img", name=UTILISATION)
    expect(picture).to_have_accessible_name(f"{UTILISATION} over the last half hour")
    assert "Now " in picture.locator("desc").text_content()
    page.evaluate("document.getElementById('live').click()")
    page.get_by_text("The charts as a table").first.click()
    table = page.get_by_role("table").first
    headers = table.get_by_role("columnheader").all_inner_texts()
    assert headers == ["When", "Utilisation", "Memory used", "Temperature", "Power"]
    rows = table.get_by_role("row")
    expect(rows).to_have_count(8)
    latest = rows.nth(1).get_by_role("cell").all_inner_texts()
    assert latest[0] == now(page), latest
    # Before the machine was there, nothing was read, and that is no zero.
    assert set(rows.nth(7).get_by_role("cell").all_inner_texts()) == {"no reading"}
