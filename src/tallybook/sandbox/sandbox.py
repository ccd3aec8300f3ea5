"""One running sandbox: its store, clock, world, credentials, faults and journal in one place."""

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, TypeVar

from tallybook.clock import Clock
from tallybook.sandbox.clock import MovableClock
from tallybook.sandbox.courier import Courier
from tallybook.sandbox.faults import Faults
from tallybook.sandbox.journal import Journal
from tallybook.sandbox.oauth import ACCESS_TOKEN_LIFETIME_S, SCOPES, Consent, access_tokens
from tallybook.sandbox.rules import Profile
from tallybook.sandbox.store import Store
from tallybook.sandbox.subscriptions import secrets_of
from tallybook.sandbox.worlds import Founding, World, found, open_or_found, remember

CONSENTS_MAX: Final = 100  # pages that wait for an answer; older ones are forgotten


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token: what it allows, and until when (seconds since 1970; None: for good)."""

    token: str = field(repr=False)
    scopes: frozenset[str]
    expires_at: float | None = None


class Sandbox:
    """A Pleo that runs; made by `create_app`, opened when its server starts."""

    def __init__(self, store: Store, clock: Clock, profile: Profile, founding: Founding) -> None:
        self.store = store
        self.clock = MovableClock(clock)
        self.profile = profile
        self.faults = Faults()
        self.journal = Journal(store)
        self.courier = Courier(store, self.clock)
        self.closing = asyncio.Event()  # set when the server stops: whoever keeps a caller waiting lets go
        self._founding = founding
        self._world: World | None = None
        self._tokens: dict[str, Token] = {}
        self._subscription_secrets: list[str] = []
        self.access_token_lifetime_s = ACCESS_TOKEN_LIFETIME_S
        self._consents: dict[str, Consent] = {}
        self._granted: dict[str, Token] = {}

    @property
    def world(self) -> World:
        """The world in force."""
        if self._world is None:
            raise RuntimeError("the sandbox is used before its server has started")
        return self._world

    def now_s(self) -> float:
        """Return the sandbox's present instant in seconds since 1970."""
        return self.clock.now().timestamp()

    async def open(self) -> None:
        """Open the stored world, or found one.

        Repeat: safe, the stored world stays.
        """
        opened = await self.store.run(open_or_found, self._founding)
        self.clock.offset = timedelta(seconds=opened.clock_offset_s)
        tokens = await self.store.run(_read_tokens)
        self._settle(opened, tokens)
        await self.grant(lambda _: None)
        self._subscription_secrets = await self.store.run(secrets_of)
        self._mask_secrets()
        await self.journal.open()
        self.courier.open()

    async def close(self) -> None:
        """Stop delivering, and store what is still in memory; the store itself stays open.

        Repeat: safe.
        """
        await self.courier.close()
        await self.journal.flush()

    async def found(self, founding: Founding) -> None:
        """Replace everything, clock, faults and journal included, with a new world.

        Repeat: the same world again, as new.
        """
        await self.courier.close()
        self._subscription_secrets = []
        self._settle(await self.store.run(found, founding), [])
        self.access_token_lifetime_s = ACCESS_TOKEN_LIFETIME_S
        self._consents.clear()
        self._granted.clear()
        self.clock.offset = timedelta()
        self.faults.clear()
        self.courier.faults.clear()
        await self.journal.forget()
        self.courier.open()

    async def keep_clock(self) -> None:
        """Store how far the clock was moved, and let happen what is due by now.

        Repeat: safe.
        """
        await self._remember(replace(self.world, clock_offset_s=self.clock.offset.total_seconds()))
        self.courier.clock_moved()

    async def map_contra_accounts(self, *, mapped: bool) -> None:
        """Let the company have its Pleo accounts mapped, or not.

        Repeat: safe.
        """
        await self._remember(replace(self.world, contra_accounts=mapped))

    async def issue_token(self, scopes: frozenset[str], expires_in_s: int | None) -> Token:
        """Issue a further access token with these scopes only.

        Repeat: another token.
        """
        expires_at = None if expires_in_s is None else self.now_s() + expires_in_s
        seed = f"{self.world.company.access_token}:{len(self._tokens)}"
        token = Token(f"sandbox-token-{hashlib.sha256(seed.encode()).hexdigest()[:32]}", scopes, expires_at)
        await self.store.run(_write_token, token)
        self._tokens[token.token] = token
        self._mask_secrets()
        return token

    def hide(self, secret: str) -> None:
        """Keep a subscription's secret out of the journal.

        Repeat: safe.
        """
        self._subscription_secrets.append(secret)
        self._mask_secrets()

    def token(self, presented: str) -> Token | None:
        """Find the access token that was presented."""
        return self._tokens.get(presented) or self._granted.get(presented)

    async def grant(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let something be done to grants; afterwards the API knows the access tokens that came and went by it."""

        def done_and_listed(db: sqlite3.Connection) -> tuple[T, list[tuple[str, frozenset[str], float]]]:
            return work(db), access_tokens(db)

        result, listed = await self.store.run(done_and_listed)
        self._granted = {token: Token(token, scopes, expires_at) for token, scopes, expires_at in listed}
        return result

    def keep_consent(self, consent: Consent) -> str:
        """Keep what a person is asked until the answer comes; gives the name the page knows it by.

        Repeat: another name.
        """
        name = secrets.token_urlsafe(24)
        self._consents[name] = consent
        while len(self._consents) > CONSENTS_MAX:
            del self._consents[next(iter(self._consents))]
        return name

    def take_consent(self, name: str) -> Consent | None:
        """Give back what was asked under a name, once."""
        return self._consents.pop(name, None)

    def is_api_key(self, presented: str) -> bool:
        """Whether this is the company's API key."""
        return hmac.compare_digest(presented.encode(), self.world.company.api_key.encode())

    async def _remember(self, changed: World) -> None:
        await self.store.run(remember, changed)
        self._world = changed

    def _settle(self, opened: World, tokens: list[Token]) -> None:
        self._world = opened
        own = Token(opened.company.access_token, frozenset(SCOPES))
        self._tokens = {token.token: token for token in (own, *tokens)}
        self._mask_secrets()

    def _mask_secrets(self) -> None:
        self.journal.secrets = (self.world.company.api_key, *self._tokens, *self._subscription_secrets)


def _read_tokens(db: sqlite3.Connection) -> list[Token]:
    rows = db.execute("SELECT token, scopes, expires_at FROM tokens")
    return [Token(token, frozenset(scopes.split()), expires_at) for token, scopes, expires_at in rows]


def _write_token(db: sqlite3.Connection, token: Token) -> None:
    row = (token.token, " ".join(sorted(token.scopes)), token.expires_at)
    db.execute("INSERT OR REPLACE INTO tokens (token, scopes, expires_at) VALUES (?, ?, ?)", row)
