"""The console in a real browser: what an operator clicks, and what the pages are for eyes and for ears."""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tallybook.accounting.entry import EntryKey
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.store.database import Database
from tests.browser.chromium import Accessible, Screenshot
from tests.console.conftest import EVERYWHERE, PASSWORD, PASSWORD_HASH, Place, placed
from tests.engine.worker import Worker
from tests.flow.test_check import account, expense

ENTRIES = [f"3f0e8c1a-6d3b-4f60-9a53-1c6f0a7b2d{number:02d}" for number in range(3)]
HOSTILE = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}" + "a name without end " * 500
NOTICED_WITHIN_MS = 15_000  # three of the questions by which a page finds out that the server is away


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server for a company with uncertain entries, and an export that names an account the books lack."""
    with placed(tmp_path_factory.mktemp("console")) as made:
        connections = Database(f"sqlite:///{made.database}").connect()
        states = (JournalState.UNCERTAIN, JournalState.UNCERTAIN, JournalState.INTENT)
        postings = [
            Posting(
                EntryKey(made.company_id, entry),
                state,
                books=f"book:{HOSTILE}",
                job_id="0d9f3c52-3c86-4c07-a1d5-1c2d3e4f5a6b",
                content_hash="0" * 64,
                attempted_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
            )
            for entry, state in zip(ENTRIES, states, strict=True)
        ]
        with ThreadPoolExecutor() as threads:  # Playwright's own event loop runs in this one
            threads.submit(lambda: asyncio.run(Journal(connections).write(postings))).result()
        connections.dispose()
        # It waits until somebody resumes the company, which the first tests leave alone.
        made.stage.add(expense(account=account("9998", HOSTILE[:200])))
        made.stage.press_export()
        yield made


def show(page: Page, place: Place, path: str) -> None:
    page.goto(place.served.address + path)


@pytest.mark.parametrize("path", ["/companies", "/uncertain", "/accounts", "/settings", "/audit", "/nothing"])
def test_every_page_is_for_everybody(
    page: Page, place: Place, accessible: Accessible, screenshot: Screenshot, path: str
) -> None:
    """By axe: in light and dark, wide and on a phone, with hostile texts on it; nothing sticks out."""
    show(page, place, path)
    expect(page.locator("h1")).to_have_count(1)
    if path == "/accounts":
        expect(page.locator("#lacking li")).to_have_count(1)  # asked for by the page itself
    accessible(page)
    screenshot(f"console-{path.strip('/')}")


def test_the_pages_are_reached_by_their_links(page: Page, place: Place) -> None:
    """The navigation has every page, and says where one is."""
    show(page, place, "/")
    for title in ("Companies", "Uncertain", "Accounts", "Settings", "Audit log", "Jobs"):
        page.get_by_role("navigation").get_by_role("link", name=title).click()
        expect(page.locator('nav a[aria-current="page"]')).to_have_text(title)


def test_the_check_shows_that_it_is_at_work_and_what_it_found(page: Page, place: Place) -> None:
    """Part by part, on the page itself, without leaving it: what was tried stands there while the rest is tried."""
    place.stage.call("POST", "/latency", {"ms": 3000})
    try:
        show(page, place, "/settings")
        page.get_by_role("button", name="Check now").click()
        expect(page.get_by_text("Checking…")).to_be_visible()
        expect(page.locator("#checked dt")).to_have_text(["Pleo", "Books (book)"])
        expect(page.get_by_text("Checking…")).to_be_visible()
        place.stage.call("POST", "/latency", {"ms": 0})
        expect(page.locator("#checked dt")).to_have_text(["Pleo", "Books (book)", "Pending exports", "Settings"])
        expect(page.locator("#checked")).to_contain_text("Account number")
        expect(page.locator("#checked .banner")).to_contain_text("1 thing is to be mended")
        expect(page.get_by_text("Checking…")).not_to_be_visible()
        assert page.url.endswith("/settings")
    finally:
        place.stage.call("POST", "/latency", {"ms": 0})


def test_the_console_works_without_scripts(place: Place, browser: Browser) -> None:
    """Every button is a form, and what a page would fetch by itself is behind a link."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        show(page, place, "/accounts")
        page.get_by_role("link", name="Find out").click()
        expect(page.locator("#lacking li")).to_have_count(1)
        show(page, place, "/settings")
        page.get_by_role("button", name="Check now").click()
        expect(page.locator("#checked dt")).to_have_count(4)
        show(page, place, "/uncertain")
        page.get_by_role("article", name=ENTRIES[2]).get_by_role("button", name="Search the books now").click()
        expect(page.get_by_role("region", name="What was found")).to_contain_text("but it went to book:")
        show(page, place, "/companies")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#companies")).to_contain_text("Paused since")
        page.get_by_role("button", name="Resume").click()


