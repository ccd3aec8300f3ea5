"""The plan of a job that cannot be exported now: why, what would come of it, and no plan to hold an export to."""

import json
from collections.abc import Callable

import pytest

from tallybook.steps.step1_detect_and_start import PAUSED
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_plan import everything, planned

pytestmark = pytest.mark.long

OTHER_COMPANY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """The command, in the company's folder."""
    return Command(stage.folder)


def written(stage: Stage, old: str, new: str) -> None:
    """Change the settings file."""
    text = stage.place.config.read_text(encoding="utf-8")
    assert old in text
    stage.place.config.write_text(text.replace(old, new, 1), encoding="utf-8")


def contra_accounts_missing(stage: Stage) -> None:
    stage.call("PATCH", "/world", {"contraAccounts": False})


def account_unset(stage: Stage) -> None:
    written(stage, "\nwallet =", "\n#wallet =")


def account_unknown(stage: Stage) -> None:
    written(stage, 'wallet = "5820"', 'wallet = "0815"')


def another_company(stage: Stage) -> None:
    written(stage, stage.settings().pleo.company_id, OTHER_COMPANY)


def book_gone(stage: Stage) -> None:
    written(stage, 'path = "book.sqlite"', 'path = "nowhere.sqlite"')


@pytest.mark.parametrize(
    ("obstacle", "why", "reason"),
    [
        (contra_accounts_missing, "contra accounts", "missing_configuration"),
        (account_unset, "No account is set for accounts.wallet", "missing_configuration"),
        (account_unknown, "no open account for accounts.wallet = 0815", "invalid_configuration"),
        (another_company, f"Tallybook is connected to company {OTHER_COMPANY}", "invalid_configuration"),
        (book_gone, "There is no book at nowhere.sqlite", "accounting_system_unreachable"),
    ],
)
def test_what_is_in_the_way_is_said_and_no_plan_is_offered(
    stage: Stage, tallybook: Command, obstacle: Callable[[Stage], None], why: str, reason: str
) -> None:
    """Exit code 1, also for a plan agreed to before, which is not begun; and the export says the same, if it is run."""
    stage.add({})
    job = stage.press_export()
    agreed = planned(stage, job)[0].hash
    obstacle(stage)
    before = everything(stage)
    shown = tallybook("plan", job)
    assert shown.code == 1
    assert f"Export job {job} cannot be exported now: " in shown.out
    assert why in shown.told
    assert f"it would end as failed ({reason})" in shown.told
    assert "--plan" not in shown.told
    (last,) = map(json.loads, tallybook("plan", job, "--json").out.splitlines())
    assert why in last["obstacle"]
    assert (last["plan"], last["waits"], last["event"], last["failureReasonType"]) == (None, False, "failed", reason)
    assert everything(stage) == before
    held = tallybook("run", "--job", job, "--plan", agreed)
    assert (held.code, held.out) == (3, "")
    assert why in held.told
    assert (stage.job(job)["status"], stage.call("GET", "/effects")["data"]) == ("pending", [])
    assert tallybook("run", "--job", job).code == 1
    assert stage.job(job)["failureReasonType"] == reason
    assert stage.job(job)["failureReason"] == last["failureReason"]


def test_the_job_of_a_paused_company_waits(stage: Stage, tallybook: Command) -> None:
    """The plan shows what it would do, that it is not begun, and no command for it."""
    stage.add({})
    stage.export()
    stage.add({})
    job = stage.press_export()
    assert tallybook("pause").code == 0
    shown = tallybook("plan", job)
    assert shown.code == 1
    assert PAUSED in shown.told
    assert "1 to record" in shown.told
    assert "--plan" not in shown.told
    last = json.loads(tallybook("plan", job, "--json").out.splitlines()[-1])
    assert (last["obstacle"], last["waits"], last["plan"], last["event"]) == (PAUSED, True, None, "completed")
    assert tallybook("resume").code == 0
    assert tallybook("plan", job).code == 0


def test_a_job_of_another_company_of_the_settings_is_told_from_ours(stage: Stage, tallybook: Command) -> None:
    """The plan says whose it is, and the command for it."""
    stage.add({})
    job = stage.press_export()
    ours = stage.settings().pleo.company_id
    written(stage, f'company_id = "{ours}"\n', "")
    text = stage.place.config.read_text(encoding="utf-8")
    for name, company in (("ours", ours), ("theirs", OTHER_COMPANY)):
        text += (
            f'\n[[companies]]\npleo = {{ company_id = "{company}", company_name = "{name}" }}\n'
            f'books = {{ adapter = "book", book = {{ path = "{"book" if name == "ours" else name}.sqlite" }} }}\n'
        )
    stage.place.config.write_text(text, encoding="utf-8")
    shown = tallybook("plan", job, "--company", "theirs")
    assert shown.code == 1
    assert f"It is a job of ours: tallybook plan {job} --company ours" in shown.told
    assert tallybook("plan", job, "--company", "ours").code == 0


def test_a_job_that_pleo_does_not_know_is_no_plan(tallybook: Command) -> None:
    """One sentence, exit code 1."""
    shown = tallybook("plan", OTHER_COMPANY)
    assert (shown.code, shown.out) == (1, "")
    assert "check the id" in shown.told
