"""`tallybook sie ...`."""

from tallybook.adapters.sie import open_sie
from tallybook.import_files.commands import commands

app = commands("sie", open_sie)
