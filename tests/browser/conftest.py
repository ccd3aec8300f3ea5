"""A real Chromium for all tests of pages, and a page for each that must stay without errors and among our own hosts."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once per module.

    Playwright's own event loop runs in this thread while it is there, so that nothing asynchronous can be run beside
    it: servers belong in threads or processes, and the tests of other folders must find it gone.
    """
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page did that it must not do; a test that brings it about on purpose takes it out again."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page in a browser context of its own, light and 1280 pixels wide; at the end there may be no complaints."""
    with browser.new_context(viewport=chromium.WIDE, color_scheme="light", locale="en-GB") as context:
        page = context.new_page()
        page.set_default_timeout(15_000)
        chromium.watch(page, complaints)
        yield page
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def screenshot(page: Page) -> chromium.Screenshot:
    """`screenshot("name")` takes a picture of the page and gives its path; the folder is outside the repository."""
    return partial(chromium.screenshot, page)


@pytest.fixture
def accessible() -> chromium.Accessible:
    """`accessible(page)` holds a page against axe-core, in light and dark, wide and on a phone."""
    return chromium.accessible
