from pathlib import Path

import pytest

from tests.adapters.import_files.company import Make, make_book


@pytest.fixture
def make() -> Make:
    """Makes entries of the trial company."""
    return Make()


@pytest.fixture
def book_path(tmp_path: Path) -> Path:
    """A book with the trial company's accounts."""
    return make_book(tmp_path)
