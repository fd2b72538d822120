"""Chromium, trusting one machine's authority, and a witness of what a page does in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from box import Box
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 640}

# Chromium says it of every violation, but says it to the console only.
VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(event.violatedDirective + " " + event.blockedURI));
"""

# The machine admits ten requests a second of one address, sixty at once; a suite
# asks faster than a person clicks.
WINDOW, ADMITTED = 4.0, 45

HOST = "ERR_NETWORK_CHANGED"
"""Another machine of the lab came or went: the host's networks are others, and
Chromium begins anew."""

# On a machine that does much else a page takes its time.
expect.set_options(timeout=20_000)

_asked: deque[float] = deque()


@contextmanager
def running_chromium(home: Path, authority: str) -> Iterator[Browser]:
    """Debian's Chromium; what it trusts besides is the machine's authority."""
    program = shutil.which("chromium")
    assert program, "there is no chromium: apt-get install chromium libnss3-tools"
    _trust(home, authority)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # Root may not have a sandbox; the one page it opens is ours.
            args=["--no-sandbox", "--no-proxy-server"],
            env={**os.environ, "HOME": str(home)},
        )
        yield browser
        browser.close()


def _trust(home: Path, authority: str) -> None:
    """Puts a certificate where Chromium looks for its user's authorities."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certificate = home / "ca.crt"
    certificate.write_text(authority)
    for arguments in (
        ["-N", "--empty-password"],
        ["-A", "-n", "odin", "-t", "C,,", "-i", str(certificate)],
    ):
        subprocess.run(["certutil", "-d", f"sql:{database}", *arguments], check=True)


@dataclass
class Visitor:
    """Somebody with a browser, and all that went wrong in it."""

    box: Box
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)
    expected: str = ""
    """What the console may complain of, because the test asks for it."""

    @classmethod
    def comes(cls, browser: Browser, box: Box, **options: object) -> Visitor:
        """A new visitor, who has no cookie."""
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        context.set_default_timeout(30_000)
        context.add_init_script(VIOLATIONS)
        visitor = cls(box, context, context.new_page())
        context.on("request", visitor._note_request)
        context.on("console", visitor._note_console)
        context.on("weberror", lambda error: visitor.wrong.append(str(error.error)))
        return visitor

    def opens(self, path: str) -> Page:
        """Opens a page by its address."""
        while sum(time.monotonic() - at < WINDOW for at in _asked) > ADMITTED:
            self.page.wait_for_timeout(100)
        for last in (False, False, True):
            try:
                self.page.goto(f"{self.box.url}{path}")
                break
            except Error as error:
                if last or HOST not in error.message:
                    raise
        return self.page

    def logs_in(self, token: str) -> Page:
        """Logs in as a person does."""
        page = self.opens("/login")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_load_state()
        return page

    def has_logged_in(self, token: str) -> None:
        """Gives the visitor the cookie that a login leaves; `test_login.py` gets it."""
        self.context.add_cookies(
            [
                {
                    "name": "__Host-odin",
                    "value": token,
                    "url": self.box.url,
                    "httpOnly": True,
                    "secure": True,
                    "sameSite": "Strict",
                }
            ]
        )

    def leaves(self) -> None:
        """Ends the visit; fails when anything went wrong that was not asked for."""
        violations = self.page.evaluate("window.violations ?? []")
        self.context.close()
        assert not self.wrong and not violations, [*self.wrong, *violations]

    def complaints(self) -> list[str]:
        """What axe finds against WCAG 2.1, levels A and AA, on the page as it is."""
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
        found = Axe().run(
            self.page,
            options={"runOnly": {"type": "tag", "values": rules}, "resultTypes": ["violations"]},
        )
        assert found.response["passes"], "axe looked at nothing"
        return [
            f"{self.page.url}: {rule['id']}: {node['html']}: {node['failureSummary']}"
            for rule in found.response["violations"]
            for node in rule["nodes"]
        ]

    def _note_request(self, request: object) -> None:
        _asked.append(time.monotonic())
        while len(_asked) > 500:
            _asked.popleft()
        if not request.url.startswith(f"{self.box.url}/"):
            self.wrong.append(f"a request to {request.url}")

    def _note_console(self, message: object) -> None:
        asked_for = self.expected and self.expected in message.text
        if message.type in ("error", "warning") and not asked_for and HOST not in message.text:
            self.wrong.append(f"console: {message.text}")
