"""The page on a phone, by keyboard, read aloud, in the dark, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from chromium import PHONE, Visitor
from playwright.sync_api import expect
from walk import OPEN_ALL, PAGES

Comes = Callable[..., Visitor]

# What is reached, how it looks while it has the focus, and whether it is in sight.
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    tag: element.tagName,
    name: element.getAttribute("href") ?? element.id ?? "",
    text: element.textContent,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    seen: box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight,
  };
}"""
REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, summary")]
  .filter((element) => element.checkVisibility()).length"""


@pytest.mark.parametrize("path", PAGES)
def test_every_link_is_reached_by_keyboard_and_seen(visitor: Visitor, path: str) -> None:
    page = visitor.opens(path)
    # What comes up to date while it is walked has its own test. No click of the
    # mouse, which would move the focus.
    page.evaluate("document.getElementById('live')?.click()")
    for number in range(count := page.evaluate(REACHABLE)):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["outline"] >= 2 and focused["seen"], (number, focused)
        if number == 0:
            assert focused["text"] == "Skip to the content"
    assert count >= 9
    # The focus leaves the page after the last of them: nothing holds it.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body")


def test_the_skip_link_leads_to_the_content(visitor: Visitor) -> None:
    page = visitor.opens("/alerts")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_person_logs_in_and_out_by_keyboard(comes: Comes, reader: str) -> None:
    page = comes().opens("/login")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type(reader)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    for _ in range(9):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]
)
def test_axe_finds_nothing_against_wcag(comes: Comes, reader: str, size: str, scheme: str) -> None:
    options = {"color_scheme": scheme} | ({"viewport": PHONE} if size == "phone" else {})
    visitor = comes(**options)
    visitor.opens("/login")
    found = visitor.complaints()
    visitor.has_logged_in(reader)
    for path in PAGES:
        visitor.opens(path).evaluate(OPEN_ALL)
        found += visitor.complaints()
    assert not found, "\n".join(found)


def test_a_phone_scrolls_in_one_direction(comes: Comes, reader: str) -> None:
    visitor = comes(viewport=PHONE, is_mobile=True, has_touch=True)
    wide = {}
    visitor.has_logged_in(reader)
    for path in PAGES:
        page = visitor.opens(path)
        page.evaluate(OPEN_ALL)
        wide[path] = page.evaluate("document.documentElement.scrollWidth")
    assert set(wide.values()) == {PHONE["width"]}, wide


def test_rows_of_a_table_are_blocks_on_a_phone_and_still_rows_to_a_screen_reader(
    comes: Comes, reader: str
) -> None:
    visitor = comes(viewport=PHONE)
    visitor.has_logged_in(reader)
    page = visitor.opens("/components")
    row = page.get_by_role("row").filter(has_text="prometheus")
    expect(row.get_by_role("rowheader")).to_have_text("prometheus")
    expect(row.get_by_role("cell")).to_have_count(3)
    label = row.get_by_role("cell").first.evaluate("it => getComputedStyle(it, '::before').content")
    assert "Health" in label


def test_light_and_dark_follow_the_system(comes: Comes) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = comes(color_scheme=scheme).opens("/login")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = ([int(part) for part in ground[4:-1].split(",")] for ground in grounds)
    assert min(light) > 200 and max(dark) < 60, grounds


def test_all_can_be_read_without_javascript(comes: Comes, reader: str) -> None:
    visitor = comes(java_script_enabled=False)
    visitor.has_logged_in(reader)
    for path, heading in PAGES.items():
        page = visitor.opens(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert not page.get_by_role("button", name="Pause updates").is_visible()
    page = visitor.opens("/gpus")
    expect(page.get_by_role("img", name="Utilisation of GPU 0")).to_be_visible()
    page.get_by_text("The charts as a table").first.click()
    expect(page.get_by_role("cell").first).to_be_visible()
    expect(page.get_by_text("Reload the page")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
