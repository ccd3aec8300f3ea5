"""Debian's Chromium as the tests drive it: what it is started with, what a page must not do, how it is judged.

Also for whoever takes pictures of our pages outside the tests.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, ViewportSize

PROGRAM: Final = shutil.which("chromium") or "/usr/bin/chromium"
SCREENSHOTS: Final = Path(__file__).parents[2] / ".cache" / "tallybook" / "screenshots"
WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
PHONE: Final[ViewportSize] = {"width": 375, "height": 812}
# No other host has an address, and Chromium's own calls home are off.
_ARGUMENTS: Final = [
    "--no-sandbox",  # it refuses to run as root otherwise; it sees our own pages only
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_OURS: Final = {"127.0.0.1", "localhost"}


def launch(playwright: Playwright) -> Browser:
    """Start Chromium, without a window.

    Repeat: another browser.
    """
    return playwright.chromium.launch(executable_path=PROGRAM, args=_ARGUMENTS)


def watch(page: Page, complaints: list[str]) -> None:
    """Listen to a page; the list fills with its console's errors, its uncaught errors, and its calls to other hosts.

    A page that is itself answered with an error, such as a 404, is the test's own business and not written down.

    Repeat: everything is written down twice.
    """
    visited: set[str] = set()

    def asked(request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme in {"http", "https", "ws", "wss"} and where.hostname not in _OURS:
            complaints.append(f"asked another host: {request.url}")
        if request.is_navigation_request():
            visited.add(request.url)

    def said(message: ConsoleMessage) -> None:
        about_the_page = message.location["url"] in visited and message.text.startswith("Failed to load resource")
        if message.type == "error" and not about_the_page:
            complaints.append(f"console: {message.text} ({message.location['url']})")

    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))


def screenshot(page: Page, name: str, *, folder: Path = SCREENSHOTS) -> Path:
    """Take a picture of the whole page.

    Repeat: replaces the picture of that name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")  # pictures are made, not kept
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def accessible(page: Page) -> None:
    """Hold a page against axe-core, in light and wide, then in dark on a phone, where nothing may stick out sideways.

    The page is left light and wide.

    Raises:
        AssertionError: what axe found, or how far the page sticks out.
    """
    try:
        for scheme, size in (("light", WIDE), ("dark", PHONE)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal, in a tuple
            page.set_viewport_size(size)
            found = Axe().run(page)
            assert not found.violations_count, f"{page.url} ({scheme}): {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], f"{page.url} is {wide} px wide on a screen of {size['width']}"
    finally:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(WIDE)


Screenshot = Callable[[str], Path]
Accessible = Callable[[Page], None]
