"""The demo world: a company that never was, its expenses, receipts and books, the same for the same seed.

Read `sequence` first: it says what comes when. `spend`, `payables`, `people` and `movements` write the entries,
`frame` gives them their form, `choices` what they point to, `troubles` spoils some on purpose, `receipts` draws the
files.
"""

from tallybook.sandbox.world import choices
from tallybook.sandbox.world.chart import books
from tallybook.sandbox.world.receipts import preview, receipt
from tallybook.sandbox.world.sequence import Expense, expenses
from tallybook.sandbox.world.studio import Company, company
from tallybook.sandbox.world.troubles import TROUBLES

__all__ = ["TROUBLES", "Company", "Expense", "books", "choices", "company", "expenses", "preview", "receipt"]
