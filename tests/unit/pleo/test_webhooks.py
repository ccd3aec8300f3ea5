import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from tallybook.errors import SettingsError
from tallybook.pleo.webhook_wrapper import members
from tallybook.pleo.webhooks import (
    CreatedJob,
    Fault,
    Notification,
    Refusal,
    SeenIds,
    SigningSecrets,
    announces_export_job,
    verify,
)
from tests.webhooks.signing import BODY, COMPANY, EVENT, JOB, NOW, OTHER_SECRET, SECRET, headers, signature

# The public test vector of the scheme, whose headers Pleo's own sample shows.
VECTOR_ID, VECTOR_AT, VECTOR_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def judged(
    body: bytes, given_headers: list[tuple[str, str]], *secrets: str, now: datetime = NOW, seen: SeenIds | None = None
) -> Notification | Refusal:
    return verify(body, given_headers, SigningSecrets(secrets or [SECRET]), now=now, seen=seen or SeenIds())


def fault(judgement: Notification | Refusal) -> Fault | None:
    return judgement.fault if isinstance(judgement, Refusal) else None


SENSELESS_DATA: list[Any] = [None, [], {"id": JOB}, {"id": "1", "companyId": COMPANY}]


def test_the_schemes_own_test_vector_is_genuine() -> None:
    """Its body is no event of Pleo's, so what is refused is the body, and not the signature."""
    given_headers = [
        ("webhook-id", VECTOR_ID),
        ("webhook-timestamp", str(VECTOR_AT)),
        ("webhook-signature", VECTOR_SIGNATURE),
    ]
    assert signature(VECTOR_BODY, at=str(VECTOR_AT), webhook_id=VECTOR_ID) == VECTOR_SIGNATURE
    now = datetime.fromtimestamp(VECTOR_AT, UTC)
    assert fault(judged(VECTOR_BODY, given_headers, now=now)) is Fault.UNREADABLE
    assert fault(judged(VECTOR_BODY + b" ", given_headers, now=now)) is Fault.WRONG_SIGNATURE


def test_a_genuine_notification_names_its_company_and_job() -> None:
    """Ids come in lower case, whatever case they were sent in."""
    body = json.dumps(EVENT | {"data": {"companyId": COMPANY.upper(), "id": JOB.upper()}}).encode()
    found = judged(body, headers(body))
    assert found == Notification("msg_1", "v1.export-job.created", "e1", CreatedJob(COMPANY, JOB), seen_before=False)


@given(body=st.dictionaries(st.text(), st.text()), webhook_id=st.from_regex(r"msg_[A-Za-z0-9]{1,30}", fullmatch=True))
def test_what_the_schemes_own_library_signs_is_genuine(body: dict[str, str], webhook_id: str) -> None:
    """Our verification and the library's signing agree on every body."""
    text = json.dumps(body | {"eventType": "v1.vendor.created"}, ensure_ascii=False)
    text = text.encode("utf-8", "replace").decode()
    signed = Webhook(SECRET).sign(webhook_id, NOW, text)
    given_headers = [
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(int(NOW.timestamp()))),
        ("webhook-signature", signed),
    ]
    assert fault(judged(text.encode(), given_headers)) in {None, Fault.UNREADABLE}


@pytest.mark.parametrize(
    ("seconds", "expected"), [(300, None), (301, Fault.TOO_OLD), (-300, None), (-301, Fault.TOO_NEW)]
)
def test_five_minutes_are_tolerated_either_way(seconds: int, expected: Fault | None) -> None:
    """On the clock that is passed in."""
    assert fault(judged(BODY, headers(BODY), now=NOW + timedelta(seconds=seconds))) is expected


def test_every_signature_offered_is_tried() -> None:
    """Those of another version or without any sense do not count, and do not spoil the others."""
    right = signature(BODY)
    offered = f"v2,{right[3:]} nonsense v1 v1, v1,!!! v1,é {signature(BODY, secret=OTHER_SECRET)} {right}"
    assert fault(judged(BODY, [*headers(BODY)[:2], ("webhook-signature", offered)])) is None
    assert fault(judged(BODY, [*headers(BODY)[:2], ("webhook-signature", f"v2,{right[3:]} v1a,x")])) is (
        Fault.WRONG_SIGNATURE
    )


