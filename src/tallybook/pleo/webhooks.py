"""Notifications from Pleo: whether one is genuine, fresh and new, and which export job it speaks of.

Pure: body, headers, secrets and time go in, a `Notification` or a `Refusal` comes out. No sentence made here repeats
anything that was sent, since whoever reads it may be whoever forged it.

Source: Standard Webhooks specification 1.0 (signature, tolerance); contract/pleo-webhooks.openapi.yaml (body);
docs/decisions.md 26 and 27.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from tallybook.errors import SettingsError
from tallybook.pleo import answers
from tallybook.pleo.auth import Secret
from tallybook.pleo.errors import PleoAnswerUnreadable, printable
from tallybook.pleo.models import Uuid, Wire
from tallybook.pleo.webhook_wrapper import members

TOLERANCE_S = 5 * 60  # Standard Webhooks: reject what is older, or newer, than a few minutes
REMEMBERED_FOR_S = 24 * 3600
REMEMBERED_MAX = 100_000  # ours: some 20 MB; the oldest goes first

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_FIELDS = (_ID, _TIMESTAMP, _SIGNATURE)
_ID_FORM = re.compile(r"[!-~]{1,256}")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,12}")
_SIGNATURE_LENGTH_MAX = 4096  # some ninety signatures
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what stands before every secret
_KEY_BYTES_MIN = 16  # the standard says 24 to 64; less is a secret cut off while it was copied
_EVENT_TYPE_LENGTH_MAX = 100


class Fault(StrEnum):
    """Why a notification is refused, in a word that may go into logs and metrics."""

    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    WRONG_SIGNATURE = "wrong_signature"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A notification that is not believed or not understood: the HTTP status to answer with, and a sentence."""

    status: int
    fault: Fault
    sentence: str


@dataclass(frozen=True, slots=True)
class CreatedJob:
    """The export job that was created: both ids as UUIDs in lower case."""

    company_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Notification:
    """A genuine notification: its `webhook-id`, its event, and whether its id was there before.

    `created_job` is None for any event but the creation of an export job. What else the notification tells of the job
    is a snapshot of an earlier moment; read the job.
    """

    id: str
    event_type: str
    event_id: str | None
    created_job: CreatedJob | None
    seen_before: bool


class SigningSecrets:
    """The secrets a notification may be signed with: Pleo's present one, and during a rotation the other one as well.

    They never show in `repr`, `str` or an error.
    """

    __slots__ = ("__keys",)

    def __init__(self, secrets: Iterable[Secret | str]) -> None:
        """Read secrets as Pleo shows them: `whsec_` and base64.

        Raises:
            SettingsError: there is none, or one is no such secret.
        """
        self.__keys = tuple(_key(each if isinstance(each, str) else each.get_secret_value()) for each in secrets)
        if not self.__keys:
            raise SettingsError(["webhooks: no secret is set; `tallybook webhooks secret ID` shows Pleo's"])

    def signatures(self, signed: bytes) -> list[bytes]:
        """Sign once with each secret."""
        return [hmac.digest(key, signed, "sha256") for key in self.__keys]

    def __repr__(self) -> str:
        return f"<{len(self.__keys)} signing secret(s)>"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} is not to be stored")


