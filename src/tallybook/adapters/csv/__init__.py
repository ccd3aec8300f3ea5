"""CSV: entries are kept in the embedded book and handed over in CSV files, laid out by templates."""

from collections.abc import Mapping
from typing import Any

from tallybook.accounting.system import Adapter
from tallybook.adapters.csv.format import CsvFormat
from tallybook.adapters.csv.settings import CsvSettings
from tallybook.import_files.settings import read_settings
from tallybook.import_files.system import FileBooks, open_file_books


def open_csv(section: Mapping[str, Any]) -> FileBooks:
    """Open the book that the section `[books.csv]` names.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with the section.
    """
    settings = read_settings(CsvSettings, section, "csv")
    return open_file_books(CsvFormat(settings), settings)


ADAPTER = Adapter(
    name="csv",
    summary="CSV: the embedded book, handed over in files for Xero, QuickBooks, e-conomic or a template of your own",
    open=open_csv,
    commands="tallybook.adapters.csv.commands:app",
)
