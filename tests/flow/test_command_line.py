import json
import socket
from typing import Any

import pytest

from tests.flow.command import Command
from tests.flow.conftest import Stage

NO_JOB = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """Run the command beside the stage's settings file; the key must not show in what it prints."""
    return Command(stage.folder, [stage.place.key.read_text(encoding="utf-8").strip()])


def write(stage: Stage, **sections: dict[str, Any]) -> None:
    """Write the settings file anew, with these changes in it."""
    stage.changes = sections
    stage.settings()
    (stage.folder / "changed.toml").replace(stage.place.config)


# ---- settings


def test_broken_toml_is_named_with_its_line(stage: Stage, tallybook: Command) -> None:
    """Exit code 2, one sentence."""
    stage.place.config.write_text('[pleo]\ncompany_id = "unfinished\n', encoding="utf-8")
    ended = tallybook("run")
    assert (ended.code, ended.out) == (2, "")
    assert "tallybook.toml is not valid TOML" in ended.told
    assert "line 2" in ended.told


def test_everything_wrong_with_the_settings_is_said_at_once(stage: Stage, tallybook: Command) -> None:
    """Unknown names come with the nearest known one, a variable's like a file's."""
    text = stage.place.config.read_text(encoding="utf-8")
    text = text.replace("company_id", "companyid_id").replace("[pleo]", '[pleo]\npage_size = "many"')
    stage.place.config.write_text(f"page_sze = 3\n{text}", encoding="utf-8")
    ended = tallybook("run", TALLYBOOK_PLEO_BASE_URI="x")
    assert (ended.code, ended.out) == (2, "")
    for sentence in (
        "unknown setting page_sze; did you mean pleo.page_size?",
        "unknown setting pleo.companyid_id; did you mean company_id?",
        "pleo.company_id is missing",
        "pleo.page_size must be a whole number",
        "unknown variable TALLYBOOK_PLEO_BASE_URI; did you mean TALLYBOOK_PLEO_BASE_URL?",
    ):
        assert sentence in ended.told
    assert len(ended.err.splitlines()) == 5


def test_a_settings_file_that_is_not_there_is_named(tallybook: Command) -> None:
    """And how to name another."""
    ended = tallybook("run", "--config", "none.toml")
    assert (ended.code, ended.out) == (2, "")
    assert "there is no settings file none.toml; name one with --config or TALLYBOOK_CONFIG" in ended.told


def test_without_any_settings_the_way_to_give_them_is_said(stage: Stage, tallybook: Command) -> None:
    """In an empty folder, with no variable set."""
    stage.place.config.unlink()
    ended = tallybook("jobs")
    assert (ended.code, ended.out) == (2, "")
    assert "there is no settings file tallybook.toml here; name one with --config" in ended.told
    assert "TALLYBOOK_PLEO_COMPANY_ID" in ended.told


def test_a_secret_in_the_settings_file_is_refused_and_not_repeated(stage: Stage, tallybook: Command) -> None:
    """It belongs in a variable or a file of its own."""
    text = stage.place.config.read_text(encoding="utf-8")
    stage.place.config.write_text(text.replace("[pleo]", '[pleo]\napi_key = "of-no-use-here"'), encoding="utf-8")
    ended = tallybook("run")
    assert (ended.code, ended.out) == (2, "")
    assert "secrets belong in the variable TALLYBOOK_PLEO_API_KEY" in ended.told
    assert "of-no-use-here" not in ended.told


# ---- Pleo


def test_a_wrong_key_is_said_and_not_shown(stage: Stage, tallybook: Command) -> None:
    """Exit code 1: the settings are well formed, Pleo does not accept what they hold."""
    stage.place.key.write_text("a-wrong-key-of-mine\n", encoding="utf-8")
    ended = tallybook("run")
    assert (ended.code, ended.out) == (1, "")
    assert "401" in ended.told
    assert "put a valid API key or access token into the settings" in ended.told
    assert "a-wrong-key-of-mine" not in ended.told


