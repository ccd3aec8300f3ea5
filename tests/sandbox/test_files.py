"""Receipts: real files over links that expire."""

from typing import Any

import httpx
import pytest


def link(pleo: Any) -> tuple[str, dict[str, Any]]:
    pleo.add({"files": [{"receipt": 1}, {"receipt": 2, "type": "image/jpeg", "size": 20_000}]})
    (document,) = pleo.documents(pleo.export()["id"])
    return document["files"][0]["url"], document


@pytest.mark.parametrize(
    ("place", "media_type", "magic"), [(0, "application/pdf", b"%PDF-"), (1, "image/jpeg", b"\xff\xd8")]
)
def test_link_serves_a_real_file_of_the_size_it_was_announced(
    pleo: Any, place: int, media_type: str, magic: bytes
) -> None:
    """Type, length and content agree with files[]."""
    _, document = link(pleo)
    file = document["files"][place]
    answer = httpx.get(file["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type == file["type"]
    assert int(answer.headers["content-length"]) == len(answer.content) == file["size"]
    assert answer.content.startswith(magic)
    assert "receipt" not in file


def test_link_works_for_a_day(pleo: Any) -> None:
    """24 hours after the reading the link is gone, and a new reading makes a new one."""
    url, _ = link(pleo)
    pleo.advance(24 * 3600 - 30)
    assert httpx.get(url).status_code == 200
    pleo.advance(31)
    answer = httpx.get(url)
    assert (answer.status_code, answer.json()["type"]) == (410, "LINK_EXPIRED")


@pytest.mark.parametrize(
    ("old", "new"), [("expires=", "expires=9"), ("signature=", "signature=A"), ("/1?", "/2?"), ("&signature=", "&x=")]
)
def test_changed_link_is_a_403(pleo: Any, old: str, new: str) -> None:
    """Address, expiry and signature hold together."""
    url, _ = link(pleo)
    answer = httpx.get(url.replace(old, new))
    assert (answer.status_code, answer.json()["type"]) == (403, "INVALID_SIGNATURE")


def test_given_url_is_served_as_given(pleo: Any) -> None:
    """A test may point to a server of its own."""
    pleo.add({"files": [{"receipt": 1, "url": "http://127.0.0.1:9/x", "size": 1, "type": "text/plain"}]})
    (document,) = pleo.documents(pleo.export()["id"])
    assert document["files"] == [{"url": "http://127.0.0.1:9/x", "size": 1, "type": "text/plain"}]


def test_receipt_removed_from_the_document_is_a_404(pleo: Any) -> None:
    """A link made before may point to what is no longer there."""
    url, document = link(pleo)
    job = pleo.ok(pleo.http.get("/v3/export-jobs"))["data"][0]["id"]
    pleo.event(job, "failed")
    entry = document["accountingEntryId"]
    pleo.ok(pleo.http.patch(f"/_sandbox/expenses/{entry}", json={"files": []}))
    assert httpx.get(url).status_code == 404


def test_links_lead_to_where_the_caller_came_from(pleo: Any) -> None:
    """A caller by another name of this machine gets links by that name; a hostile name gets nothing."""
    pleo.add({"files": [{"receipt": 1}]})
    pleo.export()
    port = pleo.url.rpartition(":")[2]

    def url(host: str) -> str:
        answer = pleo.http.get("/v3/export-items", headers={"host": host})
        found: str = pleo.ok(answer)["data"][0]["files"][0]["url"]
        return found

    assert url(f"localhost:{port}").startswith(f"http://localhost:{port}/files/")
    assert pleo.http.get("/v3/export-items", headers={"host": 'x","y":"'}).status_code == 400


def test_links_of_an_item_lead_to_the_page_of_its_expense(pleo: Any) -> None:
    """Of the world's own expenses as of added ones, by the name the caller knows; links that were given stay."""
    pleo.found(world="demo", items=1, troubles=False)
    given = {"web": {"exportItem": "https://app.example/1"}}
    pleo.add({"supplier": {"name": "Fjordnet"}}, {"_links": given})
    host = f"localhost:{pleo.url.rpartition(':')[2]}"
    pleo.export()
    *documents, last = pleo.ok(pleo.http.get("/v3/export-items", headers={"host": host}))["data"]
    assert last["_links"] == given
    for document in documents:
        page = {"exportItem": f"http://{host}/expenses/{document['accountingEntryId']}"}
        assert document["_links"] == {"api": page, "mobile": page, "web": page}
        assert document["supplier"]["name"] in httpx.get(page["exportItem"]).text


def test_receipt_survives_a_mend_of_its_expense(pleo: Any) -> None:
    """Editing an expense leaves its receipts and links in place."""
    (entry,) = pleo.add({"files": [{"receipt": 1}]})
    pleo.ok(pleo.http.patch(f"/_sandbox/expenses/{entry}", json={"note": "mended"}))
    (document,) = pleo.documents(pleo.export()["id"])
    assert httpx.get(document["files"][0]["url"]).status_code == 200
    assert httpx.get(document["_links"]["web"]["exportItem"]).status_code == 200


def test_the_rest_of_a_receipt_is_served_from_where_it_was_cut_off(pleo: Any) -> None:
    """Both halves are the file, and the second says which part it is."""
    url, _ = link(pleo)
    whole = httpx.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    rest = httpx.get(url, headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]})
    size = len(whole.content)
    assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert rest.headers["etag"] == whole.headers["etag"]
    assert whole.content[:1000] + rest.content == whole.content


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"Range": "bytes=1000-", "If-Range": '"another"'}, 200),
        ({"Range": "bytes=5-9"}, 200),
        ({"Range": "pages=1-"}, 200),
        ({"Range": "bytes=999999999-"}, 416),
    ],
)
def test_a_range_that_cannot_be_had_is_the_whole_file_or_a_416(pleo: Any, asked: dict[str, str], status: int) -> None:
    """A file that changed is sent anew, a range of another form is passed over, one past the end is refused."""
    url, document = link(pleo)
    answer = httpx.get(url, headers=asked)
    assert (answer.status_code, len(answer.content)) == (status, document["files"][0]["size"] if status == 200 else 0)
