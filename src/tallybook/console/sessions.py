"""Logging in: the password against its hash, a session in the database, and a limit to guessing."""

import asyncio
import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import argon2

from tallybook.clock import Clock
from tallybook.console.visitor import Visitor, fresh_token
from tallybook.store.operators import Operators

TRIES_MAX: Final = 5  # from one address in TRIES_WITHIN; ours
TRIES_WITHIN: Final = timedelta(minutes=5)
_WAITING_MAX: Final = 8  # a hash takes 64 MiB and some tens of milliseconds
PASSWORD_LENGTH_MAX: Final = 1024
_NETWORK_OF_A_HOUSEHOLD: Final = 64  # bits of an IPv6 address: the rest its owner chooses as he likes


class LoginRefused(Exception):
    """Nobody was let in; the sentence says why, `status` is the answer's."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(slots=True)
class Sessions:
    """Who is logged in, by the password whose hash this is."""

    operators: Operators
    password_hash: str = field(repr=False)
    hours: int
    clock: Clock
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def name_of(self, visitor: Visitor) -> str | None:
        """Say under which name somebody is logged in; None for somebody who is not.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        return await self.operators.name_of(visitor.kept_as, self.clock.now())

    async def log_in(self, name: str, password: str, address: str) -> Visitor:
        """Let somebody in who knows the password; the token is a new one, so that nobody could have known it before.

        Repeat: another session.
        Raises:
            LoginRefused: the password is wrong, or too many were tried from the address, or at once.
            DatabaseUnusable: the database does not answer.
        """
        if self._waiting >= _WAITING_MAX:
            raise LoginRefused("Too many are logging in at once; try again in a moment.", 503)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._log_in(name, password, network_of(address))
        finally:
            self._waiting -= 1

    async def _log_in(self, name: str, password: str, network: str) -> Visitor:
        now = self.clock.now()
        if not await self.operators.may_try(network, now, since=now - TRIES_WITHIN, at_most=TRIES_MAX):
            minutes = TRIES_WITHIN // timedelta(minutes=1)
            raise LoginRefused(f"Too many wrong passwords from your address; try again in {minutes} minutes.", 429)
        if len(password) > PASSWORD_LENGTH_MAX or not await asyncio.to_thread(_fits, self.password_hash, password):
            raise LoginRefused("The password is wrong.", 401)
        visitor = Visitor(fresh_token(), name)
        await self.operators.admit(visitor.kept_as, name, now=now, until=now + timedelta(hours=self.hours))
        await self.operators.forget_tries(network)
        return visitor


def password_id(password_hash: str) -> str:
    """Name a password by its hash, for the table of sessions."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]


def network_of(address: str) -> str:
    """What counts as one address when passwords are tried: of IPv6 the network, since a household has all of it."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, _NETWORK_OF_A_HOUSEHOLD), strict=False))
    return str(known)


def _fits(password_hash: str, password: str) -> bool:
    try:
        return argon2.PasswordHasher().verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
