"""The section `[books.datev]` for the test company."""

from pathlib import Path
from typing import Any


def section(book_path: Path, import_dir: Path, **changes: Any) -> dict[str, Any]:
    return {
        "path": str(book_path),
        "import_dir": str(import_dir),
        "lock_timeout_s": 5,
        "consultant_number": 29098,
        "client_number": 55003,
        "chart": "03",
        "initials": "TB",
        "cost_1": "CC",
        "cost_2": "PROJ",
        "automatic_accounts": ["3400"],
        "tax_keys": {
            "V19": {"key": "9", "percent": "19"},
            "R19": {"key": "94", "percent": "19", "reverse": True},
            "V0": {},
            "EUST": {"own_rows": True},
        },
    } | changes
