"""`tallybook check`, on a real sandbox and a real book: what pending exports name is held against the books."""

import tomllib
from typing import Any

import pytest
import tomli_w

from tests.flow.command import Command
from tests.flow.conftest import Stage

PENDING = "Pending exports: "


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """Run the command beside the stage's settings file."""
    return Command(stage.folder, [stage.place.key.read_text(encoding="utf-8").strip()])


def write(stage: Stage, **sections: dict[str, Any]) -> None:
    """Write the settings file anew, with these changes in it."""
    stage.changes = sections
    stage.settings()
    (stage.folder / "changed.toml").replace(stage.place.config)


def account(code: str, name: str) -> dict[str, Any]:
    return {"id": "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e", "name": name, "code": code, "identifier": None}


def line(**fields: Any) -> dict[str, Any]:
    money = {"currency": "DKK", "value": 10000}
    amount = {"inSupplierCurrency": money, "inWalletCurrency": money}
    return {"lineAmount": amount, "netAmount": amount, **fields}


def expense(**fields: Any) -> dict[str, Any]:
    return {"accountingEntryLines": [line(**fields)]}


TAG = {"id": "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e", "code": "nowhere", "groupCode": "no-group"}


def test_check_is_ready_when_the_books_have_everything(stage: Stage, tallybook: Command) -> None:
    """A demo company's export lacks nothing, and check says so with exit code 0."""
    stage.found(30)
    stage.press_export()
    ended = tallybook("check", TALLYBOOK_BOOKS_CLOSED_PERIOD="next_open")
    assert (ended.code, ended.err) == (0, "")
    assert f"{PENDING}ready" in ended.out.splitlines()


def test_check_says_all_that_is_lacking_at_once(stage: Stage, tallybook: Command) -> None:
    """An account of two entries, a tag and a closed day: each with its entries, and nothing is written."""
    stage.add(
        expense(account=account("9998", "Nothing like it")),
        expense(account=account("9998", "Nothing like it"), tags=[TAG]),
        {"date": "1999-05-01T10:00:00Z", **expense(account=account("9998", "Nothing like it"))},
    )
    job = stage.press_export()
    before = stage.journal()
    ended = tallybook("check")
    assert ended.code == 1
    told = [text.removeprefix(PENDING) for text in ended.out.splitlines() if text.startswith(PENDING)]
    assert told[0].startswith('3 entries: Account number "9998" of the Category "Nothing like it" is not in')
    assert any(text.startswith('1 entry: The Tag with code "nowhere" of the tag group "no-group"') for text in told)
    called = [call["method"] for call in stage.journal()[len(before) :]]
    assert called
    assert set(called) == {"GET"}
    assert stage.job(job)["status"] == "pending"
    assert stage.booked() == []


def test_check_names_the_nearest_account(stage: Stage, tallybook: Command) -> None:
    """By its name in Pleo, where the numbers have nothing in common."""
    stage.found(1)
    (row,) = stage.call("GET", "/expenses?limit=1")["data"]
    text = stage.call("GET", f"/expenses/{row['id']}")["document"]
    of_books = next(each["account"] for each in text["accountingEntryLines"] if each["account"])
    stage.found()
    stage.add(expense(account=account("ZZZZZ", of_books["name"] + "s")))
    stage.press_export()
    ended = tallybook("check")
    assert ended.code == 1
    assert f'Nearest in the books: "{of_books["code"]}"' in ended.told


def test_check_names_the_account_that_a_waiting_export_needs(stage: Stage, tallybook: Command) -> None:
    """An export with vendors needs accounts payable, whatever others need."""
    stage.add(expense())
    stage.press_export(vendor_based=True)
    roles = stage.settings().accounts.model_dump(exclude={"accounts_payable"}, exclude_none=True)
    table = tomllib.loads(stage.place.config.read_text(encoding="utf-8")) | {"accounts": roles}
    stage.place.config.write_text(tomli_w.dumps(table), encoding="utf-8")
    ended = tallybook("check")
    assert ended.code == 1
    assert f"{PENDING}accounts.accounts_payable is not set, and an export waits that needs it" in ended.told


