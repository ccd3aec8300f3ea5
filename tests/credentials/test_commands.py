"""`tallybook login` and `logout` as a person runs them, with a browser, without one, and with one elsewhere."""

import asyncio
import json
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomli_w
from cryptography.fernet import Fernet

from tallybook import app, companies
from tallybook.clock import SystemClock
from tallybook.credentials import access
from tallybook.errors import SettingsError
from tallybook.pleo.oauth import Question
from tallybook.sandbox.server import running
from tallybook.settings import Settings
from tests.credentials.conftest import REDIRECT, Pleo
from tests.flow.command import TIMEOUT_S, Command, Ended
from tests.flow.conftest import Stage

SECRETS = ("sandbox-access-", "sandbox-refresh-", "sandbox-code-")  # how each of Pleo's begins
BROWSER = """
import sys, httpx
url = sys.argv[1]
pleo = url.split("/oauth/authorize")[0]
answer = httpx.post(f"{pleo}/_sandbox/consents", json={"authorizationUrl": url, "allow": ALLOW})
assert httpx.get(answer.json()["redirectTo"]).status_code == 200
"""


class Office:
    """A folder with settings for a login, and the command in it."""

    def __init__(self, pleo: Pleo, folder: Path) -> None:
        self.pleo, self.folder = pleo, folder
        (folder / "client-secret").write_text(pleo.client_secret, encoding="utf-8")
        self.table: dict[str, Any] = {
            "pleo": {"base_url": pleo.url, "company_id": pleo.company_id, "login": "acme"},
            "oauth": {
                "server_url": pleo.url,
                "client_id": pleo.client_id,
                "client_secret_file": "client-secret",
            },
            "secrets": {"key_file": "login-key"},
        }
        self.command = Command(folder, [pleo.client_secret, *SECRETS])

    def browser(self, *, allow: bool = True) -> dict[str, str]:
        """Variables by which the command finds somebody who answers."""
        script = self.folder / "browser.py"
        script.write_text(BROWSER.replace("ALLOW", str(allow)), encoding="utf-8")
        return {"BROWSER": f"{sys.executable} {script} %s"}

    def __call__(self, *arguments: object, **variables: str) -> Ended:
        """Write the settings and run the command."""
        (self.folder / "tallybook.toml").write_text(tomli_w.dumps(self.table), encoding="utf-8")
        return self.command(*arguments, **variables)

    def settings(self) -> Settings:
        """The settings, read as the command reads them."""
        (self.folder / "tallybook.toml").write_text(tomli_w.dumps(self.table), encoding="utf-8")
        return companies.load_all(self.folder / "tallybook.toml", {})[0]

    def log_in(self) -> None:
        """Log in, in this process."""

        async def ask(question_to: Callable[[str], Question]) -> tuple[Question, str]:
            question = question_to(REDIRECT)
            return question, self.pleo.allow(question.url)

        async def reaches(access_token: str) -> None:
            assert self.pleo.reaches(access_token)

        asyncio.run(access.log_in(self.settings(), SystemClock(), ask=ask, reaches=reaches, key_made=lambda: None))

    def stored(self) -> bytes:
        """Everything the database's files hold."""
        return b"".join(file.read_bytes() for file in sorted(self.folder.glob("tallybook.sqlite*")))


@pytest.fixture
def office(pleo: Pleo, tmp_path: Path) -> Office:
    return Office(pleo, tmp_path)


def test_login_opens_the_browser_and_keeps_what_was_allowed(office: Office) -> None:
    """A key is made for the owner alone, the tokens are sealed with it, and other commands go by them."""
    ended = office("login", **office.browser())
    assert ended.code == 0, ended.told
    assert "Logged in at Pleo as acme" in ended.out
    assert "Made a key in" in ended.err
    assert stat.S_IMODE((office.folder / "login-key").stat().st_mode) == 0o600
    key = (office.folder / "login-key").read_text(encoding="utf-8").strip()
    assert key not in ended.told
    assert b"sandbox-" not in office.stored()
    assert office("jobs").code == 0
    office.log_in()
    assert (office.folder / "login-key").read_text(encoding="utf-8").strip() == key


def test_without_a_browser_the_address_is_printed(office: Office) -> None:
    """It stands alone on stdout; a stranger's answer on the way does not count."""
    office.settings()
    with office.command.started("login", "--no-browser") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        where = office.pleo.allow(url)
        port = httpx.URL(where).port
        wrong = httpx.get(f"http://127.0.0.1:{port}/callback", params={"code": "x", "state": "guessed"})
        assert wrong.status_code == 400
        assert httpx.get(where).status_code == 200
        ended = office.command.ended(process)
    assert (ended.code, office.pleo.token_calls()) == (0, [200])


