"""The proxy between an adapter and its system: what passes is unchanged, and a fault has exactly its effect."""

from collections.abc import Iterator
from hashlib import sha256

import httpx
import pytest

from tallybook.testkit.proxy import Fault, FaultProxy
from tests.adapters.kit.counting_house import PASSWORD, CountingHouse

LOGIN = {"password": PASSWORD}
ENTRY = {"reference": "a/b", "hash": "h", "on": "2026-02-03"}
DOCUMENT = {"kind": "journal_entry", "currency": "EUR", "vendor": None}
LINES: list[dict[str, object]] = [
    {"account": account, "amount_minor": amount, "tax_code": None, "dimensions": []}
    for account, amount in (("6071", 100), ("1920", -100))
]


@pytest.fixture
def house() -> Iterator[CountingHouse]:
    house = CountingHouse(unique=True)
    yield house
    house.close()


@pytest.fixture
def proxy(house: CountingHouse) -> Iterator[FaultProxy]:
    proxy = FaultProxy(house.url)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=0.3, trust_env=False) as client:
        yield client


def test_what_passes_is_unchanged(house: CountingHouse, client: httpx.Client) -> None:
    """Status, headers, queries and bodies pass, also binary ones in chunks."""
    assert client.post("/sessions", json={"password": "wrong"}).status_code == 401
    client.headers["Authorization"] = "Bearer " + client.post("/sessions", json=LOGIN).json()["token"]
    told = client.post("/entries", json=[{**ENTRY, "documents": [{**DOCUMENT, "lines": LINES}]}])
    assert told.json()[0]["id"] == 1
    parts = [bytes(range(256)), b"\r\n0\r\n\r\n", b"end"]
    client.post("/entries/1/files", params={"position": 7}, content=iter(parts)).raise_for_status()
    digest = sha256(b"".join(parts)).hexdigest()
    assert client.get("/entries", params={"reference": ["x y&z", "a/b"]}).json()[0]["files"] == [[7, digest]]
    assert len(house.ledger.entries) == 1


@pytest.mark.parametrize(
    ("fault", "error", "sessions"),
    [
        (Fault.CUT_BEFORE, httpx.NetworkError | httpx.RemoteProtocolError, 0),
        (Fault.CUT_AFTER, httpx.NetworkError | httpx.RemoteProtocolError, 1),
        (Fault.SILENT_AFTER, httpx.ReadTimeout, 1),
        (Fault.HOLD, httpx.ReadTimeout, 0),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Fault) else "",
)
def test_no_answer(
    house: CountingHouse,
    proxy: FaultProxy,
    client: httpx.Client,
    fault: Fault,
    error: type[httpx.HTTPError],
    sessions: int,
) -> None:
    """The adapter hears nothing, and the system has seen the request or not, as the fault says."""
    with proxy.fault(fault) as armed:
        with pytest.raises(httpx.TransportError) as raised:
            client.post("/sessions", json=LOGIN)
        assert isinstance(raised.value, error)
        assert len(house.ledger.sessions) == sessions
    assert armed.happened == 1


@pytest.mark.parametrize("fault", [Fault.STATUS_401, Fault.STATUS_429, Fault.STATUS_503])
def test_an_answer_in_the_systems_place(
    house: CountingHouse, proxy: FaultProxy, client: httpx.Client, fault: Fault
) -> None:
    """The second request is answered by the proxy alone, the first and the third by the system."""
    with proxy.fault(fault, at=2):
        answers = [client.post("/sessions", json=LOGIN).status_code for _ in range(3)]
    assert answers == [200, fault.value, 200]
    assert len(house.ledger.sessions) == 2


def test_nothing_behind_it(house: CountingHouse, client: httpx.Client) -> None:
    """A system that is gone is a bad gateway, not a silence."""
    house.close()
    assert client.post("/sessions", json=LOGIN).status_code == 502


def test_what_it_forwards_to() -> None:
    """Anything but an http:// address is refused."""
    with pytest.raises(ValueError, match="http:// address"):
        FaultProxy("https://127.0.0.1:1")