def test_a_company_is_paused_and_resumed_by_the_keyboard(page: Page, place: Place) -> None:
    """The focus finds the button, Enter presses it, the page says what it did, and the audit log has both."""
    show(page, place, "/companies")
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".banner.good")).to_contain_text("The company is paused")
    expect(page.locator("#companies")).to_contain_text("Paused since")
    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#companies")).to_contain_text("Exporting")
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("resumed the company")
    expect(page.get_by_role("row").nth(2)).to_contain_text("paused the company")


def test_the_list_stays_up_to_date_by_itself(page: Page, place: Place, browser: Browser) -> None:
    """What another operator does appears without a click, and the focus stays where it was."""
    show(page, place, "/companies")
    page.get_by_role("button", name="Look for jobs now").focus()
    with browser.new_context() as context:
        another = context.new_page()
        show(another, place, "/companies")
        another.get_by_role("button", name="Pause").click()
        expect(page.locator("#companies")).to_contain_text("Paused since", timeout=NOTICED_WITHIN_MS)
        expect(page.get_by_role("button", name="Look for jobs now")).to_be_focused()
        another.get_by_role("button", name="Resume").click()


def test_the_books_are_searched_by_the_keyboard(
    page: Page, place: Place, accessible: Accessible, screenshot: Screenshot
) -> None:
    """What was found takes the focus, so it is read out, and the two buttons come next."""
    show(page, place, "/uncertain")
    entry = page.get_by_role("article", name=ENTRIES[2])
    entry.get_by_role("button", name="Search the books now").focus()
    page.keyboard.press("Enter")
    found = entry.get_by_role("region", name="What was found")
    expect(found).to_be_focused()
    expect(found).to_contain_text("but it went to book:<script>alert(1)</script>")
    accessible(page)
    screenshot("console-searched")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(entry.get_by_label("Its number in the books")).to_be_focused()


def test_uncertain_entries_are_settled_by_two_buttons(page: Page, place: Place) -> None:
    """One gets its number; the other only goes once the box is ticked that says somebody has looked."""
    show(page, place, "/uncertain")
    first, second = (page.get_by_role("article", name=entry) for entry in ENTRIES[:2])
    first.get_by_label("Its number in the books").fill("M-17")
    first.get_by_role("button", name="It is booked, this is its number").click()
    expect(page.locator(".banner.good")).to_contain_text("in the books")
    expect(first).to_have_count(0)
    record = second.get_by_role("button", name="It is not booked, record it")
    record.click()
    expect(second).to_have_count(1)  # the browser asks for the box
    second.get_by_label("I have looked in the books").check()
    record.click()
    expect(page.locator(".banner.good")).to_contain_text("not in the books")
    assert place.rows("SELECT state, external_id FROM posting WHERE settled ORDER BY entry_id") == [
        ("recorded", "M-17"),
        ("failed", None),
    ]


def test_a_console_left_open_over_a_restart_says_so_and_recovers(
    page: Page, complaints: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Connection lost, trying again; and once the server is back, the page goes on and its buttons work."""
    with placed(tmp_path_factory.mktemp("restart")) as place:
        show(page, place, "/companies")
        lost = page.get_by_text("Connection lost, trying again")
        expect(lost).not_to_be_visible()
        place.served.worker.kill()
        expect(lost).to_be_visible(timeout=NOTICED_WITHIN_MS)
        variables = {
            "TALLYBOOK_DATABASE_URL": f"sqlite:///{place.database}",
            "TALLYBOOK_SERVE_LISTEN": place.served.address.removeprefix("http://"),
        }
        with Worker([place.stage.place.config], variables) as again:
            again.wait_for("serving")
            expect(lost).not_to_be_visible(timeout=NOTICED_WITHIN_MS)
            page.get_by_role("button", name="Pause").click()
            expect(page.locator("#companies")).to_contain_text("Paused since")
            page.goto("about:blank")
            about_the_loss = ("ERR_CONNECTION_REFUSED", "htmx:sendError", "htmx:afterRequest")
            complaints[:] = [text for text in complaints if not any(word in text for word in about_the_loss)]


def test_a_login_by_whoever_knows_the_password(
    page: Page, complaints: list[str], accessible: Accessible, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The login page first, the name on every page; a page left open leads to the login when the session has ended."""
    variables = {"TALLYBOOK_SERVE_LISTEN": EVERYWHERE, "TALLYBOOK_CONSOLE_PASSWORD_HASH": PASSWORD_HASH}
    with placed(tmp_path_factory.mktemp("login"), **variables) as place:
        show(page, place, "/settings")
        accessible(page)
        page.get_by_label("Your name").fill("Ada <b>Lovelace</b>")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Settings in force")).to_be_visible()
        expect(page.locator(".who")).to_have_text("Ada <b>Lovelace</b>")
        accessible(page)
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        with closing(sqlite3.connect(place.database)) as database, database:
            database.execute("DELETE FROM console_session")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=NOTICED_WITHIN_MS)
        page.goto("about:blank")
        complaints[:] = [text for text in complaints if "401" not in text]
