"""DATEV as a format of import files."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tallybook.accounting.entry import Entry
from tallybook.accounting.errors import AccountingSettingInvalid
from tallybook.accounting.handover import Booked, ImportSet, Names, Period
from tallybook.adapters.datev import batch, receipts
from tallybook.adapters.datev.columns import COLUMN_LINE
from tallybook.adapters.datev.settings import DatevSettings
from tallybook.import_files.format import Place, Receipt, month_of
from tallybook.import_files.rows import RowFiles


class DatevFormat:
    """Buchungsstapel, one for each month, so that none spans two calendar or fiscal years."""

    name = "datev"

    def __init__(self, settings: DatevSettings) -> None:
        self.settings = settings

    def period_of(self, posting_on: date) -> Period:
        """Give the month. Repeat: safe."""
        return month_of(posting_on)

    def check_books(self, names: Names) -> None:
        """See that the tag groups that become KOST1 and KOST2 are there. Repeat: safe."""
        known = {code.casefold() for code in names.dimensions}
        for setting in ("cost_1", "cost_2"):
            group = getattr(self.settings, setting)
            if group is not None and group.casefold() not in known:
                raise AccountingSettingInvalid(
                    f"books.datev.{setting} = {group!r} is no tag group of the book; correct it or add the group"
                )

    def check(self, entry: Entry) -> None:
        """Find out whether an entry can be written. Repeat: safe."""
        batch.rows(self.settings, entry, has_receipts=True)

    def writer(self, folder: Path, made: ImportSet, names: Names) -> "DatevWriter":
        """Begin the files of a set."""
        del names
        return DatevWriter(self.settings, folder, made)

    def receipts_index(self, files: Sequence[Receipt], made: ImportSet) -> tuple[str, bytes] | None:
        """Write the index that DATEV finds receipts by."""
        return receipts.NAME, receipts.index(files, made)


class DatevWriter:
    """Writes one set: `EXTF_Buchungsstapel_000007_2026-10.csv`, and `..._2.csv` after 99,999 rows."""

    def __init__(self, settings: DatevSettings, folder: Path, made: ImportSet) -> None:
        self._settings = settings
        self._files = RowFiles(
            folder,
            f"EXTF_Buchungsstapel_{made.number:06d}_{made.period.name}",
            "csv",
            head=(batch.header(settings, made), COLUMN_LINE),
            rows_max=batch.ROWS_MAX,
        )

    def add(self, booked: Booked) -> Sequence[Place]:
        """Write an entry."""
        place = self._files.add(batch.rows(self._settings, booked.entry, has_receipts=bool(booked.files)))
        return [] if place is None else [place]

    def close(self) -> None:
        """End the file at hand. Repeat: safe."""
        self._files.close()
