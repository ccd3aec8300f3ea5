"""What the gate lets through, and what it does not, without any page having to think of it."""

import httpx
import pytest

from tests.console.conftest import Browser, Place

ACTIONS = ["look", "pause", "resume", "job"]


@pytest.mark.parametrize("host", ["evil.example", "tallybook.evil.example:8484", "10.0.0.1", "[", ""])
def test_another_name_for_this_machine_is_refused(place: Place, host: str) -> None:
    """DNS rebinding: a page of a stranger whose name leads here sees nothing, not even a form token."""
    answer = httpx.get(f"{place.served.address}/companies", headers={"host": host}, trust_env=False)
    assert answer.status_code in {400, 421}  # 400: the server itself takes no request without a name
    assert "form_token" not in answer.text


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_without_a_password_nobody_is_passed_on_by_a_proxy(browser: Browser, header: str) -> None:
    """Whoever mounts the whole server behind a proxy does not show the console to the world by accident."""
    answer = browser.get("/companies", headers={header: "127.0.0.1"})
    assert answer.status_code == 421
    assert "console.password_hash" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
    ],
)
def test_a_form_of_another_site_is_refused(place: Place, browser: Browser, headers: dict[str, str]) -> None:
    """Even if it had the token, which it cannot read; and nothing is done."""
    token = browser.token("/companies")
    path = f"/companies/{place.company_id}/pause"
    assert browser.post(path, data={"form_token": token}, headers=headers).status_code == 403
    assert place.rows("SELECT * FROM company_pause") == []


@pytest.mark.parametrize("token", [None, "", "0" * 64, "æ"])
def test_a_form_without_the_token_is_refused(place: Place, browser: Browser, token: str | None) -> None:
    """403 with a sentence, and nothing is done."""
    browser.get("/companies")
    answer = browser.post(f"/companies/{place.company_id}/pause", data={} if token is None else {"form_token": token})
    assert answer.status_code == 403
    assert "did not come from a page of this console" in answer.text
    assert place.rows("SELECT * FROM company_pause") == []


def test_a_token_is_the_visitors_own(place: Place, browser: Browser) -> None:
    """What one browser was given, no other can use."""
    with Browser(place.served) as another:
        token = another.token("/companies")
    browser.get("/companies")
    answer = browser.post(f"/companies/{place.company_id}/pause", data={"form_token": token})
    assert answer.status_code == 403


def test_nothing_is_done_by_a_link(place: Place, browser: Browser) -> None:
    """GET on what a button does shows at most what was found, and neither database nor Pleo sees anything of it."""
    before = place.rows("SELECT count(*) FROM console_audit")
    for action in ACTIONS:
        assert browser.get(f"/companies/{place.company_id}/{action}").status_code in {404, 405}
    assert "has made no check" in browser.get("/settings/check").text
    assert place.rows("SELECT count(*) FROM console_audit") == before


@pytest.mark.parametrize("content", [b"form_token=" + b"x" * 70_000, b"a=1&" * 300, b"form_token=%FF\xff"])
def test_a_form_that_is_none_of_ours_is_refused(browser: Browser, content: bytes) -> None:
    """Too large, too many fields, no UTF-8: a sentence, never a fault."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = browser.post("/settings/check", content=content, headers=headers)
    assert answer.status_code == 413
    assert "<h1>" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/jobs/00000000-0000-4000-8000-000000000000",
        "/jobs/<script>alert(1)</script>",
        "/accounts/00000000-0000-4000-8000-000000000000",
        "/audit?before=x",
        "/static/nothing.js",
        "/static/../site.py",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(browser: Browser, path: str) -> None:
    """404, and no part of the address is repeated as markup."""
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_post_are_answered(browser: Browser, method: str) -> None:
    """405."""
    assert browser.request(method, "/companies").status_code == 405


@pytest.mark.parametrize("path", ["/companies", "/nothing", "/static/pages.css", "/", "/alive"])
def test_every_answer_has_the_headers_that_keep_a_page_safe(place: Place, path: str) -> None:
    """Nothing from, to or inside another site, and no inline script."""
    answer = httpx.get(f"{place.served.address}{path}", trust_env=False)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_cookie_is_for_this_site_alone(place: Place) -> None:
    """No script reads it, no other site's form sends it; over TLS, as a proxy says, it never leaves TLS."""
    answer = httpx.get(f"{place.served.address}/companies", trust_env=False)
    assert answer.headers["set-cookie"].endswith("Path=/; HttpOnly; SameSite=Lax")


def test_a_notification_where_none_is_heard_is_answered_as_before(place: Place, guarded: Place) -> None:
    """404, and no way to a login page: whoever sends it is no browser."""
    for each in (place, guarded):
        answer = httpx.post(f"{each.served.address}/webhooks/pleo", content=b"{}", trust_env=False)
        assert answer.status_code == 404


def test_the_servers_other_paths_are_as_they_were(place: Place) -> None:
    """The console comes last: health, metrics and the token of POST /run stay what they are."""
    assert place.served.get("/healthz").json() == {"message": "alive"}
    assert place.served.get("/readyz").status_code == 200
    assert place.served.post("/run").status_code == 401


@pytest.mark.parametrize("host", ["x/static/", "x/login?", "x/static/?"])
def test_a_host_that_looks_like_a_path_opens_nothing(guarded: Place, host: str) -> None:
    """The gate goes by the path that the routes go by, not by an address made from headers."""
    answer = httpx.get(f"{guarded.served.address}/companies", headers={"host": host}, trust_env=False)
    assert answer.status_code in {303, 400}
