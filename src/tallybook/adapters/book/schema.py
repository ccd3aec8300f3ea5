"""The book's tables and the rules its file keeps by itself, whoever writes to it, and how an older file is moved on.

An entry is written from the inside out: lines, then the document, then the entry. A row that closes over others
("seals" them) is checked against them when it is inserted; from then on nothing is added to, changed in or removed from
what is under it:

- a document cannot exist unless its lines sum to zero, so an unbalanced document can never be committed;
- an entry cannot exist without documents, outside an open period, or twice under one key;
- what belongs to an entry is fixed while the entry is there; a draft is corrected by removing the entry first;
- a posted entry cannot be changed or removed, and nothing can be posted into a closed period.

These are triggers, not checks at commit, so that they hold for a connection that switched foreign keys off as well.
`details` is for readers: no rule looks into it.
"""

import sqlite3
from collections.abc import Callable, Sequence

APPLICATION_ID = 0x54_42_4F_4B  # "TBOK" in the file's header: tells a book from any other SQLite file

# Days a ledger program reads without question; the bounds of a posting date and of a closed period.
FIRST_DAY, LAST_DAY = "1900-01-01", "2099-12-31"

_DAY = "{0} IS date({0}, '+0 days') AND {0} BETWEEN '" + FIRST_DAY + "' AND '" + LAST_DAY + "'"

_TABLES = f"""
CREATE TABLE company (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    name TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
    code TEXT PRIMARY KEY CHECK (code <> ''),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
    identifier TEXT,
    currency TEXT,
    open INTEGER NOT NULL CHECK (open IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE tax_codes (
    code TEXT PRIMARY KEY CHECK (code <> ''),
    name TEXT NOT NULL,
    ingoing_account TEXT REFERENCES accounts (code),
    outgoing_account TEXT REFERENCES accounts (code)
) STRICT, WITHOUT ROWID;

-- Dimensions are compared without regard to case: `folded` is the case-folded code.
CREATE TABLE dimensions (
    folded TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dimension_values (
    dimension TEXT NOT NULL REFERENCES dimensions (folded),
    folded TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (dimension, folded)
) STRICT, WITHOUT ROWID;

CREATE TABLE vendors (
    code TEXT PRIMARY KEY CHECK (code <> ''),
    name TEXT NOT NULL,
    external_id TEXT,
    tax_registration_number TEXT,
    registration_number TEXT,
    account TEXT REFERENCES accounts (code),
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE closed_periods (
    from_on TEXT NOT NULL CHECK ({_DAY.format("from_on")}),
    to_on TEXT NOT NULL CHECK ({_DAY.format("to_on")}),
    PRIMARY KEY (from_on, to_on),
    CHECK (from_on <= to_on)
) STRICT, WITHOUT ROWID;

-- The last number given to an entry of a company; numbers are never given twice, not even after a draft was removed.
CREATE TABLE numbering (
    company_id TEXT PRIMARY KEY,
    last_number INTEGER NOT NULL CHECK (last_number > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    company_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    content_hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'posted')),
    posting_on TEXT NOT NULL CHECK ({_DAY.format("posting_on")}),
    original_on TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    description TEXT NOT NULL,
    reference TEXT NOT NULL,
    sort TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_valid(details)),
    UNIQUE (company_id, entry_id),
    UNIQUE (company_id, number)
) STRICT;
CREATE INDEX entries_by_day ON entries (posting_on, company_id, number);

CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entries (id) DEFERRABLE INITIALLY DEFERRED,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('journal_entry', 'bill', 'credit_note', 'payment')),
    currency TEXT NOT NULL,
    vendor TEXT REFERENCES vendors (code) CHECK (vendor IS NOT NULL OR kind = 'journal_entry'),
    invoice_number TEXT,
    invoice_on TEXT,
    due_on TEXT,
    UNIQUE (entry, position)
) STRICT;

-- Debits are positive, credits negative, in the minor unit (ISO 4217) of the document's currency.
CREATE TABLE lines (
    document INTEGER NOT NULL REFERENCES documents (id) DEFERRABLE INITIALLY DEFERRED,
    position INTEGER NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (code),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > -9223372036854775808),
    role TEXT NOT NULL CHECK (role IN ('cost', 'tax_in', 'tax_out', 'counter')),
    tax_code TEXT REFERENCES tax_codes (code),
    tax_base_minor INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (document, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX lines_by_account ON lines (account);

CREATE TABLE line_dimensions (
    document INTEGER NOT NULL,
    line INTEGER NOT NULL,
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (document, line, dimension, value),
    FOREIGN KEY (document, line) REFERENCES lines (document, position) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (dimension, value) REFERENCES dimension_values (dimension, folded)
) STRICT, WITHOUT ROWID;

-- What we owe by a document: positive for a bill or a returned payment, negative for a credit note or a payment.
-- `open_minor` is what of it is not settled yet.
CREATE TABLE open_items (
    document INTEGER PRIMARY KEY REFERENCES documents (id) DEFERRABLE INITIALLY DEFERRED,
    owed_minor INTEGER NOT NULL,
    open_minor INTEGER NOT NULL CHECK (open_minor BETWEEN min(0, owed_minor) AND max(0, owed_minor))
) STRICT;

CREATE TABLE open_item_refs (
    company_id TEXT NOT NULL,
    vendor TEXT NOT NULL,
    currency TEXT NOT NULL,
    ref TEXT NOT NULL,
    document INTEGER NOT NULL REFERENCES open_items (document) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (company_id, vendor, currency, ref, document)
) STRICT, WITHOUT ROWID;

-- `document` (a bill, a credit note or a returned payment) is settled by `payment`; a negative amount undoes it.
CREATE TABLE reconciliations (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES open_items (document),
    payment INTEGER NOT NULL REFERENCES open_items (document),
    amount_minor INTEGER NOT NULL CHECK (amount_minor <> 0),
    recorded_at TEXT NOT NULL
) STRICT;
CREATE INDEX reconciliations_by_document ON reconciliations (document);
CREATE INDEX reconciliations_by_payment ON reconciliations (payment);

CREATE TABLE attachments (
    entry INTEGER NOT NULL REFERENCES entries (id),
    position INTEGER NOT NULL CHECK (position > 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
    media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    PRIMARY KEY (entry, position, sha256)
) STRICT, WITHOUT ROWID;
"""


