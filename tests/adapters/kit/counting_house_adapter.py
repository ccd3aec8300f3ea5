"""An adapter for the counting house: it searches by reference before it writes, and never writes twice on a doubt."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx

from tallybook.accounting import errors
from tallybook.accounting.entry import Attachment, Document, Entry, EntryKey, PostingState, Recorded
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
from tallybook.errors import SettingsError
from tests.adapters.kit.counting_house import FILE_BYTES_MAX

SETTINGS = {"url", "password", "company_id", "timeout_s"}
LEAVES: dict[str, type[errors.EntryRefused]] = {
    "account": errors.AccountUnknown,
    "tax_code": errors.TaxCodeUnknown,
    "dimension": errors.DimensionUnknown,
    "vendor": errors.VendorUnknown,
    "period": errors.PeriodClosed,
    "sums": errors.EntryInvalid,
    "currency": errors.EntrySettingInvalid,
    "size": errors.AttachmentTooLarge,
    "entry": errors.AttachmentNotStored,
}


class NotTakenError(Exception):
    """The house's own no."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(body["problem"])
        self.body = body

    def leaf(self) -> errors.EntryRefused:
        problem = self.body["problem"]
        leaf = LEAVES.get(problem, errors.EntryRejected)
        return leaf(f"The counting house refused the {problem} {self.body['value']!r}; correct it there or in Pleo")


