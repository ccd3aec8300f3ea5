"""What keeps the pages and the API apart, and other sites out."""

from typing import Any

import pytest

from tests.sandbox.webapp.conftest import Pages

SOME_ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "path",
    ["/nowhere", f"/jobs/{SOME_ID}", "/jobs/x", f"/jobs/{SOME_ID}/errors", f"/jobs/{SOME_ID}/progress",
     f"/expenses/{SOME_ID}", "/expenses/%00", f"/expenses/{SOME_ID}/mend", f"/expenses/{SOME_ID}/receipts/1",
     "/?lane=limbo", "/v3x", "/static/nothing.js"],
)  # fmt: skip
def test_unknown_page_is_a_404_page(pages: Pages, path: str) -> None:
    """In words, with a way back."""
    assert "Back to the export page" in pages.get(path, 404)


@pytest.mark.parametrize("path", ["/v3/nowhere", "/v1/x", "/_sandbox/nowhere", "/oauth/x", "/files/x"])
def test_unknown_path_of_the_api_stays_a_json_404(pages: Pages, path: str) -> None:
    """What a program asked for is answered as before."""
    answer = pages.pleo.http.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "NOT_FOUND")


def test_wrong_method_is_refused_in_its_own_form(pages: Pages) -> None:
    """JSON with the methods there are for the API, a page for a page."""
    answer = pages.pleo.http.delete("/v3/export-jobs")
    assert (answer.status_code, answer.json()["type"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"
    pages.get("/queue", 405)


def test_pages_are_no_part_of_the_published_api(pages: Pages) -> None:
    """/openapi.json names Pleo's paths, the files and the controls."""
    described = pages.pleo.ok(pages.pleo.http.get("/openapi.json"))["paths"]
    assert {path.split("/")[1] for path in described} == {"v3", "v1", "oauth", "files", "_sandbox"}


@pytest.mark.parametrize("path", ["/", "/jobs", "/nowhere"])
def test_every_page_forbids_what_it_does_not_need(pages: Pages, path: str) -> None:
    """No inline script, no other host, no frame of another site."""
    headers = pages.pleo.http.get(path).headers
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/queue", "/export", "/_sandbox/reset", "/_sandbox/exports"])
def test_post_from_another_site_is_refused(pages: Pages, path: str, headers: dict[str, str]) -> None:
    """Neither the forms nor the controls can be used by a page of another site."""
    pages.pleo.add({})
    answer = pages.pleo.http.post(path, headers=headers)
    assert answer.status_code == 403
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/world"))["counts"] == {
        "unexported": 1,
        "queue": 0,
        "exported": 0,
    }
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"] == []


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_post_of_our_own_page_passes(pages: Pages, site: str) -> None:
    """The browser says so."""
    headers = {"Sec-Fetch-Site": site, "Origin": pages.pleo.url}
    assert pages.pleo.http.post("/queue", headers=headers, data={"into": "queue"}).status_code == 303


def test_name_of_another_host_is_refused(pages: Pages) -> None:
    """A name that was made to point here reaches no page."""
    assert pages.pleo.http.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=" + b"x" * (4 * 1024 * 1024), 413),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=\xff", 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a&" * 60_000, 400),
    ],
)
def test_form_that_cannot_be_read_is_refused(pages: Pages, headers: Any, content: bytes, status: int) -> None:
    """Another type, too large, no text, too many fields."""
    assert pages.pleo.http.post("/queue", headers=headers, content=content).status_code == status