def _refuse(name: str, moment: str, condition: str, code: str) -> str:
    """One trigger: at this moment, if the condition holds, the statement is refused with this code."""
    return f"CREATE TRIGGER {name} BEFORE {moment} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{code}'); END;"


_IN_CLOSED = "EXISTS (SELECT 1 FROM closed_periods WHERE {0} BETWEEN from_on AND to_on)"
_DOCUMENT_THERE = "EXISTS (SELECT 1 FROM documents WHERE id = {0})"
_ENTRY_THERE = "EXISTS (SELECT 1 FROM entries WHERE id = {0})"

_TRIGGERS = [
    _refuse("lines_insert", "INSERT ON lines", _DOCUMENT_THERE.format("NEW.document"), "DOCUMENT_SEALED"),
    _refuse(
        "lines_update",
        "UPDATE ON lines",
        _DOCUMENT_THERE.format("OLD.document") + " OR " + _DOCUMENT_THERE.format("NEW.document"),
        "DOCUMENT_SEALED",
    ),
    _refuse("lines_delete", "DELETE ON lines", _DOCUMENT_THERE.format("OLD.document"), "DOCUMENT_SEALED"),
    _refuse("tags_insert", "INSERT ON line_dimensions", _DOCUMENT_THERE.format("NEW.document"), "DOCUMENT_SEALED"),
    _refuse(
        "tags_update",
        "UPDATE ON line_dimensions",
        _DOCUMENT_THERE.format("OLD.document") + " OR " + _DOCUMENT_THERE.format("NEW.document"),
        "DOCUMENT_SEALED",
    ),
    _refuse("tags_delete", "DELETE ON line_dimensions", _DOCUMENT_THERE.format("OLD.document"), "DOCUMENT_SEALED"),
    _refuse("documents_insert", "INSERT ON documents", _ENTRY_THERE.format("NEW.entry"), "ENTRY_SEALED"),
    # OR REPLACE removes a row without asking the triggers for removal.
    _refuse("documents_replace", "INSERT ON documents", _DOCUMENT_THERE.format("NEW.id"), "DOCUMENT_SEALED"),
    _refuse(
        "documents_short",
        "INSERT ON documents",
        "(SELECT COUNT(*) FROM lines WHERE document = NEW.id) < 2",
        "DOCUMENT_WITHOUT_LINES",
    ),
    _refuse(
        "documents_balance",
        "INSERT ON documents",
        "(SELECT SUM(amount_minor) FROM lines WHERE document = NEW.id) <> 0",
        "DOCUMENT_UNBALANCED",
    ),
    _refuse(
        "documents_currency",
        "INSERT ON documents",
        "EXISTS (SELECT 1 FROM lines JOIN accounts ON accounts.code = lines.account"
        " WHERE lines.document = NEW.id AND accounts.currency <> NEW.currency)",
        "ACCOUNT_CURRENCY",
    ),
    # Changing a document would escape the checks above.
    _refuse("documents_update", "UPDATE ON documents", "TRUE", "DOCUMENT_SEALED"),
    _refuse("documents_delete", "DELETE ON documents", _ENTRY_THERE.format("OLD.entry"), "ENTRY_SEALED"),
    _refuse(
        "entries_once",
        "INSERT ON entries",
        "EXISTS (SELECT 1 FROM entries WHERE id = NEW.id)"
        " OR EXISTS (SELECT 1 FROM entries WHERE company_id = NEW.company_id AND entry_id = NEW.entry_id)"
        " OR EXISTS (SELECT 1 FROM entries WHERE company_id = NEW.company_id AND number = NEW.number)",
        "ENTRY_EXISTS",
    ),
    _refuse("entries_period", "INSERT ON entries", _IN_CLOSED.format("NEW.posting_on"), "PERIOD_CLOSED"),
    _refuse(
        "entries_empty",
        "INSERT ON entries",
        "NOT EXISTS (SELECT 1 FROM documents WHERE entry = NEW.id)",
        "ENTRY_WITHOUT_DOCUMENTS",
    ),
    _refuse("entries_posted", "UPDATE ON entries", "OLD.state = 'posted'", "ENTRY_POSTED"),
    _refuse(
        "entries_move",
        "UPDATE ON entries",
        _IN_CLOSED.format("OLD.posting_on") + " OR " + _IN_CLOSED.format("NEW.posting_on"),
        "PERIOD_CLOSED",
    ),
    _refuse(
        "entries_key",
        "UPDATE ON entries",
        "NEW.id <> OLD.id OR NEW.number <> OLD.number"
        " OR NEW.company_id <> OLD.company_id OR NEW.entry_id <> OLD.entry_id",
        "ENTRY_KEY_FIXED",
    ),
    _refuse("entries_keep", "DELETE ON entries", "OLD.state = 'posted'", "ENTRY_POSTED"),
    _refuse("entries_remove", "DELETE ON entries", _IN_CLOSED.format("OLD.posting_on"), "PERIOD_CLOSED"),
    _refuse("attachments_update", "UPDATE ON attachments", "TRUE", "ATTACHMENT_FIXED"),
    _refuse(
        "attachments_delete",
        "DELETE ON attachments",
        "EXISTS (SELECT 1 FROM entries WHERE id = OLD.entry AND state = 'posted')",
        "ENTRY_POSTED",
    ),
    _refuse("reconciliations_update", "UPDATE ON reconciliations", "TRUE", "RECONCILIATION_FIXED"),
    _refuse("reconciliations_delete", "DELETE ON reconciliations", "TRUE", "RECONCILIATION_FIXED"),
]


