"""Webhook subscriptions on the wire. Source: definition, Webhook Subscriptions API, components/schemas."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from tallybook.sandbox.api.schemas import CursorPageInfo, DateTime, OptionalText, UuidText, Wire, refuse_null
from tallybook.sandbox.subscriptions import (
    ChangeKind,
    EventType,
    SubscriptionStatus,
    SubscriptionTerms,
)

EVENT_TYPE: Final = {"type": "string", "x-known-values": [event.value for event in EventType]}
STATUSES: Final = {"x-known-values": [status.value for status in SubscriptionStatus]}
_EVENT_TYPES: Final = {"type": "array", "uniqueItems": True, "items": EVENT_TYPE}
_ADDRESS_LENGTH_MAX: Final = 2048
_HEADERS_MAX: Final = 20
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]{0,1000}[!-~])?")
# What makes up the request itself; the signature's own headers begin with `webhook-`.
_RESERVED: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent"}
)


def _address(value: str) -> str:
    try:
        url = urlsplit(value)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise ValueError("must be a web address") from None
    plain = not re.search(r"[^!-~]", value) and len(value) <= _ADDRESS_LENGTH_MAX
    if not plain or not host or url.username is not None or url.fragment:
        raise ValueError("must be a web address, without user name and fragment")
    if url.scheme != "https" and not (url.scheme == "http" and _is_this_machine(host)):
        raise ValueError("must be an https address; http is for this machine only")
    return value


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _distinct(value: list[str]) -> list[str]:
    if not value or len(set(value)) != len(value):
        raise ValueError("must name at least one event, and each once")
    if unknown := sorted(set(value) - {event.value for event in EventType}):
        raise ValueError(f"there is no event {unknown[0]!r}; there are: {', '.join(EventType)}")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    if len(value) > _HEADERS_MAX:
        raise ValueError(f"must be at most {_HEADERS_MAX} headers")
    for name, text in value.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError("must be header names, and values of printable ASCII")
        if name.lower() in _RESERVED or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name} belongs to the notification")
    return value


class AuthCredential(Wire):
    """What Pleo shows the receiver; `token` goes with no type there is."""

    password: OptionalText = None
    token: OptionalText = None
    username: OptionalText = None


class EndpointAuth(Wire):
    """How Pleo authenticates at the receiver."""

    credentials: Annotated[AuthCredential | None, BeforeValidator(refuse_null)] = None
    type: Annotated[
        str | None,
        Field(pattern="^(NONE|BASIC)$"),
        BeforeValidator(refuse_null),
        WithJsonSchema({"type": "string", "enum": ["NONE", "BASIC"]}),
    ] = None

    @model_validator(mode="after")
    def _complete(self) -> "EndpointAuth":
        if self.type == "BASIC" and self.basic() is None:
            raise ValueError("BASIC needs a username without a colon, and a password")
        return self

    def basic(self) -> tuple[str, str] | None:
        """Give user name and password, for BASIC."""
        known = self.credentials
        if self.type != "BASIC" or known is None or not known.username or known.password is None:
            return None
        return None if ":" in known.username else (known.username, known.password)


class SubscriptionRequest(Wire):
    """What a subscription shall be."""

    custom_headers: Annotated[
        dict[str, str] | None, BeforeValidator(refuse_null), AfterValidator(lambda value: _headers(value or {}))
    ] = None
    endpoint_auth: Annotated[EndpointAuth | None, BeforeValidator(refuse_null)] = None
    endpoint_url: Annotated[str, AfterValidator(_address)]
    event_types: Annotated[
        list[str],
        AfterValidator(_distinct),
        WithJsonSchema(_EVENT_TYPES),
    ]
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE

    def terms(self) -> SubscriptionTerms:
        """Give what was asked for."""
        basic = None if self.endpoint_auth is None else self.endpoint_auth.basic()
        return SubscriptionTerms(
            self.endpoint_url, tuple(self.event_types), self.status, basic, self.custom_headers or {}
        )


class SubscriptionModel(Wire):
    """A subscription. A password is not shown again."""

    created_at: DateTime
    custom_headers: dict[str, str]
    deleted_at: Annotated[DateTime | None, WithJsonSchema({"type": "string", "format": "date-time"})] = None
    deleted_by: OptionalText = None
    endpoint_auth: EndpointAuth
    endpoint_url: str
    event_types: Annotated[list[str], WithJsonSchema(_EVENT_TYPES)]
    id: UuidText
    status: SubscriptionStatus
    updated_at: DateTime


class SubscriptionActivityModel(Wire):
    """One change made to a subscription."""

    actor_urn: str
    created_at: DateTime
    description: str
    id: UuidText
    operation_type: str = Field(json_schema_extra={"x-known-values": [kind.value for kind in ChangeKind]})
    subscription_id: UuidText


class SubscriptionSecretModel(Wire):
    """What notifications are signed with."""

    secret_key: str


class SubscriptionResponse(Wire):
    """One subscription."""

    data: SubscriptionModel


class SubscriptionSecretResponse(Wire):
    """One secret."""

    data: SubscriptionSecretModel


class CursorPaginatedResponseSubscriptionModel(Wire):
    """A page of subscriptions."""

    data: list[SubscriptionModel]
    pagination: CursorPageInfo


class CursorPaginatedResponseSubscriptionActivityModel(Wire):
    """A page of changes."""

    data: list[SubscriptionActivityModel]
    pagination: CursorPageInfo
