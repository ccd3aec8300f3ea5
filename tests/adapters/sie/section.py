"""The section `[books.sie]` for the test company."""

from pathlib import Path
from typing import Any


def section(book_path: Path, import_dir: Path, **changes: Any) -> dict[str, Any]:
    return {
        "path": str(book_path),
        "import_dir": str(import_dir),
        "currency": "EUR",
        "organisation_number": "556036-0793",
        "dimensions": {"CC": 1, "PROJ": 6},
    } | changes
