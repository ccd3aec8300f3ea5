"""Where a company's export works on this machine: a folder of its own for receipts, and a lock on it."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tallybook.errors import SettingsError, TallybookError


class AlreadyRunning(TallybookError):
    """Another run on this machine is exporting for the same company."""


@contextmanager
def workplace(base_url: str, company_id: str, *, alone: bool = True) -> Iterator[Path]:
    """Have a folder of its own for receipts on their way, empty, and gone after the block.

    `alone`: be the one run of this user on this machine that exports for the company; without it, several may, each
    in a folder of its own (workers that a database keeps apart). What a killed run left in the folder is deleted first.

    The lock is the system's: it goes with the process that holds it, however that ends.

    Repeat: with `alone` refused while the first one lasts.
    Raises:
        AlreadyRunning: another run has not ended yet.
        SettingsError: the temporary directory cannot be used.
    Source: docs/decisions.md 8.
    """
    whose = hashlib.sha256(f"{base_url} {company_id.lower()}".encode()).hexdigest()[:32]
    for number in count():
        name = f"tallybook-{os.getuid()}-{whose}{f'-{number}' if number else ''}.lock"
        path = Path(tempfile.gettempdir()) / name
        lock = _opened(path)
        try:
            if _taken(lock, path):
                try:
                    with _fresh_folder(path.with_suffix(".spool")) as spool:
                        yield spool
                finally:
                    path.unlink(missing_ok=True)  # while it is still ours
                return
        finally:
            os.close(lock)
        if alone:
            raise AlreadyRunning(
                f"another run is exporting for the company {company_id}; wait for its end, then run again"
            )


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsError([f"{path} cannot be used ({error.strerror}); set TMPDIR to another directory"]) from error


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise SettingsError([f"{folder} cannot be used ({error.strerror}); set TMPDIR to another directory"]) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _taken(lock: int, path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(lock))  # False: of a run that ended and removed it just now
    except (BlockingIOError, FileNotFoundError):
        return False