def test_check_says_what_the_books_themselves_would_refuse(stage: Stage, tallybook: Command) -> None:
    """As the plan does; nothing is written, and what is in the books already is not asked for."""
    write(stage, books={"posting": "draft", "closed_period": "next_open"})
    (booked,) = stage.add({"date": "2026-10-14T10:00:00Z"})
    stage.export()
    file_books = {
        "path": str(stage.place.book),
        "import_dir": str(stage.folder / "import"),
        "dimensions": {"CC": 1, "PROJ": 6},
    }
    write(stage, books={"adapter": "sie", "closed_period": "next_open", "sie": file_books | {"currency": "SEK"}})
    (waiting,) = stage.add({"date": "2026-10-14T10:00:00Z"})
    stage.call("POST", "/exports", {"entryIds": [booked, waiting]})
    ended = tallybook("check")
    assert ended.code == 1
    (told,) = [text for text in ended.out.splitlines() if text.startswith(PENDING)]
    assert told.startswith(f"{PENDING}1 entry: The entry is in DKK, and the SIE file in SEK; book this entry by hand")
    assert [entry_id for entry_id, _ in stage.booked()] == [booked]


def test_check_reads_a_job_page_by_page(stage: Stage, tallybook: Command) -> None:
    """Every entry is counted once, also with pages of two."""
    stage.add(*[expense(account=account("9998", "Nowhere")) for _ in range(5)])
    stage.press_export()
    ended = tallybook("check", TALLYBOOK_PLEO_PAGE_SIZE="2")
    assert f'{PENDING}5 entries: Account number "9998"' in ended.told


def test_a_mapped_account_is_booked(stage: Stage, tallybook: Command) -> None:
    """What check found lacking is ready once it is mapped, and the export completes."""
    stage.add(expense(account=account("9998", "Nowhere")))
    stage.press_export()
    assert tallybook("check").code == 1
    wallet = stage.settings().accounts.wallet
    (stage.folder / "accounts.csv").write_text(f"from,to\n9998,{wallet}\n", encoding="utf-8")
    write(stage, mapping={"accounts_file": str(stage.folder / "accounts.csv")})
    assert tallybook("check").code == 0
    assert tallybook("run").code == 0
    assert len(stage.booked()) == 1


def test_an_entry_stays_linked_when_the_mapping_changes(stage: Stage) -> None:
    """Exported again, it keeps its number: what Pleo sent has not changed."""
    (entry,) = stage.add(expense(account=account("9998", "Nowhere")))
    roles = stage.settings().accounts
    stage.changes = {"mapping": {"accounts": {"9998": roles.wallet}}}
    assert stage.export().successful == 1
    first = stage.booked()
    stage.changes = {"mapping": {"accounts": {"9998": roles.contra}}}
    (report,) = stage.run(stage.call("POST", "/exports", {"entryIds": [entry]})["id"])
    assert report.successful == 1
    assert stage.booked() == first


def test_a_target_the_books_do_not_have_is_said_with_both_codes(stage: Stage, tallybook: Command) -> None:
    """Under Books, whether an entry needs it or not."""
    write(stage, mapping={"accounts": {"4999": "no-such-account"}})
    ended = tallybook("check")
    assert ended.code == 1
    assert 'mapping.accounts maps "4999" to "no-such-account", which is no open account of the books' in ended.told


def test_a_mapping_file_that_is_not_there_is_a_wrong_setting(stage: Stage, tallybook: Command) -> None:
    """Exit code 2, for check and for run."""
    write(stage, mapping={"accounts_file": "none.csv"})
    for command in ("check", "run"):
        ended = tallybook(command)
        assert ended.code == 2
        assert "mapping.accounts_file: there is no file" in ended.told
