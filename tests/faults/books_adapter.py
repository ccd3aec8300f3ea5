"""The adapter of the books server, as somebody outside Tallybook would write one; found through its entry point.

Source: accounting/system.py.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import httpx

from tallybook.accounting.entry import Attachment, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import (
    AccountingError,
    AccountingRateLimited,
    AccountingTimeout,
    AccountingUnreachable,
    EntryRejected,
)
from tallybook.accounting.system import (
    Account,
    Adapter,
    Capabilities,
    ClosedPeriod,
    Need,
    ReferenceData,
    Refused,
    TaxCode,
    Vendor,
)

Json = dict[str, Any]
TOO_MANY_REQUESTS, SERVER_FAULT = 429, 500


class RemoteBooks:
    """An accounting system behind HTTP. `url` is the ledger's; `safety` as the server has it."""

    def __init__(self, url: str, safety: str, timeout_s: float, batch_size: int) -> None:
        self.capabilities = Capabilities(batch_size=batch_size, can_find=safety != "none")
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False)

    async def _call(self, method: str, path: str, body: object = None) -> Json:
        try:
            answer = await self._http.request(method, path, json=body)
            if answer.status_code == TOO_MANY_REQUESTS:
                raise AccountingRateLimited("the books ask for fewer calls")
            if answer.status_code >= SERVER_FAULT:
                raise AccountingUnreachable(f"the books answered with status {answer.status_code}")
            if answer.is_error:
                raise AccountingError(f"the books refused {method} {path}: {answer.text[:200]}")
            told: Json = answer.json()
        except httpx.TimeoutException as error:
            raise AccountingTimeout("the books did not answer in time") from error
        except (httpx.HTTPError, ValueError) as error:
            raise AccountingUnreachable(f"the books' answer was lost ({type(error).__name__})") from error
        return told

    async def check_ready(self, need: Need) -> None:
        del need
        await self._call("GET", "/reference")

    async def reference_data(self) -> ReferenceData:
        known = await self._call("GET", "/reference")
        return ReferenceData(
            accounts=[Account(**account) for account in known["accounts"]],
            tax_codes=[TaxCode(**code) for code in known["tax_codes"]],
            dimensions={group: frozenset(values) for group, values in known["dimensions"].items()},
            vendors=[Vendor(**vendor) for vendor in known["vendors"]],
            closed_periods=[
                ClosedPeriod(date.fromisoformat(first), date.fromisoformat(last))
                for first, last in known["closed_periods"]
            ],
        )

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        answer = await self._call("POST", "/entries/find", {"references": [list(_pair(key)) for key in keys]})
        return {recorded.key: recorded for recorded in map(_recorded, answer["entries"])}

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        at = datetime.now(UTC).isoformat()
        new = [
            {
                "key": ":".join(_pair(entry.key)),
                "reference": list(_pair(entry.key)),
                "contentHash": entry.content_hash,
                "at": at,
                "content": _content(entry),
            }
            for entry in entries
        ]
        answer = await self._call("POST", "/entries", {"entries": new})
        return [
            Refused(entry.key, EntryRejected(told["refused"])) if "refused" in told else _recorded(told)
            for entry, told in zip(entries, answer["entries"], strict=True)
        ]

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        there = await self._call("POST", "/files/find", {"ids": sorted({entry.external_id for entry, _ in files})})
        missing = [
            {
                "id": entry.external_id,
                "position": file.position,
                "sha256": file.sha256,
                "base64": base64.b64encode(file.path.read_bytes()).decode(),
            }
            for entry, file in files
            if [file.position, file.sha256] not in there["files"][entry.external_id]
        ]
        if missing:
            await self._call("POST", "/files", {"files": missing})
        return []

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        answer = await self._call("POST", "/entries/post", {"ids": [entry.external_id for entry in entries]})
        return [_recorded(told) for told in answer["entries"]]

    async def aclose(self) -> None:
        await self._http.aclose()


def _pair(key: EntryKey) -> tuple[str, str]:
    return key.company_id, key.entry_id


def _content(entry: Entry) -> Json:
    """Everything an entry says, as JSON."""
    said = asdict(entry)
    for name in ("key", "content_hash"):
        said.pop(name)
    plain: Json = _plain(said)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def _recorded(told: Json) -> Recorded:
    return Recorded(
        key=EntryKey(*told["reference"]),
        external_id=told["id"],
        recorded_at=datetime.fromisoformat(told["recordedAt"]),
        state=PostingState(told["state"]),
        content_hash=told["contentHash"],
        attached=frozenset((position, sha256) for position, sha256 in told["files"]),
    )


def open_books(section: Mapping[str, Any]) -> RemoteBooks:
    """Open the ledger that `[books.remote]` names: url, safety, timeout_s, batch_size."""
    return RemoteBooks(section["url"], section["safety"], float(section["timeout_s"]), int(section["batch_size"]))


ADAPTER = Adapter(name="remote", summary="the books server of the tests, over HTTP", open=open_books)
