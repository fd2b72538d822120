"""Photographs the web page of a lab machine for the documentation.

    PYTHONPATH=tests/lab build/venv/bin/python tests/page/screenshots.py

The machine has a lost GPU, so that the pictures show what the page is for.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / "tests" / "vm")]

import box as boxes
from chromium import DESKTOP, PHONE, Visitor, running_chromium
from odin_lab import registry, setup
from playwright.sync_api import expect
from scenarios import stack

IMAGES = ROOT / "docs" / "images"
LARGEST = 150 * 1024
PICTURES = {
    "page-status": ("/", DESKTOP, "light"),
    "page-gpus": ("/gpus", DESKTOP, "dark"),
    "page-history": ("/history", DESKTOP, "light"),
    "page-phone-status": ("/", PHONE, "dark"),
    "page-phone-gpus": ("/gpus", PHONE, "light"),
}
"""Name, and what is photographed: page, size, scheme."""

# Five minutes in steps of the chart: enough that the form of a line is seen.
STEPS = 'count_over_time(DCGM_FI_DEV_GPU_UTIL{gpu="0"}[30m:15s])'


def main() -> int:
    # SIGTERM unwinds like Ctrl-C, so that the machine is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup.install(say)
    setup.install(say, setup.BROWSER)
    registry.reap()
    IMAGES.mkdir(exist_ok=True)
    with boxes.running_box(say, "a note") as box, tempfile.TemporaryDirectory() as home:
        say("waiting until the charts have a line")
        stack.wait("a part of the chart", lambda: (stack.value(box.machine, STEPS) or 0) > 20, 900)
        boxes.work(box, boxes.LOST)
        token = box.token()[1]
        authority = box.machine.succeed("cat /var/lib/odin/tls/ca.crt")
        with running_chromium(Path(home) / "home", authority) as browser:
            for name, (path, size, scheme) in PICTURES.items():
                visitor = Visitor.comes(browser, box, viewport=size, color_scheme=scheme)
                visitor.logs_in(token)
                if path != "/history":
                    lost = visitor.opens("/").get_by_text("GpuLost").first
                    expect(lost).to_be_visible(timeout=60_000)
                visitor.opens(path)
                file = IMAGES / f"{name}.png"
                visitor.page.screenshot(path=file)
                say(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} KiB")
                assert file.stat().st_size < LARGEST, f"{file} is too large"
                visitor.leaves()
    return 0


def say(line: str) -> None:
    """Tells whoever watches."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
