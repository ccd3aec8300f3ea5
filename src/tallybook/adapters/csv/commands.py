"""`tallybook csv ...`."""

from tallybook.adapters.csv import open_csv
from tallybook.import_files.commands import commands

app = commands("csv", open_csv)
