from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallybook.adapters.datev.format import DatevFormat
from tallybook.adapters.datev.settings import DatevSettings
from tallybook.import_files.system import FileBooks, open_file_books
from tests.adapters.datev.section import section
from tests.adapters.import_files.company import StillClock


@pytest.fixture
async def books(tmp_path: Path, book_path: Path) -> AsyncIterator[FileBooks]:
    settings = DatevSettings.model_validate(section(book_path, tmp_path / "import"))
    opened_books = open_file_books(DatevFormat(settings), settings, StillClock())
    yield opened_books
    await opened_books.aclose()