def _first(connection: sqlite3.Connection) -> None:
    """Create everything, from an empty file."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for trigger in _TRIGGERS:
        connection.execute(trigger)


_HAND_OVERS = """
-- Sets of import files made for other systems ("datev"); `sha256` is there once the files are on disk.
CREATE TABLE import_sets (
    system TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    company_id TEXT NOT NULL,
    period TEXT NOT NULL,
    from_on TEXT NOT NULL,
    to_on TEXT NOT NULL,
    job_id TEXT NOT NULL,
    made_at TEXT NOT NULL,
    again_of INTEGER,
    reason TEXT NOT NULL CHECK ((again_of IS NULL) = (reason = '')),
    sha256 TEXT,
    PRIMARY KEY (system, number),
    FOREIGN KEY (system, again_of) REFERENCES import_sets (system, number)
) STRICT, WITHOUT ROWID;

-- Entries that wait to be put into a set (`number` is null), and the one set each was put into.
CREATE TABLE hand_overs (
    entry INTEGER NOT NULL REFERENCES entries (id),
    system TEXT NOT NULL,
    number INTEGER,
    PRIMARY KEY (entry, system),
    FOREIGN KEY (system, number) REFERENCES import_sets (system, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX hand_overs_by_set ON hand_overs (system, number);

-- For giving documents back with their references.
CREATE INDEX open_item_refs_by_document ON open_item_refs (document)
"""

_IN_SET = "EXISTS (SELECT 1 FROM hand_overs WHERE entry = OLD.id AND number IS NOT NULL)"
_HAND_OVER_TRIGGERS = [
    _refuse("hand_overs_update", "UPDATE ON hand_overs", "OLD.number IS NOT NULL", "HANDED_OVER"),
    _refuse("hand_overs_delete", "DELETE ON hand_overs", "OLD.number IS NOT NULL", "HANDED_OVER"),
    # OR REPLACE removes a row without asking the triggers for removal.
    _refuse(
        "hand_overs_once",
        "INSERT ON hand_overs",
        "EXISTS (SELECT 1 FROM hand_overs WHERE entry = NEW.entry AND system = NEW.system AND number IS NOT NULL)",
        "HANDED_OVER",
    ),
    _refuse("import_sets_update", "UPDATE ON import_sets", "OLD.sha256 IS NOT NULL", "IMPORT_SET_WRITTEN"),
    _refuse("import_sets_delete", "DELETE ON import_sets", "TRUE", "IMPORT_SET_KEPT"),
    _refuse("entries_handed_over", "DELETE ON entries", _IN_SET, "HANDED_OVER"),
    _refuse("entries_stay", "UPDATE ON entries", f"NEW.posting_on <> OLD.posting_on AND {_IN_SET}", "HANDED_OVER"),
]


def _second(connection: sqlite3.Connection) -> None:
    """Remember which entries were handed over to which system."""
    for statement in _HAND_OVERS.split(";\n"):
        connection.execute(statement)
    for trigger in _HAND_OVER_TRIGGERS:
        connection.execute(trigger)


_CORRECTIONS = """
-- Which entry took back which, and the entry_id under which the corrected one is, or will be.
CREATE TABLE corrections (
    entry INTEGER PRIMARY KEY REFERENCES entries (id),
    reversal INTEGER NOT NULL UNIQUE REFERENCES entries (id),
    replaced_by TEXT NOT NULL UNIQUE
) STRICT
"""

_CORRECTION_TRIGGERS = [
    _refuse("corrections_update", "UPDATE ON corrections", "TRUE", "CORRECTION_FIXED"),
    _refuse(
        "corrections_delete",
        "DELETE ON corrections",
        "EXISTS (SELECT 1 FROM entries WHERE id = OLD.reversal AND state = 'posted')",
        "ENTRY_POSTED",
    ),
    # OR REPLACE removes a row without asking the triggers for removal.
    _refuse(
        "corrections_once",
        "INSERT ON corrections",
        "EXISTS (SELECT 1 FROM corrections WHERE entry = NEW.entry OR reversal = NEW.reversal"
        " OR replaced_by = NEW.replaced_by)",
        "ENTRY_REVERSED",
    ),
]


def _third(connection: sqlite3.Connection) -> None:
    """Remember which entries were reversed."""
    connection.execute(_CORRECTIONS)
    for trigger in _CORRECTION_TRIGGERS:
        connection.execute(trigger)


Migration = Callable[[sqlite3.Connection], None]

# The function at place n brings a file from schema version n to n + 1. Only ever add to the end.
MIGRATIONS: Sequence[Migration] = (_first, _second, _third)


def migrate(connection: sqlite3.Connection, version: int, migrations: Sequence[Migration]) -> None:
    """Bring the file from `version` to the newest one, inside the caller's transaction.

    Repeat: safe; a file that is up to date is left as it is.
    """
    for step in migrations[version:]:
        step(connection)
    if version < len(migrations):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
