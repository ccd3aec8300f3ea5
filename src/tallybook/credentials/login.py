"""A login at Pleo that stays good: renewed before its access token ends, by one process at a time.

What may go wrong between Pleo's answer and our database: a renewal ends every earlier token at once, so a process that
dies in those milliseconds leaves a login that no longer works. The next renewal is then refused, the login is marked as
ended, and a person has to log in again; nothing is written to Pleo or the books meanwhile. Everything else survives: a
process that dies before is as if it had not asked, one that is frozen keeps the lock and goes on when it wakes, one
that is asked to stop finishes first, and a database that is away at that moment is waited for.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from random import Random

import httpx
import structlog

from tallybook.clock import Clock
from tallybook.credentials.vault import SealBroken, Vault
from tallybook.pleo.auth import WORTH_ANOTHER_TRY
from tallybook.pleo.errors import (
    PleoAnswerUnreadable,
    PleoLoginNeeded,
    PleoRateLimited,
    PleoServerFault,
    PleoTimeout,
    PleoUnreachable,
)
from tallybook.pleo.oauth import AuthorizationServer, Tokens
from tallybook.pleo.retry import RetryPolicy
from tallybook.store.errors import StoreError
from tallybook.store.logins import LoginStore, StoredLogin

_PASSING = (PleoUnreachable, PleoTimeout, PleoServerFault, PleoRateLimited, PleoAnswerUnreadable)
_RETRY = RetryPolicy(attempts=3)
_AGAIN_AFTER = timedelta(seconds=30)  # while the old access token still works
_DOUBT_AGAIN_AFTER_S = 60.0  # so that an API that refuses everything does not make us renew without end
_UNAUTHORIZED = 401

log = structlog.get_logger()


class LoginUnreadable(PleoLoginNeeded):
    """There is a login, and we cannot open it; at Pleo it lives on."""


class Login:
    """One login, by the name it is kept under; many objects in many processes may stand for the same one."""

    def __init__(
        self, name: str, *, store: LoginStore, vault: Vault, server: AuthorizationServer, clock: Clock, random: Random
    ) -> None:
        self.name = name
        self._store, self._vault, self._server, self._clock, self._random = store, vault, server, clock, random
        self._tokens: Tokens | None = None
        self._ask_again_at: datetime | None = None
        self._doubted: str | None = None  # an access token that Pleo's API refused
        self._doubted_at_s: float | None = None
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<login {self.name}>"

    async def access_token(self) -> str:
        """Give an access token that works, renewed if it is about to end.

        Repeat: safe; all who ask at the same moment, in all processes, share one renewal.
        Raises:
            PleoLoginNeeded: there is no login, Pleo has ended it, or it cannot be opened.
            PleoError: it could not be renewed just now, and the old token has ended.
            StoreError: the database does not answer.
        """
        tokens = self._tokens
        if tokens is None or not self._good(tokens):
            async with self._one_at_a_time:
                tokens = self._tokens
                if tokens is None or not self._good(tokens):
                    tokens = await self._renewed()
        return tokens.access_token

    def refused(self, access_token: str) -> bool:
        """Hear that the API refused a token; True: another try makes sense, with the token there is then.

        Another process may have renewed the login, which ends the token we have; or Pleo ended it early.

        Repeat: safe.
        """
        if self._tokens is not None and self._tokens.access_token != access_token:
            return True
        now_s = self._clock.monotonic_s()
        if self._doubted_at_s is not None and now_s - self._doubted_at_s < _DOUBT_AGAIN_AFTER_S:
            return False
        self._doubted, self._doubted_at_s = access_token, now_s
        return True

    def keep(self, tokens: Tokens) -> None:
        """Keep the tokens of somebody who just logged in. Blocks.

        Repeat: safe.
        Raises:
            StoreError: the database cannot be used.
        """
        self._store.prepare()
        self._store.put(self.name, self._sealed(tokens))

    def prepare(self) -> None:
        """Find out that a login could be kept, before anybody is asked for one. Blocks.

        Repeat: safe.
        Raises:
            StoreError: the database cannot be used.
        """
        self._store.prepare()

    def stored(self) -> Tokens:
        """Read the tokens as they are kept. Blocks.

        Repeat: safe.
        Raises:
            PleoLoginNeeded: there are none that could work.
            StoreError: the database does not answer.
        """
        return self._opened(self._store.read(self.name))

    def forget(self) -> bool:
        """Delete the tokens here; False: there were none. Blocks.

        Repeat: safe.
        Raises:
            StoreError: the database does not answer.
        """
        if self._store.read(self.name) is None:
            return False
        self._store.remove(self.name)
        return True

    def _good(self, tokens: Tokens) -> bool:
        renew_at = max(tokens.renew_at, self._ask_again_at) if self._ask_again_at else tokens.renew_at
        return tokens.access_token != self._doubted and self._clock.now() < min(renew_at, tokens.expires_at)

    async def _renewed(self) -> Tokens:
        for attempt in range(1, _RETRY.attempts + 1):
            try:
                # A thread is not cancelled: whoever stops waiting here does not stop it before the answer is stored.
                self._tokens = await asyncio.to_thread(self._take_turn)
            except PleoLoginNeeded:
                self._tokens = None
                log.warning("login_needed", login=self.name, mend="run `tallybook login`")
                raise
            except (*_PASSING, StoreError) as error:
                tokens, now = self._tokens, self._clock.now()
                if tokens is not None and tokens.access_token != self._doubted and now < tokens.expires_at:
                    log.warning("login_not_renewed", login=self.name, why=str(error))
                    self._ask_again_at = now + _AGAIN_AFTER
                    return tokens
                if attempt == _RETRY.attempts or isinstance(error, StoreError):
                    raise
                after_s = error.retry_after_s if isinstance(error, PleoRateLimited) else None
                await self._clock.sleep(_RETRY.delay_s(attempt, self._random, after_s))
            else:
                self._ask_again_at = None
                return self._tokens
        raise AssertionError("the last attempt returns or raises")

    def _take_turn(self) -> Tokens:
        self._tokens = self.stored()
        if self._good(self._tokens):  # somebody else has renewed it
            return self._tokens
        with self._store.turn(self.name):
            stored = self._store.read(self.name)
            tokens = self._tokens = self._opened(stored)
            if stored is None or self._good(tokens):
                return tokens
            try:
                new = self._server.refresh(tokens.refresh_token)
            except PleoLoginNeeded as error:
                self._store.end(stored, str(error))
                log.warning("login_ended", login=self.name)
                return self._opened(self._store.read(self.name))  # ended, unless somebody logged in meanwhile
            if not self._store.renewed(stored, self._sealed(new)):
                return self._opened(self._store.read(self.name))  # somebody logged in or out meanwhile, and that counts
            log.info("login_renewed", login=self.name, expires_at=new.expires_at.isoformat(timespec="seconds"))
            return new

    def _sealed(self, tokens: Tokens) -> str:
        return self._vault.seal(
            {
                "name": self.name,  # so that nobody gives one row another's tokens
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "expires_at": tokens.expires_at.isoformat(),
                "renew_at": tokens.renew_at.isoformat(),
            }
        )

    def _opened(self, stored: StoredLogin | None) -> Tokens:
        if stored is None:
            raise PleoLoginNeeded(f"there is no login {self.name} at Pleo yet; run `tallybook login`")
        if stored.ended is not None:
            raise PleoLoginNeeded(f"login {self.name}: {stored.ended}")
        try:
            content = self._vault.opened(stored.sealed)
            problem = None if content["name"] == self.name else "it belongs to another login"
            times = [datetime.fromisoformat(content[name]) for name in ("expires_at", "renew_at")]
            tokens = Tokens(content["access_token"], content["refresh_token"], *times)
        except (SealBroken, KeyError, ValueError) as error:
            problem = str(error) if isinstance(error, SealBroken) else "it is not whole"
        if problem is None:
            return tokens
        raise LoginUnreadable(
            f"the login {self.name} in the database cannot be opened: {problem}; restore the key in [secrets], or run"
            " `tallybook login`"
        )


class LoginAuth(httpx.Auth):
    """Puts the login's access token on each request."""

    __slots__ = ("__login",)

    def __init__(self, login: Login) -> None:
        self.__login = login

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the header; a token that is refused is told to the login, and the call may be worth another try."""
        token = await self.__login.access_token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            response.extensions[WORTH_ANOTHER_TRY] = self.__login.refused(token)

    def __repr__(self) -> str:
        return f"<{self.__login!r} authentication>"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} is not to be stored")