def test_a_browser_elsewhere_ends_at_an_address_that_is_pasted(office: Office) -> None:
    """Also with a redirect address that is not on this machine."""
    office.table["oauth"]["redirect_uri"] = "https://tallybook.example/callback"
    office.settings()
    with subprocess.Popen(
        [sys.executable, "-m", "tallybook", "login", "--paste"],
        cwd=office.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        where = office.pleo.allow(process.stdout.readline().strip())
        assert where.startswith("https://tallybook.example/callback?")
        out, err = process.communicate(f"{where}\n", timeout=60)
    assert (process.returncode, "Logged in" in out) == (0, True), err


def test_what_is_not_allowed_is_not_kept(office: Office) -> None:
    """A person who says no, and a login that does not reach the company; that a key was made is told all the same."""
    ended = office("login", **office.browser(allow=False))
    assert "Made a key in" in ended.err
    assert (ended.code, "access_denied" in ended.err) == (1, True)
    office.table["pleo"]["company_id"] = "5f0a1b2c-0000-4000-8000-00000000000c"
    ended = office("login", **office.browser())
    assert (ended.code, "does not reach company 5f0a1b2c" in ended.err) == (1, True)
    assert office.stored()
    assert b"gAAAA" not in office.stored()  # how everything sealed begins


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("pleo", "login", None, "no credential is set"),
        ("pleo", "api_key_file", "client-secret", "more than one credential is set"),
        ("pleo", "login", "a b", "pleo.login must be a short name"),
        ("oauth", "client_id", None, "oauth.client_id is missing"),
        ("oauth", "client_secret_file", "nowhere", "oauth.client_secret_file"),
        ("oauth", "client_secret", "in-the-file", "secrets belong in the variable TALLYBOOK_OAUTH_CLIENT_SECRET"),
        ("secrets", "key_file", None, "secrets: no key is set"),
        ("secrets", "key", "in-the-file", "secrets belong in the variable TALLYBOOK_SECRETS_KEY"),
        ("secrets", "key_file", "client-secret", "a key must be 32 bytes"),
    ],
)
def test_settings_that_do_not_do_are_told(office: Office, section: str, key: str, value: str | None, said: str) -> None:
    """One sentence each, before anybody is asked for anything."""
    (office.folder / "login-key").write_bytes(Fernet.generate_key())
    app.pleo_client(office.settings(), SystemClock())
    if value is None:
        del office.table[section][key]
    else:
        office.table[section][key] = value
    with pytest.raises(SettingsError) as caught:
        app.pleo_client(office.settings(), SystemClock())
    assert said in str(caught.value)
    assert "in-the-file" not in str(caught.value)


def test_logging_out_ends_it_at_pleo_and_here(office: Office) -> None:
    """Afterwards nothing is kept, and a second time there is nothing to end."""
    office.log_in()
    assert office("logout").out.strip() == "Logged out."
    assert office("logout").out.strip() == "There was no login."
    counts = office.pleo.ok(office.pleo.http.get("/_sandbox/journal/counts"))
    assert counts["DELETE /v1/installations/me"] == 1


def test_logging_out_only_here_asks_nothing_of_pleo(office: Office) -> None:
    """For when Pleo takes no end of an installation, which is told."""
    office.log_in()
    refusal = {"operation": "deleteClientInstallation", "kind": "status", "status": 403}
    office.pleo.ok(office.pleo.http.post("/_sandbox/faults", json=refusal))
    ended = office("logout")
    assert (ended.code, "--only-here" in ended.err) == (1, True)
    assert office("logout", "--only-here").out.strip() == "Logged out."


def test_a_login_that_cannot_be_opened_is_not_said_to_have_ended_at_pleo(office: Office) -> None:
    """With another key nobody can ask Pleo to end it; the login stays, and the sentence says what helps."""
    office.log_in()
    (office.folder / office.table["secrets"]["key_file"]).write_bytes(Fernet.generate_key())
    ended = office("logout")
    assert (ended.code, ended.out, "--only-here" in ended.err) == (1, "", True)
    assert "restore the key" in ended.err
    assert office("logout", "--only-here").out.strip() == "Logged out."


