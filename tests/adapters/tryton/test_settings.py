from pathlib import Path
from typing import Any

import pytest

from tallybook.adapters.tryton.settings import read_settings
from tallybook.adapters.tryton.system import open_tryton
from tallybook.errors import SettingsError

GOOD = {"url": "https://tryton.example.com", "database": "acme", "user": "tallybook", "password": "s3cret"}


def _problems(section: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        open_tryton(section)
    return refused.value.problems


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://tryton.example.com"}, "books.tryton.url must be an https address"),
        ({"url": "https://me:pw@tryton.example.com"}, "books.tryton.url must be an https address"),
        ({"database": "../admin"}, "books.tryton.database must be the name of a Tryton database"),
        ({"data_base": "x"}, "unknown setting books.tryton.data_base; did you mean database?"),
        ({"user": ""}, "books.tryton.user: string should have at least 1 character"),
        ({"read_timeout_s": 0}, "books.tryton.read_timeout_s: input should be greater than 0"),
        ({"password": None}, "books.tryton: no password is set"),
        ({"password_file": "x"}, "books.tryton: both password and password_file are set"),
        ({"password": None, "password_file": "nowhere"}, "the file 'nowhere' cannot be read"),
    ],
)
def test_one_sentence_per_problem(change: dict[str, Any], said: str) -> None:
    """A setting that is wrong is named, with what it must be, and never with its value."""
    (problem,) = _problems(GOOD | change)
    assert said in problem
    assert "s3cret" not in problem
    assert "pw@" not in problem


def test_missing_settings_are_all_named() -> None:
    """Everything that is missing is said at once, with the variable that sets it."""
    problems = _problems({"password": "s3cret"})
    assert [problem.split()[0] for problem in problems] == [
        "books.tryton.url", "books.tryton.database", "books.tryton.user",
    ]  # fmt: skip
    assert "TALLYBOOK_BOOKS_TRYTON_URL" in problems[0]


def test_password_file(tmp_path: Path) -> None:
    """A password is read from a file that holds it alone; blanks in it belong to it."""
    path = tmp_path / "password"
    path.write_text("two words \n", encoding="utf-8")
    settings = read_settings(GOOD | {"password": None, "password_file": str(path)})
    assert settings.secret().get_secret_value() == "two words "
    path.write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="alone, on one line"):
        settings.secret()
