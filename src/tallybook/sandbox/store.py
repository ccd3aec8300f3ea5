"""The sandbox's state in SQLite: one connection on one thread of its own, every call one transaction."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Instants are REAL seconds since 1970 (UTC). `documents.document` is the JSON text as it is served, without
# `vendor` and `bookkeeping`, which stand in `vendor_part` and are joined on for a vendor based job only. The texts
# stand apart from the expenses, so that moving 100,000 expenses to another lane does not rewrite them. `effects` is
# written by the database itself, so that it says what happened to jobs and items whoever made it happen.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS world (only INTEGER PRIMARY KEY CHECK (only = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (
  token TEXT PRIMARY KEY, scopes TEXT NOT NULL, expires_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expenses (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  entry_id TEXT NOT NULL,
  type TEXT,
  dated TEXT,
  lane TEXT NOT NULL,
  job INTEGER,
  last_outcome TEXT,
  trouble TEXT,
  mend TEXT,
  mend_note TEXT
);
CREATE TABLE IF NOT EXISTS documents (
  seq INTEGER PRIMARY KEY, document TEXT NOT NULL, vendor_part TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS expenses_by_entry ON expenses (entry_id);
CREATE INDEX IF NOT EXISTS expenses_by_job ON expenses (job) WHERE job IS NOT NULL;
CREATE INDEX IF NOT EXISTS expenses_by_lane ON expenses (lane);
CREATE INDEX IF NOT EXISTS expenses_to_mend ON expenses (seq) WHERE mend IS NOT NULL;
CREATE TABLE IF NOT EXISTS mends (
  n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, entry_id TEXT NOT NULL, what TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS mends_by_entry ON mends (entry_id);
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  company_id TEXT NOT NULL,
  status TEXT NOT NULL,
  number_of_items INTEGER NOT NULL,
  number_of_documents INTEGER NOT NULL,
  is_interactive INTEGER NOT NULL,
  vendor_based INTEGER NOT NULL,
  created_by TEXT,
  created_at REAL NOT NULL,
  last_updated_at REAL NOT NULL,
  started_at REAL,
  completed_at REAL,
  expired_at REAL,
  failure_reason TEXT,
  failure_reason_type TEXT
);
CREATE INDEX IF NOT EXISTS jobs_unfinished ON jobs (number) WHERE status IN ('pending', 'in_progress');
CREATE TABLE IF NOT EXISTS job_items (
  job INTEGER NOT NULL,
  position INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending',
  external_id TEXT,
  external_url TEXT,
  exported_at TEXT,
  failure_reason TEXT,
  failure_reason_type TEXT,
  PRIMARY KEY (job, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS job_items_by_entry ON job_items (entry_id, job);
CREATE INDEX IF NOT EXISTS job_items_by_status ON job_items (job, status);
CREATE TABLE IF NOT EXISTS effects (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  entry_id TEXT,
  status TEXT NOT NULL,
  external_id TEXT,
  reason TEXT
);
CREATE TRIGGER IF NOT EXISTS job_moved AFTER UPDATE OF status ON jobs BEGIN
  INSERT INTO effects (job, status, reason) VALUES (NEW.number, NEW.status, NEW.failure_reason_type);
END;
CREATE TRIGGER IF NOT EXISTS item_updated AFTER UPDATE OF status ON job_items BEGIN
  INSERT INTO effects (job, entry_id, status, external_id, reason)
  VALUES (NEW.job, NEW.entry_id, NEW.status, NEW.external_id, NEW.failure_reason_type);
END;
CREATE TABLE IF NOT EXISTS subscriptions (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  endpoint_url TEXT NOT NULL,
  event_types TEXT NOT NULL,
  status TEXT NOT NULL,
  basic TEXT,
  custom_headers TEXT NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  deleted_at REAL,
  secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS subscription_activities (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  subscription_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  description TEXT NOT NULL,
  actor_urn TEXT NOT NULL,
  created_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS activities_by_subscription ON subscription_activities (subscription_id);
CREATE TABLE IF NOT EXISTS deliveries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_id TEXT NOT NULL,
  subscription_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  job_id TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at REAL NOT NULL,
  state TEXT NOT NULL,
  fault TEXT,
  attempts TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS journal (
  n INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  operation TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  authentication TEXT,
  status INTEGER,
  fault TEXT,
  request_body TEXT NOT NULL,
  answer_body TEXT NOT NULL,
  duration_ms REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS oauth_codes (
  code TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  code_challenge TEXT NOT NULL,
  scopes TEXT NOT NULL,
  expires_at REAL NOT NULL,
  used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oauth_tokens (
  token TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  issued_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal_counts (operation TEXT PRIMARY KEY, calls INTEGER NOT NULL) WITHOUT ROWID;
"""


class Store:
    """One SQLite database: a file that survives a restart, or without a path a private temporary one.

    A large world lives on disk either way, so memory stays bounded.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-store")
        try:
            self._db = self._thread.submit(_open, path).result()
        except sqlite3.Error:
            self._thread.shutdown()
            raise

    async def run(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(connection, ...)` on the store's thread as one transaction: all of it or nothing."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._in_transaction(work, *args, **kwargs))

    def _in_transaction(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self._db.execute("BEGIN")
        try:
            result = work(self._db, *args, **kwargs)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return result

    def close(self) -> None:
        """Close the database after the work under way.

        Repeat: nothing happens.
        """
        if self._closed:
            return
        self._closed = True
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()


def _open(path: Path | None) -> sqlite3.Connection:
    # An empty name is SQLite's private temporary database: on disk once it outgrows the cache, gone when closed.
    db = sqlite3.connect("" if path is None else str(path), isolation_level=None, cached_statements=256)
    try:
        # A sandbox may lose its last second in a power cut; it may not lose it when it is merely stopped.
        db.executescript(
            "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384; PRAGMA temp_store=FILE;"
            if path is None
            else "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384;"
        )
        db.executescript(SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