def test_companies_that_name_one_login_share_it(office: Office) -> None:
    """One person logs in for all of them, and is refused if one is not reached."""
    office.log_in()
    second = {"company_id": "5f0a1b2c-0000-4000-8000-00000000000c", "company_name": "second"}
    first = {"company_id": office.table["pleo"].pop("company_id"), "company_name": "first"}
    office.table["companies"] = [{"pleo": first}, {"pleo": second}]
    assert office("jobs", "--company", "first").code == 0
    ended = office("login", **office.browser())
    assert "does not reach company 5f0a1b2c" in ended.err
    second["login"] = "another"
    ended = office("login")
    assert (ended.code, "name one with --company" in ended.err) == (2, True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A company with expenses, a book, and settings with a login in place of the API key."""
    with ExitStack() as stack:
        address = stack.enter_context(running(world="empty"))
        made = Stage(address, tmp_path)
        stack.callback(made.http.close)
        made.found(20)
        known = made.call("GET", "/oauth")["applications"][0]
        (tmp_path / "client-secret").write_text(known["clientSecret"], encoding="utf-8")
        text = made.place.config.read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if not line.startswith("api_key_file")]
        assert len(kept) == len(text.splitlines()) - 1
        login = {
            "oauth": {"server_url": address.url, "client_id": known["clientId"], "client_secret_file": "client-secret"},
            "secrets": {"key_file": "login-key"},
        }
        kept.insert(kept.index("[pleo]") + 1, 'login = "acme"')
        made.place.config.write_text("\n".join([*kept, "", tomli_w.dumps(login)]), encoding="utf-8")
        yield made


def test_a_whole_export_goes_by_a_login_that_is_renewed_on_the_way(stage: Stage) -> None:
    """With tokens that last two seconds every call may need another one; the job completes."""
    office = Command(stage.folder, SECRETS)
    browser = stage.folder / "browser.py"
    browser.write_text(BROWSER.replace("ALLOW", "True"), encoding="utf-8")
    stage.call("PATCH", "/oauth", {"accessTokenSeconds": 2})
    assert office("login", BROWSER=f"{sys.executable} {browser} %s").code == 0
    stage.call("POST", "/latency", {"ms": 150})
    job = stage.press_export()
    ended = office("run", "--json", TALLYBOOK_PLEO_PAGE_SIZE="5")
    assert ended.code == 0, ended.told
    (report,) = json.loads(ended.out)["jobs"]
    assert (report["id"], report["event"]) == (job, "completed")
    tokens = [call["status"] for call in stage.journal("POST /oauth/token")]
    assert len(tokens) > 1
    assert set(tokens) == {200}


def test_an_ended_login_stops_the_company_and_a_new_one_goes_on(stage: Stage) -> None:
    """One sentence says what to do; the job stays in progress, and the next run completes it."""
    office = Command(stage.folder, SECRETS)
    browser = stage.folder / "browser.py"
    browser.write_text(BROWSER.replace("ALLOW", "True"), encoding="utf-8")
    variables = {"BROWSER": f"{sys.executable} {browser} %s"}
    assert office("login", **variables).code == 0
    job = stage.press_export()
    stage.call("POST", "/clock", {"advanceSeconds": 61 * 24 * 3600})
    job = stage.press_export()
    ended = office("run")
    assert ended.code == 1
    assert "Pleo has ended the login" in ended.told
    assert "run `tallybook login`" in ended.told
    assert stage.job(job)["status"] == "pending"
    assert office("login", **variables).code == 0
    assert office("run").code == 0
    assert stage.job(job)["status"] == "completed"


def test_a_server_goes_on_by_itself_once_somebody_has_logged_in(stage: Stage) -> None:
    """Beside it, on the same SQLite file; until then it says what to do."""
    office = Command(stage.folder, SECRETS)
    browser = stage.folder / "browser.py"
    browser.write_text(BROWSER.replace("ALLOW", "True"), encoding="utf-8")
    job = stage.press_export()
    variables = {"TALLYBOOK_SERVE_POLL_EVERY_S": "1", "TALLYBOOK_SERVE_LISTEN": "127.0.0.1:0"}
    (stage.folder / "login-key").write_bytes(Fernet.generate_key())
    with office.started("serve", **variables) as server:
        assert server.stderr is not None
        patience = threading.Timer(TIMEOUT_S, server.kill)  # ends the reading below, should it wait in vain
        patience.start()
        assert any("login_needed" in line and "run `tallybook login`" in line for line in server.stderr)
        assert office("login", BROWSER=f"{sys.executable} {browser} %s").code == 0
        assert any("job_ended" in line and job in line for line in server.stderr)
        patience.cancel()
        server.terminate()
        assert office.ended(server).code == 0
    assert stage.job(job)["status"] == "completed"
