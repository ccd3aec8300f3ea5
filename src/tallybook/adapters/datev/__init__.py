"""DATEV: entries are kept in the embedded book and handed over as Buchungsstapel, with their receipts in a zip."""

from collections.abc import Mapping
from typing import Any

from tallybook.accounting.system import Adapter
from tallybook.adapters.datev.format import DatevFormat
from tallybook.adapters.datev.settings import DatevSettings
from tallybook.import_files.settings import read_settings
from tallybook.import_files.system import FileBooks, open_file_books


def open_datev(section: Mapping[str, Any]) -> FileBooks:
    """Open the book that the section `[books.datev]` names.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with the section.
    """
    settings = read_settings(DatevSettings, section, "datev")
    return open_file_books(DatevFormat(settings), settings)


ADAPTER = Adapter(
    name="datev",
    summary="DATEV: the embedded book, handed over as Buchungsstapel (EXTF 700) with receipts",
    open=open_datev,
    commands="tallybook.adapters.datev.commands:app",
)
