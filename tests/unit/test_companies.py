"""Several companies in one settings file, and what is wrong with them in sentences."""

from pathlib import Path

import pytest

from tallybook import companies
from tallybook.errors import SettingsError

ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
TOP = """
[pleo]
api_key_file = "organisation.key"
page_size = 50
[accounts]
wallet = "1910"
contra = "2910"
[books]
posting = "posted"
[books.book]
path = "one.sqlite"
"""
COMPANIES = f"""
[[companies]]
pleo = {{ company_id = "{ONE}", company_name = "one" }}
[[companies]]
pleo = {{ company_id = "{TWO}", company_name = "two-b", api_key_file = "two.key" }}
accounts = {{ wallet = "5820" }}
books = {{ adapter = "book", book = {{ path = "two.sqlite" }} }}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tallybook.toml"


def problems(file: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        companies.load_all(file, environment or {})
    return refused.value.problems


def test_a_company_inherits_what_it_does_not_name(file: Path) -> None:
    """Pleo and accounts key by key, the books as a whole, paths from the file's folder."""
    file.write_text(TOP + COMPANIES, encoding="utf-8")
    one, two = companies.load_all(file, {})
    assert (one.pleo.company_id, two.pleo.company_id) == (ONE, TWO)
    assert (one.pleo.page_size, two.pleo.page_size) == (50, 50)
    assert (one.accounts.wallet, two.accounts.wallet) == ("1910", "5820")
    assert two.accounts.contra == "2910"
    assert (one.books.posting, two.books.posting) == ("posted", "draft")
    assert two.books.section("book") == {"path": str(file.parent / "two.sqlite")}
    assert one.pleo.api_key_file == file.parent / "organisation.key"
    assert two.pleo.api_key_file == file.parent / "two.key"
    assert one.database == two.database


def test_a_companys_own_key_takes_the_place_of_the_organisations(file: Path) -> None:
    """From a variable of its name; nobody else gets it."""
    file.write_text(TOP + COMPANIES, encoding="utf-8")
    one, two = companies.load_all(file, {"TALLYBOOK_COMPANY_ONE_PLEO_API_KEY": "pleo_one"})
    assert (one.pleo.api_key and one.pleo.api_key.get_secret_value(), one.pleo.api_key_file) == ("pleo_one", None)
    assert (two.pleo.api_key, two.pleo.api_key_file) == (None, file.parent / "two.key")


def test_a_file_without_companies_is_about_one(file: Path) -> None:
    """As it always was."""
    file.write_text(TOP.replace("[pleo]", f'[pleo]\ncompany_id = "{ONE}"'), encoding="utf-8")
    (only,) = companies.load_all(file, {})
    assert companies.chosen([only], None) is only
    assert companies.name(only) == ONE


def test_a_company_is_chosen_by_name_or_id(file: Path) -> None:
    """In capitals too; of several one must be named, and a wrong name is answered with the nearest."""
    file.write_text(TOP + COMPANIES, encoding="utf-8")
    every = companies.load_all(file, {})
    assert companies.chosen(every, "two-b") is companies.chosen(every, TWO.upper()) is every[1]
    with pytest.raises(SettingsError, match="2 companies; name one with --company: one, two-b"):
        companies.chosen(every, None)
    with pytest.raises(SettingsError, match="no company two-a; did you mean two-b"):
        companies.chosen(every, "two-a")
    with pytest.raises(SettingsError, match="they have one, two-b"):
        companies.chosen(every, "xyz")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOP + COMPANIES.replace(TWO, ONE), f"company {ONE} is in the settings more than once"),
        (TOP + COMPANIES.replace("two-b", "one"), "two companies are called one"),
        (TOP + COMPANIES.replace("two-b", "Two B"), "company Two B: pleo.company_name must be a short name"),
        (TOP + f'[[companies]]\npleo = {{ company_id = "{ONE}" }}\nserve = {{}}\n', f"{ONE}: unknown setting serve"),
        (TOP + "[[companies]]\naccounts = {}\n", "company number 1: pleo.company_id is missing"),
        (TOP + "[[companies]]\npleo = 3\n", "company number 1: pleo must be a table"),
        ("companies = 3\n" + TOP, "must be tables"),
        ("companies = []\n" + TOP, "must be tables"),
        (TOP + COMPANIES.replace("api_key_file", "api_key"), "company two-b: pleo.api_key stands in"),
        (TOP + COMPANIES.replace("adapter =", "adaptr ="), "unknown setting books.adaptr"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_company(file: Path, text: str, said: str) -> None:
    """One sentence for each fault, with the company it is in."""
    assert [problem for problem in problems(file, text) if said in problem]


def test_a_variable_for_no_company_is_refused(file: Path) -> None:
    """A misspelt name would otherwise leave the company with the wrong key."""
    (said,) = problems(file, TOP + COMPANIES, {"TALLYBOOK_COMPANY_TOW_B_PLEO_API_KEY": "secret"})
    assert said.startswith("unknown variable TALLYBOOK_COMPANY_TOW_B_PLEO_API_KEY")
    assert "secret" not in said


def test_one_company_in_two_files_is_refused(file: Path) -> None:
    """Two workers of one process would export it twice."""
    file.write_text(TOP + COMPANIES, encoding="utf-8")
    every = companies.load_all(file, {})
    assert companies.unique(every) == every
    with pytest.raises(SettingsError, match="more than once"):
        companies.unique([*every, every[0]])
