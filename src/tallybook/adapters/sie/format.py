"""SIE 4I as a format of import files."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tallybook.accounting.entry import Entry
from tallybook.accounting.errors import AccountingSettingMissing
from tallybook.accounting.handover import Booked, ImportSet, Names, Period
from tallybook.adapters.sie.settings import SieSettings
from tallybook.adapters.sie.voucher import head, voucher
from tallybook.import_files.format import Place, Receipt, month_of, year_of
from tallybook.import_files.rows import RowFiles

_ROWS_MAX = 10**9  # the format knows no limit


class SieFormat:
    """Vouchers of one month, or of one fiscal year, in a file."""

    name = "sie"

    def __init__(self, settings: SieSettings) -> None:
        self.settings = settings

    def period_of(self, posting_on: date) -> Period:
        """Give the month or the fiscal year. Repeat: safe."""
        if self.settings.period == "month":
            return month_of(posting_on)
        return year_of(posting_on, int(self.settings.fiscal_year_begins))

    def check_books(self, names: Names) -> None:
        """See that every tag group of the book has a number in SIE. Repeat: safe."""
        known = {group.casefold() for group in self.settings.dimensions}
        if missing := sorted(group for group in names.dimensions if group.casefold() not in known):
            raise AccountingSettingMissing(
                f"books.sie.dimensions has no number for the tag groups {', '.join(missing)}; add them (1 cost centre, "
                "6 project, others from 20 on), with 0 to leave a group out of the files"
            )

    def check(self, entry: Entry) -> None:
        """Find out whether an entry can be written. Repeat: safe."""
        voucher(self.settings, entry, None, "")

    def writer(self, folder: Path, made: ImportSet, names: Names) -> "SieWriter":
        """Begin the file of a set."""
        return SieWriter(self.settings, folder, made, names)

    def receipts_index(self, files: Sequence[Receipt], made: ImportSet) -> None:
        """Write no index: SIE knows no receipts; they are named after the book's number, as the voucher texts are."""


class SieWriter:
    """Writes one set: `tallybook-000007-2026-10.si`."""

    def __init__(self, settings: SieSettings, folder: Path, made: ImportSet, names: Names) -> None:
        self._settings, self._made = settings, made
        self._files = RowFiles(
            folder,
            f"tallybook-{made.number:06d}-{made.period.name}",
            "si",
            head=head(settings, made, names),
            rows_max=_ROWS_MAX,
        )

    def add(self, booked: Booked) -> Sequence[Place]:
        """Write an entry."""
        place = self._files.add(voucher(self._settings, booked.entry, self._made, booked.recorded.external_id))
        return [] if place is None else [place]

    def close(self) -> None:
        """End the file. Repeat: safe."""
        self._files.close()