def test_a_host_that_does_not_answer_is_named(tallybook: Command) -> None:
    """Exit code 1, and what to check."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        ended = tallybook("run", TALLYBOOK_PLEO_BASE_URL=url, TALLYBOOK_PLEO_CALL_TIMEOUT_S="1")
    assert (ended.code, ended.out) == (1, "")
    assert "Pleo at 127.0.0.1 could not be reached" in ended.told
    assert "check pleo.base_url and the network" in ended.told


def test_an_answer_that_is_a_web_page_is_said(stage: Stage, tallybook: Command) -> None:
    """Exit code 1, and no page in the terminal."""
    stage.call("POST", "/faults", {"operation": "getExportJobsListV3", "kind": "not_json"})
    ended = tallybook("run")
    assert (ended.code, ended.out) == (1, "")
    assert "Pleo's answer is no JSON but a web page; check pleo.base_url" in ended.told
    assert "<" not in ended.told


# ---- run, jobs, items


def test_run_ends_with_0_when_there_is_nothing_to_do(tallybook: Command) -> None:
    """Nothing waiting is no failure."""
    ended = tallybook("run")
    assert (ended.code, ended.err) == (0, "")
    assert "Nothing is waiting to be exported." in ended.out


def test_run_ends_with_0_when_all_jobs_completed(stage: Stage, tallybook: Command) -> None:
    """`--json` prints one object and nothing else."""
    stage.found(5)
    job = stage.press_export()
    ended = tallybook("run", "--json")
    assert (ended.code, ended.err) == (0, "")
    (told,) = json.loads(ended.out)["jobs"]
    assert {key: told[key] for key in ("id", "event", "items", "successful", "failed")} == {
        "id": job, "event": "completed", "items": 5, "successful": 5, "failed": 0,
    }  # fmt: skip


def test_run_ends_with_1_when_an_item_failed_and_items_says_why(stage: Stage, tallybook: Command) -> None:
    """`run` points to `items`, which has every item with number or reason; `jobs` has the job."""
    stage.add({"note": "Lunch"}, {"type": "teleport"})
    job = stage.press_export()
    ended = tallybook("run")
    assert ended.code == 1
    assert "completed_with_errors" in ended.told
    assert f"tallybook items {job}" in ended.told

    ended = tallybook("items", job)
    assert (ended.code, ended.err) == (0, "")
    for part in ("successful", "000001", "failed", "validation_failure", '"teleport"'):
        assert part in ended.told

    ended = tallybook("items", job, "--json")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["status"]: row["externalId"] for row in rows} == {"successful": "000001", "failed": None}

    ended = tallybook("jobs", "--json")
    (listed,) = json.loads(ended.out)
    assert (listed["id"], listed["status"]) == (job, "completed_with_errors")
    ended = tallybook("jobs")
    assert (ended.code, ended.err) == (0, "")
    assert job in ended.told


def test_a_job_that_failed_as_a_whole_is_said_with_its_reason(stage: Stage, tallybook: Command) -> None:
    """In `run` and later in `jobs`."""
    stage.add({})
    job = stage.press_export()
    write(stage, accounts={"wallet": None})
    ended = tallybook("run")
    assert ended.code == 1
    assert "missing_configuration: No account is set for accounts.wallet" in ended.told
    assert "missing_configuration: No" in tallybook("jobs").told
    assert "ended as failed: missing_configuration: No account" in tallybook("items", job, "--status", "failed").told


@pytest.mark.parametrize("arguments", [("run", "--job", NO_JOB), ("items", NO_JOB)])
def test_a_job_that_is_not_there_is_said(tallybook: Command, arguments: tuple[str, ...]) -> None:
    """Exit code 1, and what to check."""
    ended = tallybook(*arguments)
    assert ended.code == 1
    assert "404" in ended.told
    assert "check the id, and that the key belongs to this company" in ended.told


def test_an_argument_that_is_no_id_is_refused(tallybook: Command) -> None:
    """Exit code 2, before anything is asked of Pleo."""
    ended = tallybook("items", "../../etc")
    assert (ended.code, ended.out) == (2, "")
    assert "valid UUID" in ended.told


def test_what_others_wrote_at_pleo_is_shown_without_control_characters(stage: Stage, tallybook: Command) -> None:
    """A reason or number that another integration reported could hold anything."""
    stage.add({}, {})
    job = stage.press_export()
    odd = "\x1b[2J\x1b]0;owned\x07 [bold]seen[/bold] \u202e"
    key = (stage.place.key.read_text(encoding="utf-8").strip(), "")
    event = {"jobId": job, "exportJobId": job, "event": "started"}
    assert stage.http.post("/v3/export-job-events", json=event, auth=key).status_code == 202
    update = {"status": "failed", "externalId": odd, "failureReason": odd, "failureReasonType": "account_unknown"}
    rows = [update | {"accountingEntryId": entry_id} for entry_id in stage.outcomes()]
    assert stage.http.put(f"/v3/export-jobs/{job}/items", json=rows, auth=key).status_code == 200
    failed = event | {"event": "failed", "failureReason": odd, "failureReasonType": "validation_failure"}
    assert stage.http.post("/v3/export-job-events", json=failed, auth=key).status_code == 202
    for arguments in (("items", job), ("jobs",)):
        ended = tallybook(*arguments)
        assert (ended.code, ended.err) == (0, "")
        assert "[bold]" in ended.out
        assert all(sign.isprintable() for sign in ended.out.replace("\n", ""))


# ---- check


def test_check_says_ready_for_each_part(tallybook: Command) -> None:
    """Exit code 0."""
    ended = tallybook("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "Settings: ready",
        "Pleo: ready",
        "Books (book): ready",
        "Pending exports: ready",
    ]


def test_check_says_everything_that_is_not_ready_at_once(stage: Stage, tallybook: Command) -> None:
    """Exit code 1: Pleo refuses and the book is not there."""
    stage.place.key.write_text("a-wrong-key-of-mine\n", encoding="utf-8")
    stage.place.book.unlink()
    ended = tallybook("check")
    assert ended.code == 1
    settings, pleo, books = ended.out.splitlines()
    assert settings == "Settings: ready"
    assert "401" in pleo
    assert "book.sqlite" in books


def test_check_says_all_settings_that_are_wrong_in_whatever_part(stage: Stage, tallybook: Command) -> None:
    """Exit code 2: the credential, the adapter's own section and a missing account."""
    stage.place.key.unlink()
    write(stage, accounts={"wallet": None}, books={"book": {"pth": "book.sqlite"}})
    ended = tallybook("check")
    assert ended.code == 2
    for sentence in ("pleo.api_key_file: the file", "books.book.pth is unknown", "accounts.wallet is not set"):
        assert f"Settings: {sentence}" in ended.told


