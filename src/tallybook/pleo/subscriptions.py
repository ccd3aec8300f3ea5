"""Webhook subscriptions at Pleo, as typed calls: who is told of a new export job, and where.

Pleo wants one subscription per client and customer, and the credential that made it for every later call about it.

Source: contract/pleo-webhooks.openapi.yaml; Pleo guide "Webhooks".
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import httpx
from pydantic import BeforeValidator, SecretStr

from tallybook.pleo import answers
from tallybook.pleo.errors import PleoAnswerUnreadable, PleoCallInvalid, PleoUnclear
from tallybook.pleo.models import Instant, Open, Page, Uuid, Wire
from tallybook.pleo.pages import drain
from tallybook.pleo.queries import Query, id_of, paging
from tallybook.pleo.transport import Call, Transport, is_loopback, json_of
from tallybook.pleo.vocabulary import EndpointAuthType, SubscriptionChange, SubscriptionStatus, WebhookEvent
from tallybook.pleo.webhooks import SigningSecrets

_PATH = "/v1/subscriptions"
_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")  # a name or an address, the latter without brackets


def _one_or_many(value: Any) -> Any:
    # A sample of Pleo's shows a single event as a plain text where the definition has a list.
    return [value] if isinstance(value, str) else value


class EndpointCredentials(Wire):
    """What Pleo shows the receiver; `token` is in the definition without a type of authentication that uses it."""

    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None


class EndpointAuth(Wire):
    """How Pleo authenticates at the receiver."""

    type: Open[EndpointAuthType] = EndpointAuthType.NONE
    credentials: EndpointCredentials | None = None


class Subscription(Wire):
    """A subscription as Pleo has it."""

    id: Uuid
    endpoint_url: str
    event_types: Annotated[tuple[Open[WebhookEvent], ...], BeforeValidator(_one_or_many)]
    status: Open[SubscriptionStatus]
    created_at: Instant
    updated_at: Instant
    custom_headers: Mapping[str, SecretStr] | None = None
    endpoint_auth: EndpointAuth | None = None
    deleted_at: Instant | None = None
    deleted_by: str | None = None


class SubscriptionActivity(Wire):
    """One change made to a subscription: `actor_urn` names who made it."""

    id: Uuid
    subscription_id: Uuid
    operation_type: Open[SubscriptionChange]
    description: str
    actor_urn: str
    created_at: Instant


class _Secret(Wire):
    secret_key: SecretStr


@dataclass(frozen=True, slots=True)
class SubscriptionWish:
    """What a subscription shall be: where to, of what, and how Pleo shows itself there besides its signature.

    `basic` is user name and password; `custom_headers` go with every notification.
    """

    endpoint_url: str
    event_types: Sequence[str] = (WebhookEvent.EXPORT_JOB_CREATED,)
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    basic: tuple[str, str] | None = field(default=None, repr=False)
    custom_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def body(self) -> bytes:
        """Write it as Pleo's SubscriptionRequest.

        Raises:
            PleoCallInvalid: the address is neither https nor this machine's own, or no event is named.
        """
        if not self.event_types:
            raise PleoCallInvalid("a subscription names at least one event")
        body: dict[str, Any] = {
            "endpointUrl": checked_address(self.endpoint_url),
            "eventTypes": list(dict.fromkeys(map(str, self.event_types))),
            "status": self.status.value,
        }
        if self.custom_headers:
            body["customHeaders"] = dict(self.custom_headers)
        if self.basic is not None:
            username, password = self.basic
            credentials = {"username": username, "password": password}
            body["endpointAuth"] = {"type": EndpointAuthType.BASIC.value, "credentials": credentials}
        return json_of(body)


def checked_address(endpoint_url: str) -> str:
    """Check where notifications shall go: https, or plain http on this machine, for a sandbox.

    Raises:
        PleoCallInvalid: anything else, or an address with a user name or a fragment in it.
    """
    try:
        url = httpx.URL(endpoint_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL()
    secure = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))
    if not secure or not _HOST.fullmatch(url.raw_host) or url.userinfo or url.fragment:
        raise PleoCallInvalid("notifications go to an https address such as https://books.example.com/webhooks/pleo")
    return str(url)


class Subscriptions:
    """The operations on webhook subscriptions; `PleoClient.subscriptions` is one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        status: SubscriptionStatus | str | None = None,
        event_types: Sequence[str] = (),
        after: str | None = None,
        limit: int | None = None,
    ) -> Page[Subscription]:
        """Read one page of subscriptions, those to any of `event_types`.

        Repeat: safe.
        Raises:
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v1/subscriptions.
        """
        query = paging(after, None, None, limit, ())
        if status is not None:
            query.append(("status", str(status)))
        query += [("event_types", str(event_type)) for event_type in event_types]
        answer = await self._get("list_subscriptions", _PATH, query)
        row = partial(answers.read, Subscription, what="a webhook subscription")
        return answers.read_page(row, answer, "webhook subscriptions", after)

    async def all(
        self, *, status: SubscriptionStatus | str | None = None, event_types: Sequence[str] = ()
    ) -> AsyncIterator[Subscription]:
        """Yield all subscriptions, page by page, in Pleo's order.

        Repeat: safe; starts again at the first page.
        Raises:
            PleoError: as `list`, or a list without an end.
        """
        async for page in drain(lambda after: self.list(status=status, event_types=event_types, after=after)):
            for subscription in page.rows:
                yield subscription

    async def create(self, wish: SubscriptionWish) -> Subscription:
        """Create a subscription.

        Repeat: not safe; a second call makes a second subscription, and every event comes twice.
        Raises:
            PleoCallInvalid: the address is none Pleo may send to; nothing was sent.
            PleoUnclear: sent, and no clear answer; list the subscriptions to find out.
            PleoError: nothing was created.
        Source: definition POST /v1/subscriptions, which answers 200.
        """
        call = Call("create_subscription", "POST", _PATH, content=wish.body(), repeatable=False)
        answer = await self._transport.call(call)
        try:
            return answers.read_data(Subscription, answers.parse(answer), "the new webhook subscription")
        except PleoAnswerUnreadable as error:
            raise PleoUnclear(f"the webhook subscription was created, but {error}", status=200) from error

    async def read(self, subscription_id: str) -> Subscription:
        """Read one subscription.

        Repeat: safe.
        Raises:
            PleoNotFound: no such subscription.
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v1/subscriptions/{id}.
        """
        answer = await self._get("subscription", _path(subscription_id))
        return answers.read_data(Subscription, answer, "a webhook subscription")

    async def replace(self, subscription_id: str, wish: SubscriptionWish) -> Subscription:
        """Make a subscription what is wished, whole: what the wish does not name is gone.

        Repeat: safe, the same subscription.
        Raises:
            PleoCallInvalid: the address is none Pleo may send to; nothing was sent.
            PleoNotFound: no such subscription.
            PleoError: no readable answer, or a refusal.
        Source: definition PUT /v1/subscriptions/{id}.
        """
        call = Call("replace_subscription", "PUT", _path(subscription_id), content=wish.body())
        answer = answers.parse(await self._transport.call(call))
        return answers.read_data(Subscription, answer, "a webhook subscription")

    async def remove(self, subscription_id: str) -> None:
        """Remove a subscription.

        Repeat: meets PleoNotFound, as does an attempt made anew after an answer was lost.
        Raises:
            PleoNotFound: no such subscription.
            PleoError: no clear answer, or a refusal.
        Source: definition DELETE /v1/subscriptions/{id}.
        """
        await self._transport.call(Call("remove_subscription", "DELETE", _path(subscription_id), body_wanted=False))

    async def secret(self, subscription_id: str) -> SecretStr:
        """Read the secret a subscription's notifications are signed with.

        Repeat: safe.
        Raises:
            PleoNotFound: no such subscription.
            PleoError: no readable answer, or a refusal.
            SettingsError: Pleo's secret is not of the form a notification can be verified with.
        Source: definition GET /v1/subscriptions/{id}/secret.
        """
        answer = await self._get("subscription_secret", f"{_path(subscription_id)}/secret")
        secret = answers.read_data(_Secret, answer, "the secret of a webhook subscription").secret_key
        SigningSecrets([secret])
        return secret

    async def activities(
        self, subscription_id: str, *, operation_types: Sequence[SubscriptionChange] = ()
    ) -> AsyncIterator[SubscriptionActivity]:
        """Yield the changes made to a subscription, page by page, in Pleo's order.

        Repeat: safe; starts again at the first page.
        Raises:
            PleoNotFound: no such subscription.
            PleoError: no readable answer, a refusal, or a list without an end.
        Source: definition GET /v1/subscriptions/{id}/activities.
        """
        path = f"{_path(subscription_id)}/activities"
        row = partial(answers.read, SubscriptionActivity, what="a change of a webhook subscription")

        async def fetch(after: str | None) -> Page[SubscriptionActivity]:
            query = paging(after, None, None, None, ())
            query += [("operation_types", change.value) for change in operation_types]
            answer = await self._get("list_subscription_activities", path, query)
            return answers.read_page(row, answer, "changes of a webhook subscription", after)

        async for page in drain(fetch):
            for activity in page.rows:
                yield activity

    async def _get(self, operation: str, path: str, query: Query | None = None) -> Any:
        return answers.parse(await self._transport.call(Call(operation, "GET", path, query or ())))


def _path(subscription_id: str) -> str:
    return f"{_PATH}/{id_of(subscription_id, 'subscription')}"
