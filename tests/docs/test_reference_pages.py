import runpy

import pytest

from tests.docs.terminal import ROOT

FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The pages as `make docs` would write them now."""
    pages: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "reference_pages.py"))["pages"]()
    return pages


@pytest.mark.parametrize("name", ["commands.md", "errors.md", "metrics.md", "reasons.md", "settings.md"])
def test_a_reference_page_says_what_the_code_says(written: dict[str, str], name: str) -> None:
    """Nothing of it is older than the code it describes."""
    assert written[name] == (FOLDER / name).read_text(encoding="utf-8"), "run `make docs`"


def test_the_folder_holds_nothing_else(written: dict[str, str]) -> None:
    """A page that is not written any more is not left behind."""
    assert {path.name for path in FOLDER.iterdir()} == set(written)
