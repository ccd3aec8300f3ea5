"""A process that asks for an access token once it is told to, and prints a digest of what it got, or the error.

It imports no more than it needs, since every test starts several.
"""

import asyncio
import hashlib
import json
import sys
from datetime import datetime, timedelta
from random import Random

from tallybook.clock import SystemClock
from tallybook.credentials.login import Login
from tallybook.credentials.vault import Vault
from tallybook.errors import TallybookError
from tallybook.pleo.oauth import Application, AuthorizationServer
from tallybook.pleo.retry import Timeouts
from tallybook.store.database import Database
from tallybook.store.logins import LoginStore


class AheadClock(SystemClock):
    """The real time and more."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


def main() -> None:
    given = json.loads(sys.stdin.readline())
    clock = AheadClock(given["ahead_s"])
    application = Application(
        given["client_id"],
        given["client_secret"],
        f"{given['pleo']}/oauth/authorize",
        f"{given['pleo']}/oauth/token",
        ("export-jobs:read",),
    )
    login = Login(
        "acme",
        store=LoginStore(Database(given["url"])),
        vault=Vault([given["key"]]),
        server=AuthorizationServer(application, clock=clock, timeouts=Timeouts(5.0, 10.0, 20.0)),
        clock=clock,
        random=Random(5),  # noqa: S311 - scatters pauses
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        token = asyncio.run(login.access_token())
        said = hashlib.sha256(token.encode()).hexdigest()
    except TallybookError as error:
        said = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main()
