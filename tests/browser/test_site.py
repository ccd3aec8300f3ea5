"""The documentation site in Chromium, as somebody reads it without a network."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE

ROOT = Path(__file__).resolve().parents[2]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each of them."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site on a free port, built anew."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=120,
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_search_finds_a_page_without_a_network(page: Page, site: str) -> None:
    """What is typed into the search leads to the page that has it; no other host is asked, as for every page here."""
    page.goto(f"{site}/index.html")
    search = page.get_by_role("textbox", name="Search")
    expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching")  # its index is there
    search.click()
    search.press_sequentially("failed job")  # it listens to keys
    page.locator(".md-search-result").get_by_role("heading", name="Read a failed job").click()
    expect(page.get_by_role("heading", name="Read a failed job")).to_be_visible()


def test_a_page_fits_on_a_phone(page: Page, site: str) -> None:
    """Tables and commands scroll by themselves: nothing sticks out sideways, at 375 pixels and in the dark."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    for name in ("tutorial", "failed-job", "reference/commands", "decisions"):
        page.goto(f"{site}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
