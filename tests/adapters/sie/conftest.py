from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallybook.adapters.sie.format import SieFormat
from tallybook.adapters.sie.settings import SieSettings
from tallybook.import_files.system import FileBooks, open_file_books
from tests.adapters.import_files.company import StillClock
from tests.adapters.sie.section import section


@pytest.fixture
async def books(tmp_path: Path, book_path: Path) -> AsyncIterator[FileBooks]:
    settings = SieSettings.model_validate(section(book_path, tmp_path / "import"))
    opened_books = open_file_books(SieFormat(settings), settings, StillClock())
    yield opened_books
    await opened_books.aclose()
