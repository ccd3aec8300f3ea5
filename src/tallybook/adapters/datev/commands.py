"""`tallybook datev ...`."""

from tallybook.adapters.datev import open_datev
from tallybook.import_files.commands import commands

app = commands("datev", open_datev)
