"""The section `[books.csv]` for the test company."""

from pathlib import Path
from typing import Any


def section(book_path: Path, import_dir: Path, *templates: str, **changes: Any) -> dict[str, Any]:
    return {
        "path": str(book_path),
        "import_dir": str(import_dir),
        "templates": list(templates or ("xero_bills", "xero_manual_journals")),
        "tag_groups": ["CC", "PROJ"],
        "no_tax": "Tax Exempt",
        "tax_names": {
            "V19": {"name": "19% (VAT on Expenses)", "percent": "19"},
            "R19": {"name": "19% Reverse Charge", "percent": "19", "reverse": True},
            "V0": {"name": "Zero Rated"},
            "EUST": {"own_rows": True},
        },
    } | changes
