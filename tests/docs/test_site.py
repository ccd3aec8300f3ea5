"""The documentation site as `make docs` builds it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.terminal import ROOT, TIME_LIMIT_S

DECISION = re.compile(r"^(\d+)\. .*?\[why\]\((explanation/[a-z0-9-]+\.md)\)", re.DOTALL | re.MULTILINE)
FETCHING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Fetched(HTMLParser):
    """What a browser asks for by itself when it opens a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in FETCHING and given.get("rel") != "canonical":
            self.addresses.append(given.get(FETCHING[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors, and with one picture taken before."""
    folder = tmp_path_factory.mktemp("site")
    pictures = tmp_path_factory.mktemp("screenshots")
    (pictures / "review-errors.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"TALLYBOOK_SCREENSHOTS": str(pictures), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    """`make docs` builds all of it without a warning: no dead link, no dead anchor, nothing left out."""
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_no_page_asks_another_host(site: Path) -> None:
    """Scripts, styles, fonts, icons and pictures all come from the site itself."""
    asked = set()
    for page in site.rglob("*.html"):
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        asked |= set(fetched.addresses)
    assert asked
    assert {address for address in asked if re.match(r"[a-z]+:|//", address)} == set()
    styles = "".join(style.read_text(encoding="utf-8") for style in site.rglob("*.css"))
    assert re.findall(r"url\(['\"]?(?:https?:|//)|@import", styles) == []


def test_a_link_to_a_source_file_is_its_path_in_the_site(site: Path) -> None:
    """What leads to a file in the repository is text in the site, which has no such file."""
    page = (site / "adapters.html").read_text(encoding="utf-8")
    assert "<code>src/tallybook/accounting/system.py</code>" in page
    assert "../src/" not in page


def test_pictures_of_the_browser_tests_stand_in_the_site(site: Path) -> None:
    """A picture that was taken is on the page of pictures; one that was not leaves no gap."""
    page = (site / "pictures.html").read_text(encoding="utf-8")
    assert 'src="pictures/review-errors.png"' in page
    assert (site / "pictures" / "review-errors.png").is_file()


def test_every_decision_has_a_page_that_explains_it() -> None:
    """The numbered list leads to a page for each number, with what made it a question, the choice, and what follows."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    pages = {int(number): page for number, page in DECISION.findall(text)}
    assert numbers == list(range(1, len(numbers) + 1)) == sorted(pages)
    for number, page in pages.items():
        told = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert Path(page).name.startswith(f"{number:02}-")
        assert re.findall(r"^## (.+)$", told, re.MULTILINE) == ["Context", "Choice", "Consequences"]
    assert {f"explanation/{path.name}" for path in (ROOT / "docs" / "explanation").iterdir()} == set(pages.values())