def test_a_section_of_no_adapter_is_an_unknown_setting(tallybook: Command) -> None:
    """A misspelt variable under books would otherwise be silently without effect."""
    ended = tallybook("run", TALLYBOOK_BOOKS_CLOSED_PERIODS="today")
    assert (ended.code, ended.out) == (2, "")
    assert "unknown setting books.closed; did you mean closed_period?" in ended.told


def test_check_names_an_account_the_books_do_not_have(stage: Stage, tallybook: Command) -> None:
    """Exit code 1: which of the two is wrong is for a person to say."""
    write(stage, accounts={"wallet": "0815"})
    ended = tallybook("check")
    assert ended.code == 1
    assert "Books (book): accounts.wallet = 0815 is no open account of the books" in ended.told


# ---- the sandbox


def test_a_port_that_is_taken_is_said(stage: Stage, tallybook: Command) -> None:
    """And a way out."""
    port = stage.url.rpartition(":")[2]
    ended = tallybook("sandbox", "serve", "--port", port)
    assert (ended.code, ended.out) == (1, "")
    assert f"the sandbox cannot listen on port {port}" in ended.told
    assert "try --port 0" in ended.told


# ---- secrets


def test_the_key_stands_nowhere_but_in_its_file(stage: Stage, tallybook: Command) -> None:
    """Not in what the sandbox was sent in plain, nor in the book, its export or anything else in the folder."""
    stage.found(10)
    stage.press_export()
    assert tallybook("run").code == 0
    assert tallybook("book", "export", "ledger").code == 0
    key = stage.place.key.read_text(encoding="utf-8").strip()
    assert stage.journal()
    assert key not in json.dumps(stage.journal())
    holders = [path for path in stage.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert holders == [stage.place.key]
    assert stage.place.key.stat().st_mode & 0o077 == 0
    assert list(tallybook.temporary.iterdir()) == []