@dataclass
class HouseBooks:
    """An `AccountingSystem` over HTTP."""

    settings: Mapping[str, Any]
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(batch_size=20, attachment_size_bytes_max=FILE_BYTES_MAX)
    )
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)  # between search and write nobody else writes
    _token: str | None = None
    _client: httpx.AsyncClient | None = None

    async def _ask(self, method: str, path: str, *, again: bool = True, **arguments: Any) -> Any:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self.settings["url"], timeout=self.settings.get("timeout_s", 1), trust_env=False
            )
        if self._token is None and path != "/sessions":
            told = await self._ask("POST", "/sessions", json={"password": self.settings["password"]})
            self._token = told["token"]
        answer = await self._sent(method, path, arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            if again and path != "/sessions":
                return await self._ask(method, path, again=False, **arguments)
            raise errors.AccountingAuthenticationFailed("The counting house does not accept the password")
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise errors.AccountingRateLimited("The counting house asks for fewer calls; try again later")
        if answer.is_server_error:
            raise errors.AccountingUnreachable(f"The counting house answers {answer.status_code}; try again later")
        if answer.is_client_error:
            raise NotTakenError(answer.json())
        return answer.json()

    async def _sent(self, method: str, path: str, arguments: Mapping[str, Any]) -> httpx.Response:
        assert self._client is not None
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            return await self._client.request(method, path, headers=headers, **arguments)
        except httpx.TimeoutException as error:
            raise errors.AccountingTimeout("The counting house did not answer in time") from error
        except httpx.TransportError as error:
            raise errors.AccountingUnreachable("The counting house cannot be reached") from error

    async def check_ready(self, need: Need) -> None:
        if need.company_id != self.settings["company_id"]:
            raise errors.AccountingSettingInvalid(
                "The counting house keeps another company's books; correct company_id"
            )
        await self._ask("GET", "/chart")

    async def reference_data(self) -> ReferenceData:
        chart = await self._ask("GET", "/chart")
        return ReferenceData(
            accounts=[Account(code, code) for code in chart["accounts"]],
            tax_codes=[TaxCode(code, ingoing_account=account) for code, account in chart["tax_codes"].items()],
            dimensions={group: frozenset(codes) for group, codes in chart["dimensions"].items()},
            vendors=[Vendor(code, code) for code in chart["vendors"]],
            closed_periods=[ClosedPeriod(date.fromisoformat(day), date.fromisoformat(day)) for day in chart["closed"]],
        )

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        if not keys:
            return {}
        by_reference = {f"{key.company_id}/{key.entry_id}": key for key in keys}
        rows = await self._ask("GET", "/entries", params={"reference": list(by_reference)})
        return {by_reference[row["reference"]]: _recorded(row) for row in rows[::-1]}  # the first written counts

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        async with self._writing:
            return await self._record(entries)

    async def _record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        answers: dict[EntryKey, Recorded | Refused] = dict(await self.find([entry.key for entry in entries]))
        fresh = {entry.key: entry for entry in entries if entry.key not in answers}
        while fresh:
            batch = list(fresh.values())
            try:
                rows = await self._ask("POST", "/entries", json=[_values(entry) for entry in batch])
            except NotTakenError as no:
                bad = batch[no.body["place"]]
                there = await self.find([bad.key]) if no.body["problem"] == "reference" else {}
                answers[bad.key] = there.get(bad.key) or Refused(bad.key, no.leaf())
                del fresh[bad.key]
            else:
                answers |= {entry.key: _recorded(row) for entry, row in zip(batch, rows, strict=True)}
                fresh.clear()
        return [answers[entry.key] for entry in entries]

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        refused = []
        for to, file in files:
            try:
                content = file.path.read_bytes()
                if hashlib.sha256(content).hexdigest() != file.sha256:
                    raise errors.AttachmentNotStored(f"The file at position {file.position} is not the one announced")
                path = f"/entries/{to.external_id}/files"
                await self._ask("POST", path, params={"position": file.position}, content=content)
            except OSError:
                gone = errors.AttachmentUnavailable(f"The file at position {file.position} is gone")
                refused.append(Refused(to.key, gone))
            except NotTakenError as no:
                refused.append(Refused(to.key, no.leaf()))
            except errors.EntryRefused as error:
                refused.append(Refused(to.key, error))
        return refused

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        answers: list[Recorded | Refused] = []
        for entry in entries:
            try:
                answers.append(_recorded(await self._ask("POST", "/posted", json=int(entry.external_id))))
            except NotTakenError as no:
                answers.append(Refused(entry.key, no.leaf()))
        return answers

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class NeverSearches(HouseBooks):
    """For a house that cannot be searched: it writes what it is given, and Tallybook gives it nothing twice."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings, Capabilities(can_find=False, attachment_size_bytes_max=FILE_BYTES_MAX))

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        del keys
        return {}


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "reference": f"{entry.key.company_id}/{entry.key.entry_id}",
        "hash": f"{entry.content_hash} {datetime.now(UTC).isoformat()}",
        "on": entry.posting_on.isoformat(),
        "text": json.dumps(entry.details.description),
        "documents": [_document(document) for document in entry.documents],
    }


def _document(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "currency": document.currency,
        "vendor": document.vendor,
        "invoice_number": document.invoice_number,
        "lines": [
            {
                "account": line.account,
                "amount_minor": line.amount_minor,
                "tax_code": line.tax_code,
                "dimensions": [[dimension.group, dimension.code] for dimension in line.dimensions],
            }
            for line in document.lines
        ],
    }


def _recorded(row: Mapping[str, Any]) -> Recorded:
    company_id, _, entry_id = row["reference"].partition("/")
    content_hash, _, at = row["hash"].partition(" ")
    return Recorded(
        key=EntryKey(company_id, entry_id),
        external_id=str(row["id"]),
        recorded_at=datetime.fromisoformat(at),
        state=PostingState(row["state"]),
        content_hash=content_hash,
        attached=frozenset((position, sha256) for position, sha256 in row["files"]),
    )


def open_house(section: Mapping[str, Any], kind: type[HouseBooks] = HouseBooks) -> HouseBooks:
    unknown = sorted(section.keys() - SETTINGS)
    if unknown:
        raise SettingsError([f"books.counting_house.{name} is no setting" for name in unknown])
    return kind(section)


def open_without_search(section: Mapping[str, Any]) -> HouseBooks:
    return open_house(section, NeverSearches)


ADAPTER = Adapter("counting house", "a small accounting system over HTTP, for the kit's own tests", open_house)
WITHOUT_SEARCH = Adapter("counting house without search", "writes and never looks", open_without_search)