def test_while_a_secret_is_replaced_both_are_good() -> None:
    """A notification signed with either of them is genuine, and one signed with a third is not."""
    for secret in (SECRET, OTHER_SECRET):
        assert fault(judged(BODY, headers(BODY, secret=secret), SECRET, OTHER_SECRET)) is None
    assert fault(judged(BODY, headers(BODY, secret=OTHER_SECRET))) is Fault.WRONG_SIGNATURE


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_whatever_is_changed_breaks_the_signature(part: str) -> None:
    """One letter of the body, the id, the timestamp or the signature."""
    changed = {name.lower(): value for name, value in headers(BODY)}
    body = BODY
    if part == "body":
        body = BODY.replace(b"pending", b"pendinG")
    elif part == "webhook-timestamp":
        changed[part] = str(int(changed[part]) + 1)
    else:
        changed[part] = changed[part][:4] + ("A" if changed[part][4] != "A" else "B") + changed[part][5:]
    assert fault(judged(body, list(changed.items()))) is Fault.WRONG_SIGNATURE


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused_even_if_the_body_has_it(missing: str) -> None:
    """The wrapper counts only where no header is there at all."""
    there = [(name.lower(), value) for name, value in headers(BODY) if name.lower() != missing]
    wrapped = json.dumps({name.lower(): value for name, value in headers(BODY)} | {"payload": EVENT}).encode()
    assert fault(judged(wrapped, there)) is Fault.UNSIGNED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "two words"),
        ("webhook-id", "x" * 257),
        ("webhook-id", "ünï"),
        ("webhook-timestamp", "1772366400.0"),
        ("webhook-timestamp", "-5"),
        ("webhook-timestamp", "٣"),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-signature", "v1,AAAA " * 1000),
    ],
)
def test_a_header_of_another_form_is_malformed(name: str, value: str) -> None:
    """Nothing is reckoned with it."""
    given_headers = [(known.lower(), value if known.lower() == name else text) for known, text in headers(BODY)]
    assert fault(judged(BODY, given_headers)) is Fault.MALFORMED


def test_a_header_there_twice_is_malformed() -> None:
    """Two readers could each believe another one."""
    assert fault(judged(BODY, [*headers(BODY), ("webhook-id", "msg_2")])) is Fault.MALFORMED


def wrapper(payload: str, **changes: str) -> bytes:
    """Pleo's events page: id, timestamp and signature as members beside the payload."""
    given = {name.lower(): json.dumps(value) for name, value in headers(payload.encode())} | changes
    return (
        "{" + ", ".join(f'"{name}": {text}' for name, text in given.items()) + f',\n "payload" : {payload} }}\n'
    ).encode()


@pytest.mark.parametrize(
    "payload", [json.dumps(EVENT), json.dumps(EVENT, indent=4), json.dumps(EVENT, separators=(",", ":"))]
)
def test_a_wrapper_is_genuine_when_its_payload_is_as_it_was_signed(payload: str) -> None:
    """Letter for letter, however the payload is written."""
    found = judged(wrapper(payload), [("content-type", "application/json")])
    assert isinstance(found, Notification)
    assert found.created_job == CreatedJob(COMPANY, JOB)


def test_a_wrappers_timestamp_may_be_a_number_and_its_payload_a_text() -> None:
    """Both are told by the definition's types and by no sample."""
    number = {"webhook-timestamp": str(int(NOW.timestamp()))}
    assert fault(judged(wrapper(json.dumps(EVENT), **number), [])) is None
    text = json.dumps(EVENT)
    given = {name.lower(): value for name, value in headers(text.encode())} | {"payload": text}
    assert fault(judged(json.dumps(given).encode(), [])) is None