def _key(secret: str) -> bytes:
    encoded = secret.strip().removeprefix(_SECRET_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _KEY_BYTES_MIN:
        raise SettingsError(
            ["webhooks: a secret is no base64 behind `whsec_`, or cut off; copy it anew: tallybook webhooks secret ID"]
        )
    return key


class SeenIds:
    """The ids of notifications taken in the last 24 hours, at most REMEMBERED_MAX of them.

    In memory, and for one event loop: what a restart forgets is at most a repetition, and a job runs once however
    often it is announced.
    """

    def __init__(self, *, keep_s: int = REMEMBERED_FOR_S, size_max: int = REMEMBERED_MAX) -> None:
        self._keep = timedelta(seconds=keep_s)
        self._size_max = size_max
        self._seen_at: dict[str, datetime] = {}

    def known(self, webhook_id: str, now: datetime) -> bool:
        """Whether the id was taken before. Repeat: safe."""
        seen_at = self._seen_at.get(webhook_id)
        return seen_at is not None and seen_at + self._keep > now

    def take(self, webhook_id: str, now: datetime) -> bool:
        """Remember an id; False if it was taken before.

        Repeat: False.
        """
        if self.known(webhook_id, now):
            return False
        self._seen_at.pop(webhook_id, None)  # so that it goes to the end
        self._seen_at[webhook_id] = now
        while self._seen_at:
            oldest = next(iter(self._seen_at))
            if len(self._seen_at) <= self._size_max and self.known(oldest, now):
                break
            del self._seen_at[oldest]
        return True

    def give_back(self, webhook_id: str) -> None:
        """Forget an id whose notification came to nothing, so that Pleo's next attempt counts. Repeat: safe."""
        self._seen_at.pop(webhook_id, None)


class _Refused(Exception):
    """Carries a refusal up to `verify`. Never leaves this room."""

    def __init__(self, status: int, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = Refusal(status, fault, sentence)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What is signed, letter by letter as it came, and the signatures offered."""

    id: str
    timestamp: str
    signatures: str
    payload: bytes


class _Event(Wire):
    event_type: str
    event_id: str | None = None
    data: Any = None


class _JobData(Wire):
    id: Uuid
    company_id: Uuid


def verify(
    body: bytes, headers: Iterable[tuple[str, str]], secrets: SigningSecrets, *, now: datetime, seen: SeenIds
) -> Notification | Refusal:
    """Judge one request: `body` as it came over the wire, `headers` in any case and order, `now` aware.

    Nothing is remembered: whoever acts on the notification takes its id from `seen`.

    Repeat: safe, the same answer.
    Source: docs/decisions.md 26.
    """
    try:
        envelope = _envelope(body, headers)
        _check(envelope, secrets, now)
        event = _event(envelope.payload)
        created_job = _created_job(event.data) if announces_export_job(event.event_type) else None
    except _Refused as refused:
        return refused.refusal
    return Notification(
        id=envelope.id,
        event_type=printable(event.event_type, _EVENT_TYPE_LENGTH_MAX),
        event_id=None if event.event_id is None else printable(event.event_id, _EVENT_TYPE_LENGTH_MAX),
        created_job=created_job,
        seen_before=seen.known(envelope.id, now),
    )


def announces_export_job(event_type: str) -> bool:
    """Tell whether an event's words are export, job, created, in whichever of the published spellings.

    `v1.export-job.created`, `v1.export.job-created`, `export-job.created`, `export.job-created`, and any version.

    Source: docs/decisions.md 27.
    """
    words = re.findall(r"[a-z0-9]+", event_type[:_EVENT_TYPE_LENGTH_MAX].lower())
    if words and re.fullmatch(r"v[0-9]+", words[0]):
        del words[0]
    return words == ["export", "job", "created"]


def _envelope(body: bytes, headers: Iterable[tuple[str, str]]) -> _Envelope:
    given: dict[str, str] = {}
    for name, value in headers:
        if (known := name.lower()) in _FIELDS:
            if known in given:
                raise _Refused(400, Fault.MALFORMED, f"The header {known} is there more than once.")
            given[known] = value.strip()
    if not given:
        return _wrapped(body)
    if missing := [name for name in _FIELDS if not given.get(name)]:
        raise _Refused(401, Fault.UNSIGNED, f"The notification lacks the header {missing[0]}.")
    return _well_formed(given, body)


def _wrapped(body: bytes) -> _Envelope:
    """Read the form of Pleo's events page: id, timestamp and signature as JSON members beside `payload`.

    The signature cannot cover the body it stands in, so what it covers is the payload, as it is written there.
    """
    unsigned = _Refused(
        401, Fault.UNSIGNED, "The notification has no webhook-id, webhook-timestamp, webhook-signature."
    )
    try:
        found = members(body)
    except ValueError:
        raise unsigned from None
    if not {*_FIELDS, "payload"} <= found.keys():
        raise unsigned
    given: dict[str, str] = {}
    for name in _FIELDS:
        member = found[name]
        # A timestamp may be written as a number: then its digits are what was signed.
        given[name] = member.value if isinstance(member.value, str) else member.text
    payload = found["payload"]
    signed = payload.value if isinstance(payload.value, str) else payload.text
    try:
        return _well_formed(given, signed.encode())
    except UnicodeEncodeError:  # half a character, written as an escape
        raise _Refused(400, Fault.UNREADABLE, "The payload is no Unicode text.") from None


def _well_formed(given: dict[str, str], payload: bytes) -> _Envelope:
    if not _ID_FORM.fullmatch(given[_ID]):
        raise _Refused(400, Fault.MALFORMED, "The webhook-id is not one printable ASCII word of at most 256 letters.")
    if not _TIMESTAMP_FORM.fullmatch(given[_TIMESTAMP]):
        raise _Refused(400, Fault.MALFORMED, "The webhook-timestamp is not a number of seconds since 1970.")
    if len(given[_SIGNATURE]) > _SIGNATURE_LENGTH_MAX:
        raise _Refused(400, Fault.MALFORMED, f"The webhook-signature is longer than {_SIGNATURE_LENGTH_MAX} letters.")
    return _Envelope(given[_ID], given[_TIMESTAMP], given[_SIGNATURE], payload)


def _check(envelope: _Envelope, secrets: SigningSecrets, now: datetime) -> None:
    age_s = now.timestamp() - int(envelope.timestamp)
    if age_s > TOLERANCE_S:
        sentence = f"The notification was signed more than {TOLERANCE_S} seconds ago."
        raise _Refused(401, Fault.TOO_OLD, sentence)
    if age_s < -TOLERANCE_S:
        sentence = f"The notification was signed more than {TOLERANCE_S} seconds in the future; compare the clocks."
        raise _Refused(401, Fault.TOO_NEW, sentence)
    # The letters of the timestamp as they came, and not a number written anew, are what the sender signed.
    signed = f"{envelope.id}.{envelope.timestamp}.".encode() + envelope.payload
    ours = secrets.signatures(signed)
    matches = [hmac.compare_digest(one, theirs) for theirs in _offered(envelope.signatures) for one in ours]
    if not any(matches):
        raise _Refused(401, Fault.WRONG_SIGNATURE, "No signature fits; compare the secret with Pleo's.")


def _offered(signatures: str) -> list[bytes]:
    """List the signatures of version 1; a word of another version, or no signature at all, does not count."""
    offered = []
    for word in signatures.split():
        version, comma, encoded = word.partition(",")
        if version == "v1" and comma:
            try:
                offered.append(base64.b64decode(encoded, validate=True))
            except (binascii.Error, ValueError):
                continue
    return offered


def _event(payload: bytes) -> _Event:
    try:
        return _Event.model_validate(answers.parse(payload))
    except (PleoAnswerUnreadable, ValidationError):
        pass
    # Raised here, outside the handler: their errors hold the body.
    raise _Refused(400, Fault.UNREADABLE, "The notification is genuine, but no JSON object with an eventType.")


def _created_job(data: Any) -> CreatedJob:
    try:
        job = _JobData.model_validate(data)
    except ValidationError:
        pass
    else:
        return CreatedJob(company_id=job.company_id, job_id=job.id)
    raise _Refused(400, Fault.UNREADABLE, "The notification is genuine, but names no company and export job by UUID.")
