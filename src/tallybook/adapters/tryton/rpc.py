"""Calls to Tryton over JSON-RPC: a session that is renewed when it is lost, and every failure as what it means.

Tryton answers a refusal with HTTP 200, a class name and a text in the user's language. Only the class is read here;
what was wrong with an entry is found by checks of our own before it is sent.

Source: Tryton 8.0, trytond/protocols/dispatcher.py and jsonrpc.py.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tallybook.accounting.errors import (
    AccountingAuthenticationFailed,
    AccountingNotAuthorized,
    AccountingRateLimited,
    AccountingSettingInvalid,
    AccountingTimeout,
    AccountingUnreachable,
)
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.settings import TrytonSettings
from tallybook.adapters.tryton.texts import clean
from tallybook.errors import TallybookError

SERIES = "8.0"
PIECE_BYTES = 3 * 64 * 1024  # a multiple of three, so that pieces of base64 join without padding
ANSWER_BYTES_MAX = 256 * 1024 * 1024
_TEXT_LENGTH_MAX = 300


class Refused(TallybookError):
    """Tryton refused a call (UserError, or a fault of its own) and undid it as a whole; the text is Tryton's."""


class Warned(TallybookError):
    """Tryton wants a warning answered before it goes on; nothing was done. `name` is what to answer to."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class Overtaken(TallybookError):
    """A record was changed by somebody else since it was read (ConcurrencyException); nothing was done."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on disk, sent as base64; the whole is never in memory. Its length here is that of the base64."""

    path: Path
    size_bytes: int

    def __len__(self) -> int:
        """Characters of base64."""
        return (self.size_bytes + 2) // 3 * 4

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read the file and encode it, piece by piece.

        Repeat: reads it again.
        Raises:
            OSError: it cannot be read, or its length is another.
        """
        left = self.size_bytes
        with await asyncio.to_thread(self.path.open, "rb") as file:
            while left:
                piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
                if not piece:
                    raise OSError("the file is shorter than it was")
                left -= len(piece)
                yield base64.b64encode(piece)
            if await asyncio.to_thread(file.read, 1):
                raise OSError("the file is longer than it was")


class Session:
    """A user's session at one database of Tryton. `context` goes with every call once the user is known."""

    def __init__(self, settings: TrytonSettings) -> None:
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._rpc = f"{self._base}/{settings.database}/rpc/"
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
            trust_env=False,  # a proxy of the environment would see the password
            follow_redirects=False,
        )
        self._authorization: str | None = None
        self.user = 0  # Tryton's id of the user, once a session is open
        self.context: dict[str, Any] = {}

    async def call(self, method: str, *params: Any, context: Mapping[str, Any] | None = None) -> Any:
        """Call a method of a model, such as `model.account.move.create`, and return its result.

        A session that ran out is renewed and the call repeated; Tryton says so before it does anything.

        Repeat: as the method; after AccountingTimeout or AccountingUnreachable a write may have been done.
        Raises:
            Refused, Warned, Overtaken: Tryton did not do it.
            AccountingError: Tryton could not be asked, or its answer was lost.
        """
        body = json.dumps([*params, {**self.context, **(context or {})}], separators=(",", ":"), allow_nan=False)
        head, tail = _envelope(method)
        return await self._in_session([head, body.encode(), tail], method)

    async def create_with_file(self, model: str, values: Mapping[str, Any], field: str, file: "Upload") -> Any:
        """Create one record with a file in one of its fields; the file is read and sent in pieces.

        Repeat: creates another one.
        Raises:
            As `call`.
            OSError: the file cannot be read, or is not as long as was said.
        """
        head, tail = _envelope(f"model.{model}.create")
        before = json.dumps([[dict(values)]], separators=(",", ":"))[: -len("}]]")]
        opened = f'{before},{json.dumps(field)}:{{"__class__":"bytes","base64":"'.encode()
        closed = f'"}}}}],{json.dumps(self.context, separators=(",", ":"))}]'.encode()
        return await self._in_session([head, opened, file, closed, tail], model)

    async def version(self) -> str:
        """Read the server's version.

        Repeat: safe.
        Raises:
            AccountingError: nobody answers there, or it is no Tryton.
        """
        head, tail = _envelope("common.server.version")
        try:
            return str(await self._ask(f"{self._base}/rpc/", [head, b"[]", tail], "version"))
        except _Unauthorized:
            raise AccountingAuthenticationFailed(
                f"{self._base} wants to know who we are before it tells its version, as no Tryton does; "
                "correct books.tryton.url"
            ) from None

    async def login(self) -> None:
        """Open a session with the user's password.

        Repeat: opens another one.
        Raises:
            AccountingAuthenticationFailed: Tryton does not accept the user or the password.
            AccountingError: Tryton could not be asked.
        """
        name = self._settings.user
        given = {"password": self._settings.secret().get_secret_value()}
        head, tail = _envelope("common.db.login")
        self._authorization = None
        try:
            opened = await self._ask(self._rpc, [head, json.dumps([name, given, "en"]).encode(), tail], "login")
            self.user, key = int(opened[0]), str(opened[1])
        except (_Unauthorized, Refused, Warned):
            raise AccountingAuthenticationFailed(
                f"Tryton at {self._base} does not accept the user {name!r} or the password; "
                "correct books.tryton.user or the password"
            ) from None
        except (TypeError, ValueError, IndexError):
            raise AccountingUnreachable(f"{self._base} answered the login with something that is no session") from None
        self._authorization = "Session " + base64.b64encode(f"{name}:{self.user}:{key}".encode()).decode()

    async def enter(self) -> None:
        """Read the user's preferences, which go with every call from now on; English, so that texts are what they are.

        Repeat: safe.
        Raises:
            AccountingError: Tryton could not be asked.
        """
        self.context = {}
        preferences = await self.call("model.res.user.get_preferences", True)
        self.context = {**preferences, "language": "en"}

    async def aclose(self) -> None:
        """Close the connections; the session ends by itself.

        Repeat: safe.
        """
        await self._http.aclose()

    async def _in_session(self, body: "Sequence[bytes | Upload]", what: str) -> Any:
        fresh = self._authorization is None
        if fresh:
            await self.login()
        try:
            return await self._ask(self._rpc, body, what)
        except _Unauthorized:
            if not fresh:
                await self.login()
                try:
                    return await self._ask(self._rpc, body, what)
                except _Unauthorized:
                    pass
            self._authorization = None
            raise AccountingAuthenticationFailed(
                f"Tryton at {self._base} does not accept the session it just opened for {self._settings.user!r}"
            ) from None

    async def _ask(self, url: str, body: "Sequence[bytes | Upload]", what: str) -> Any:
        size = sum(len(part) for part in body)
        headers = {"Content-Type": "application/json", "Content-Length": str(size)}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        try:
            async with self._http.stream("POST", url, content=_pieces(body), headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise self._said(answer.status_code)
                text = await self._read(answer)
        except httpx.ConnectTimeout as error:
            raise AccountingUnreachable(f"Tryton at {self._base} cannot be reached in time") from error
        except httpx.TimeoutException as error:
            raise AccountingTimeout(f"Tryton at {self._base} gave no answer in time ({what})") from error
        except httpx.TransportError as error:
            raise AccountingUnreachable(
                f"Tryton at {self._base} cannot be reached, or broke off ({type(error).__name__})"
            ) from error
        return self._result(text)

    async def _read(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > ANSWER_BYTES_MAX:
                raise AccountingUnreachable(f"{self._base} answers without end")
            parts.append(part)
        return b"".join(parts)

    def _said(self, status: int) -> TallybookError:
        """What an HTTP status means. Source: Tryton 8.0 dispatcher; 503 is a lock that could not be had."""
        if status == httpx.codes.UNAUTHORIZED:
            return _Unauthorized()
        if status == httpx.codes.FORBIDDEN:
            return AccountingNotAuthorized(
                f"Tryton at {self._base} forbids this to the user {self._settings.user!r}; give the user the group "
                "Accounting, and its modules account, account_invoice and analytic_account to the database"
            )
        if status in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}:
            return AccountingSettingInvalid(
                f"There is no database {self._settings.database!r} of Tryton {SERIES} at {self._base}; "
                "correct books.tryton.url or books.tryton.database"
            )
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return AccountingRateLimited(f"Tryton at {self._base} asks for fewer calls")
        if status == httpx.codes.GATEWAY_TIMEOUT:
            return AccountingTimeout(f"Tryton at {self._base} did not finish in time")
        return AccountingUnreachable(f"Tryton at {self._base} answers with HTTP status {status}")

    def _result(self, text: bytes) -> Any:
        try:
            answer = wire.read(text)
        except wire.Unreadable as error:
            raise AccountingUnreachable(f"{self._base} answered with no JSON of Tryton's ({error})") from None
        if isinstance(answer, dict) and "result" in answer:
            return answer["result"]
        told = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(told, list) or not told:
            raise AccountingUnreachable(f"{self._base} answered with neither a result nor an error")
        raise _refusal(told)


class _Unauthorized(TallybookError):
    """HTTP 401: the session ran out, or was never one."""


def _refusal(error: Sequence[Any]) -> TallybookError:
    kind = error[0]
    said = error[1] if len(error) > 1 and isinstance(error[1], list) else []
    if kind == "UserWarning" and len(said) > 1:
        return Warned(str(said[0]), _short(said[1]))
    if kind == "ConcurrencyException":
        return Overtaken("the record was changed meanwhile")
    if kind == "UserError" and said:
        return Refused(_short(said[0]))
    return Refused(f"a fault of Tryton's own: {_short(kind)}")


def _short(text: object) -> str:
    return clean(str(text), _TEXT_LENGTH_MAX)


def _envelope(method: str) -> tuple[bytes, bytes]:
    return f'{{"id":1,"method":{json.dumps(method)},"params":'.encode(), b"}"


async def _pieces(body: Sequence[bytes | Upload]) -> AsyncIterator[bytes]:
    for part in body:
        if isinstance(part, Upload):
            async for piece in part.pieces():
                yield piece
        else:
            yield part