def test_a_wrapper_with_a_changed_payload_is_refused() -> None:
    """Also one with a second payload, a space more, or half a character."""
    sound = wrapper(json.dumps(EVENT))
    assert fault(judged(sound.replace(JOB.encode(), COMPANY.encode()), [])) is Fault.WRONG_SIGNATURE
    assert fault(judged(sound.replace(b'"pending"', b' "pending"'), [])) is Fault.WRONG_SIGNATURE
    assert fault(judged(sound.replace(b"{", b'{"payload": {}, ', 1), [])) is Fault.UNSIGNED
    half = {name.lower(): value for name, value in headers(b"x")} | {"payload": "\ud800"}
    assert fault(judged(json.dumps(half).encode(), [])) is Fault.UNREADABLE


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{}", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1}x', b"{1:2}", b"\xff"),
        *(b"[" * 10**6, b'{"a":' * 10**5, b'{"payload":' + b"9" * 10**5 + b"}"),
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_a_body_without_any_signature_is_unsigned(body: bytes) -> None:
    """Whatever it is."""
    assert fault(judged(body, [])) is Fault.UNSIGNED


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"null", b"{}", b'{"eventType": 5}', b"[" * 10**5, b'{"eventType": "export-job.created"}'),
        *(json.dumps(EVENT | {"data": data}).encode() for data in SENSELESS_DATA),
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_a_genuine_notification_that_makes_no_sense_is_unreadable(body: bytes) -> None:
    """No error escapes, and the sentence repeats nothing of it."""
    found = judged(body, headers(body))
    assert isinstance(found, Refusal)
    assert (found.status, found.fault) == (400, Fault.UNREADABLE)
    assert JOB not in found.sentence


@pytest.mark.parametrize(
    "event_type",
    [
        "v1.export-job.created",
        "v1.export.job-created",
        "export-job.created",
        "export.job-created",
        "v2.export-job.created",
        "V1.Export_Job.Created",
    ],
)
def test_every_spelling_of_the_event_is_known(event_type: str) -> None:
    """The published ones, and others of the same words."""
    assert announces_export_job(event_type)


@pytest.mark.parametrize(
    "event_type",
    [
        "v1.vendor.created",
        "export-job.completed",
        "export.created",
        "job.export.created",
        "re-export-job.created",
        "",
        "v1",
    ],
)
def test_another_event_is_genuine_and_about_no_job(event_type: str) -> None:
    """It is answered like any other, and nothing is done about it."""
    body = json.dumps(EVENT | {"eventType": event_type, "data": {"id": "what vendors have"}}).encode()
    found = judged(body, headers(body))
    assert isinstance(found, Notification)
    assert found.created_job is None


def test_an_id_is_known_again_for_a_day() -> None:
    """Judging does not remember it, taking it does, and giving it back forgets it."""
    seen = SeenIds()
    for _ in range(2):
        found = judged(BODY, headers(BODY), seen=seen)
        assert isinstance(found, Notification)
        assert not found.seen_before
    assert seen.take("msg_1", NOW)
    assert not seen.take("msg_1", NOW + timedelta(hours=23, minutes=59))
    found = judged(BODY, headers(BODY), seen=seen)
    assert isinstance(found, Notification)
    assert found.seen_before
    assert seen.take("msg_1", NOW + timedelta(hours=24))
    seen.give_back("msg_1")
    assert seen.take("msg_1", NOW + timedelta(hours=24))


def test_only_so_many_ids_are_remembered() -> None:
    """The oldest is forgotten first, and the memory does not grow."""
    seen = SeenIds(size_max=3)
    for number in range(1000):
        assert seen.take(f"msg_{number}", NOW)
    assert [number for number in range(1000) if seen.known(f"msg_{number}", NOW)] == [997, 998, 999]
    assert len(seen._seen_at) == 3


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_####", "whsec_AAAA", "whsec_" + "é" * 40])
def test_a_secret_that_is_none_is_said_at_once(secret: str) -> None:
    """A secret cut off while it was copied too; the sentence does not show it."""
    with pytest.raises(SettingsError, match="webhooks: a secret is no base64") as caught:
        SigningSecrets([secret])
    assert secret in {"", "whsec_"} or secret not in str(caught.value)


def test_a_secret_never_shows() -> None:
    """Neither in repr nor in a stored form; padding and the prefix may be missing."""
    secrets = SigningSecrets([SecretStr(SECRET), SECRET.removeprefix("whsec_")])
    assert repr(secrets) == "<2 signing secret(s)>"
    first, second = secrets.signatures(b"x")
    assert first == second
    with pytest.raises(SettingsError):
        SigningSecrets([])


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.none()) | st.booleans()), st.integers(0, 4))
def test_a_wrapper_is_taken_apart_letter_by_letter(value: dict[str, Any], indent: int) -> None:
    """Each member's text is a text of its value, and stands in the body."""
    body = json.dumps(value, indent=indent or None)
    found = members(body.encode())
    assert {name: json.loads(member.text) for name, member in found.items()} == json.loads(body)
    assert all(member.text in body for member in found.values())
