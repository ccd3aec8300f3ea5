"""Logging in where the console is for more than this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallybook.console.sessions import TRIES_MAX
from tests.console.conftest import EVERYWHERE, PASSWORD, PASSWORD_HASH, Browser, Place
from tests.flow.conftest import Stage
from tests.serve.conftest import Serve

PAGES = ["/", "/jobs", "/companies", "/uncertain", "/accounts", "/settings", "/audit", "/nothing"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_the_login_page_alone(stranger: Browser, path: str) -> None:
    """Whatever the address; and after the login that very page."""
    answer = stranger.get(path)
    assert answer.url.path == "/login"
    assert "Companies" not in answer.text
    wanted = answer.url.params.get("next", "/")
    assert wanted == path


def test_the_password_and_a_name_let_somebody_in(stranger: Browser, guarded: Place) -> None:
    """The name stands on every page, and in the audit log; logging out ends the session on the server too."""
    answer = stranger.log_in("Ada Lovelace", wanted="/settings")
    assert (answer.status_code, answer.url.path) == (200, "/settings")
    assert "Ada Lovelace" in answer.text
    assert guarded.rows("SELECT who, action FROM console_audit ORDER BY id DESC LIMIT 1") == [
        ("Ada Lovelace", "logged in")
    ]
    kept = dict(stranger.cookies)
    assert stranger.fill_in("/logout", page="/settings").url.path == "/login"
    stranger.cookies.clear()
    stranger.cookies.update(kept)
    assert stranger.get("/settings").url.path == "/login"


def test_the_token_changes_with_the_login(stranger: Browser) -> None:
    """What somebody may have put into a browser before is worth nothing after."""
    stranger.get("/login")
    before = dict(stranger.cookies)
    stranger.log_in()
    assert dict(stranger.cookies) != before


def test_the_database_holds_no_token(stranger: Browser, guarded: Place) -> None:
    """Whoever reads the table can log in nowhere."""
    stranger.log_in()
    (token,) = stranger.cookies.values()
    assert token not in str(guarded.rows("SELECT * FROM console_session"))


def test_an_open_page_is_sent_to_the_login_when_its_session_has_ended(stranger: Browser) -> None:
    """A part that htmx asks for: no login form inside the page, but the page goes there."""
    answer = stranger.get("/companies", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "\n/x"]
)
def test_a_login_leads_nowhere_else(stranger: Browser, wanted: str) -> None:
    """Only to a path of ours."""
    assert stranger.log_in(wanted=wanted).url.path == "/jobs"


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_a_name_is_needed(stranger: Browser, name: str) -> None:
    """One that can be shown, of 60 letters at most."""
    answer = stranger.log_in(name)
    assert answer.status_code == 400
    assert "Give your name" in answer.text


def test_a_hostile_name_is_shown_as_text(stranger: Browser) -> None:
    """On the page and in the audit log."""
    answer = stranger.log_in('<b onclick="x">Ada</b> & \N{PILE OF POO}', wanted="/audit")
    assert answer.status_code == 200
    assert "<b onclick" not in answer.text
    assert answer.text.count("&lt;b onclick=&#34;x&#34;&gt;Ada&lt;/b&gt; &amp; \N{PILE OF POO}") >= 2


def test_guessing_is_slow_and_locks_nobody_else_out(guarded: Place) -> None:
    """After five wrong passwords an address waits, also with the right one; another address does not."""
    with Browser(guarded.served, "127.0.0.77") as guesser:
        for _ in range(TRIES_MAX):
            answer = guesser.log_in(password="wrong")
            assert (answer.status_code, "The password is wrong" in answer.text) == (401, True)
        assert guesser.log_in().status_code == 429
    with Browser(guarded.served, "127.0.0.78") as operator:
        assert operator.log_in().status_code == 200
    tries = guarded.rows("SELECT count(*) FROM console_password_try WHERE address = '127.0.0.77'")
    assert tries == [(TRIES_MAX,)]  # what is refused does not make the wait longer


def test_the_right_password_forgets_the_wrong_ones(guarded: Place) -> None:
    """Somebody who mistypes now and then is never shut out."""
    with Browser(guarded.served, "127.0.0.79") as operator:
        for _ in range(2):
            for _ in range(TRIES_MAX - 1):
                assert operator.log_in(password="wrong").status_code == 401
            assert operator.log_in().status_code == 200
            operator.fill_in("/logout")


def test_a_new_password_ends_every_session(stage: Stage, serve: Serve) -> None:
    """Also one that was begun an hour ago."""
    first = serve(stage.place.config, TALLYBOOK_CONSOLE_PASSWORD_HASH=PASSWORD_HASH)
    with Browser(first) as operator:
        operator.log_in(wanted="/settings")
        first.worker.kill()
        address = first.address.removeprefix("http://")
        again = serve(stage.place.config, TALLYBOOK_CONSOLE_PASSWORD_HASH=PASSWORD_HASH, TALLYBOOK_SERVE_LISTEN=address)
        assert operator.get("/settings").url.path == "/settings"  # a restart ends none
        again.worker.kill()
        made = subprocess.run(
            [sys.executable, "-m", "tallybook", "console", "password"],
            input="another password\n", capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        new = made.partition('"')[2].partition('"')[0]
        serve(stage.place.config, TALLYBOOK_CONSOLE_PASSWORD_HASH=new, TALLYBOOK_SERVE_LISTEN=address)
        assert operator.get("/settings").url.path == "/login"
        assert operator.log_in(password=PASSWORD).status_code == 401
        assert operator.log_in(password="another password").status_code == 200


def test_without_a_password_there_is_no_console_beyond_this_machine(stage: Stage, serve: Serve) -> None:
    """It is said in the log, with the setting to make."""
    served = serve(stage.place.config, TALLYBOOK_SERVE_LISTEN=EVERYWHERE)
    assert served.get("/").status_code == 404
    assert served.get("/jobs").status_code == 404
    (said,) = served.worker.events("console_not_shown")
    assert "console.password_hash" in said["why"]


def test_a_password_is_made_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """Shown on stderr alone, in a file for its owner alone, which is never written over."""

    def make() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tallybook", "console", "password", "--make", "--to", "console.hash"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ})

    made = make()
    assert made.returncode == 0, made.stderr
    kept = (tmp_path / "console.hash").read_text(encoding="utf-8")
    shown = made.stderr.rpartition(": ")[2].strip()
    assert kept.startswith("$argon2id$")
    assert len(shown) >= 32
    assert shown not in kept + made.stdout
    assert (tmp_path / "console.hash").stat().st_mode & 0o777 == 0o600
    again = make()
    assert again.returncode == 1
    assert (tmp_path / "console.hash").read_text(encoding="utf-8") == kept


def test_a_password_that_can_be_guessed_is_not_taken() -> None:
    """Fewer than twelve letters: exit code 2."""
    tried = subprocess.run(
        [sys.executable, "-m", "tallybook", "console", "password"],
        input="short\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.returncode == 2
    assert "fewer than 12" in tried.stderr
