"""SIE: entries are kept in the embedded book and handed over as vouchers in SIE 4I files."""

from collections.abc import Mapping
from typing import Any

from tallybook.accounting.system import Adapter
from tallybook.adapters.sie.format import SieFormat
from tallybook.adapters.sie.settings import SieSettings
from tallybook.import_files.settings import read_settings
from tallybook.import_files.system import FileBooks, open_file_books


def open_sie(section: Mapping[str, Any]) -> FileBooks:
    """Open the book that the section `[books.sie]` names.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with the section.
    """
    settings = read_settings(SieSettings, section, "sie")
    return open_file_books(SieFormat(settings), settings)


ADAPTER = Adapter(
    name="sie",
    summary="SIE: the embedded book, handed over as SIE 4I files with receipts beside them",
    open=open_sie,
    commands="tallybook.adapters.sie.commands:app",
)
