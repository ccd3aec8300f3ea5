"""The client's typed operations on subscriptions, against the sandbox."""

import pytest

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import PleoBadRequest, PleoCallInvalid, PleoNotFound
from tallybook.pleo.subscriptions import SubscriptionWish, checked_address
from tallybook.pleo.vocabulary import EndpointAuthType, SubscriptionChange, SubscriptionStatus, WebhookEvent

URL = "https://books.example.com/webhooks/pleo"


async def test_a_subscription_lives_from_creation_to_removal(pleo: PleoClient) -> None:
    """Each operation shows what the one before did."""
    made = await pleo.subscriptions.create(SubscriptionWish(URL))
    assert (made.endpoint_url, made.event_types, made.status) == (
        URL,
        (WebhookEvent.EXPORT_JOB_CREATED,),
        SubscriptionStatus.ACTIVE,
    )
    assert await pleo.subscriptions.read(made.id.upper()) == made
    wish = SubscriptionWish(
        URL, [WebhookEvent.EXPORT_JOB_CREATED, WebhookEvent.VENDOR_CREATED], SubscriptionStatus.INACTIVE
    )
    changed = await pleo.subscriptions.replace(made.id, wish)
    assert (changed.id, changed.status, len(changed.event_types)) == (made.id, SubscriptionStatus.INACTIVE, 2)
    await pleo.subscriptions.remove(made.id)
    for question in (pleo.subscriptions.read, pleo.subscriptions.secret, pleo.subscriptions.remove):
        with pytest.raises(PleoNotFound):
            await question(made.id)
    changes = [activity.operation_type async for activity in pleo.subscriptions.activities(made.id)]
    assert changes == [SubscriptionChange.CREATE, SubscriptionChange.UPDATE, SubscriptionChange.DELETE]
    updates = pleo.subscriptions.activities(made.id, operation_types=[SubscriptionChange.UPDATE])
    assert [activity.description async for activity in updates] == ["Subscription updated."]


async def test_subscriptions_are_listed_by_status_and_event_page_by_page(pleo: PleoClient) -> None:
    """Oldest first."""
    vendors = SubscriptionWish(URL, [WebhookEvent.VENDOR_CREATED])
    wishes = [SubscriptionWish(URL), SubscriptionWish(URL, status=SubscriptionStatus.INACTIVE), vendors]
    first, second, third = [(await pleo.subscriptions.create(wish)).id for wish in wishes]

    async def ids(**asked: object) -> list[str]:
        return [each.id async for each in pleo.subscriptions.all(**asked)]  # type: ignore[arg-type]

    assert await ids() == [first, second, third]
    assert await ids(status=SubscriptionStatus.INACTIVE) == [second]
    assert await ids(event_types=[WebhookEvent.VENDOR_CREATED]) == [third]
    page = await pleo.subscriptions.list(limit=1)
    following = await pleo.subscriptions.list(limit=1, after=page.info.end_cursor)
    assert [each.id for each in (*page.rows, *following.rows)] == [first, second]


async def test_what_is_secret_is_sent_and_neither_read_back_nor_shown(pleo: PleoClient) -> None:
    """Password, headers and the signing secret."""
    wish = SubscriptionWish(URL, basic=("pleo", "open sesame"), custom_headers={"X-Key": "private"})
    assert "sesame" not in repr(wish)
    assert "private" not in repr(wish)
    made = await pleo.subscriptions.create(wish)
    assert made.endpoint_auth is not None
    assert made.endpoint_auth.type == EndpointAuthType.BASIC
    assert made.endpoint_auth.credentials is not None
    assert made.endpoint_auth.credentials.username == "pleo"
    assert made.endpoint_auth.credentials.password is None
    assert made.custom_headers is not None
    assert made.custom_headers["X-Key"].get_secret_value() == "private"
    secret = await pleo.subscriptions.secret(made.id)
    assert secret.get_secret_value().startswith("whsec_")
    assert "private" not in repr(made)
    assert "whsec_" not in repr(secret)


async def test_a_refusal_says_what_to_mend(pleo: PleoClient) -> None:
    """An address Pleo does not take is most likely a wrong address."""
    with pytest.raises(PleoBadRequest, match="check the address"):
        await pleo.subscriptions.create(SubscriptionWish("https://books.example.com/" + "x" * 3000))


@pytest.mark.parametrize(
    "address",
    [
        *("", "books", "ftp://books.example.com", "http://books.example.com", "https://", "http://10.0.0.1/x"),
        *(
            "https://user:pw@books.example.com",
            "https://books.example.com/#part",
            "https://[",
            "http://localhost.evil.com",
        ),
    ],
)
def test_an_address_that_is_not_safe_is_not_sent(address: str) -> None:
    """Plain http is for this machine only."""
    with pytest.raises(PleoCallInvalid, match="https address"):
        checked_address(address)


@pytest.mark.parametrize(
    "address", [URL, "http://127.0.0.1:8000/webhooks/pleo", "http://[::1]/x", "http://localhost/x"]
)
def test_https_and_this_machine_are_good_addresses(address: str) -> None:
    """As they were given."""
    assert checked_address(f" {address} ") == address


def test_a_subscription_to_nothing_is_not_sent() -> None:
    """It would never be told anything."""
    with pytest.raises(PleoCallInvalid, match="at least one event"):
        SubscriptionWish(URL, []).body()
