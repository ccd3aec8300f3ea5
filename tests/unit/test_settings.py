from collections.abc import Mapping
from pathlib import Path

import pytest

from tallybook import settings
from tallybook.errors import SettingsError

COMPANY = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"
KEY = "key-that-must-not-be-seen"


def write(folder: Path, text: str) -> Path:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path | None, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.load(path, environment or {})
    return caught.value.problems


def test_a_company_id_is_all_that_must_be_set(tmp_path: Path) -> None:
    """Everything else has a default."""
    loaded = settings.load(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\n'), {})
    assert loaded.pleo.base_url == "https://external.pleo.io"
    assert loaded.books.posting == "draft"
    assert loaded.pleo.event_id_fields == ("jobId", "exportJobId")


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Misspelt names come with the nearest known one."""
    text = (
        '[pleo]\nbase_ur = "x"\npage_size = 0\n[books]\nadaptr = "book"\nposting = "final"\n[accountss]\nwallet = "1"\n'
    )
    found = "\n".join(problems(write(tmp_path, text)))
    for part in (
        "unknown setting pleo.base_ur; did you mean base_url?",
        "pleo.page_size",
        "unknown setting books.adaptr; did you mean adapter?",
        "books.posting",
        "unknown setting accountss; did you mean accounts?",
        "pleo.company_id is missing",
    ):
        assert part in found


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    """The file and the line are said."""
    (found,) = problems(write(tmp_path, "[pleo\n"))
    assert "tallybook.toml is not valid TOML" in found
    assert "line 1" in found


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """The way to name one is said too."""
    (found,) = problems(tmp_path / "none.toml")
    assert "none.toml" in found
    assert "--config" in found


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    """Lists are separated by commas, adapter sections are reached by their name."""
    path = write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\npage_size = 5\n[books.book]\npath = "a.sqlite"\n')
    loaded = settings.load(
        path,
        {
            "TALLYBOOK_PLEO_PAGE_SIZE": "7",
            "TALLYBOOK_PLEO_RECEIPT_HOSTS": "a.example, b.example",
            "TALLYBOOK_BOOKS_BOOK_PATH": "/b.sqlite",
        },
    )
    assert loaded.pleo.page_size == 7
    assert loaded.pleo.receipt_hosts == ("a.example", "b.example")
    assert loaded.books.section("book") == {"path": "/b.sqlite"}


def test_an_unknown_variable_is_said_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt variable would otherwise be silently without effect."""
    path = write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\n')
    assert problems(path, {"TALLYBOOK_PLEO_BASE_URI": "https://x.example"}) == [
        "unknown variable TALLYBOOK_PLEO_BASE_URI; did you mean TALLYBOOK_PLEO_BASE_URL?"
    ]


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Secrets come from variables or from files of their own."""
    found = problems(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\napi_key = "{KEY}"\n'))
    assert any("TALLYBOOK_PLEO_API_KEY" in sentence for sentence in found)
    assert KEY not in "".join(found)


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    """Neither repr nor str nor a dump of the settings shows it."""
    path = write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\n')
    loaded = settings.load(path, {"TALLYBOOK_PLEO_API_KEY": KEY})
    assert loaded.pleo.secret()[1].get_secret_value() == KEY
    assert KEY not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"


def test_the_key_file_counts_from_the_settings_file(tmp_path: Path) -> None:
    """A relative path is relative to the file that names it."""
    (tmp_path / "key").write_text(KEY + "\n", encoding="utf-8")
    loaded = settings.load(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\napi_key_file = "key"\n'), {})
    assert loaded.pleo.secret() == ("api_key", loaded.pleo.secret()[1])
    assert loaded.pleo.secret()[1].get_secret_value() == KEY


@pytest.mark.parametrize("content", ["", "two\nlines\n", "a b"])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    """The file is named, its content is not repeated."""
    (tmp_path / "key").write_text(content, encoding="utf-8")
    loaded = settings.load(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\napi_key_file = "key"\n'), {})
    with pytest.raises(SettingsError, match="on one line"):
        loaded.pleo.secret()


def test_two_credentials_are_one_too_many(tmp_path: Path) -> None:
    """Which one would be used must not be a guess."""
    path = write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\n')
    loaded = settings.load(path, {"TALLYBOOK_PLEO_API_KEY": KEY, "TALLYBOOK_PLEO_ACCESS_TOKEN": KEY})
    with pytest.raises(SettingsError, match="more than one credential"):
        loaded.pleo.secret()


@pytest.mark.parametrize(
    "url", ["http://external.pleo.io", "ftp://external.pleo.io", "external.pleo.io", "http://127.0.0.1.evil.example"]
)
def test_credentials_travel_over_https_only(tmp_path: Path, url: str) -> None:
    """Plain http is for a sandbox on this machine."""
    (found,) = problems(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\nbase_url = "{url}"\n'))
    assert "https address" in found


def test_the_sandbox_may_be_reached_over_http(tmp_path: Path) -> None:
    """127.0.0.1, localhost and ::1 are this machine."""
    for url in ("http://127.0.0.1:8089", "http://localhost:1", "http://[::1]:8089"):
        loaded = settings.load(write(tmp_path, f'[pleo]\ncompany_id = "{COMPANY}"\nbase_url = "{url}"\n'), {})
        assert loaded.pleo.base_url == url


SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
COMPANY_SECTION = f'[pleo]\ncompany_id = "{COMPANY}"\n'


def test_the_signing_secret_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    """While it is replaced there are several: words of the variable, lines of the file."""
    config = write(tmp_path, f'{COMPANY_SECTION}[webhooks]\nsecret_file = "signing"\n')
    (tmp_path / "signing").write_text(f"{SIGNING}\nwhsec_other\n", encoding="utf-8")
    from_file = settings.load(config, {}).webhooks
    from_variable = settings.load(
        write(tmp_path, COMPANY_SECTION), {"TALLYBOOK_WEBHOOKS_SECRET": f"{SIGNING} whsec_other"}
    ).webhooks
    for given in (from_file, from_variable):
        assert [secret.get_secret_value() for secret in given.secrets()] == [SIGNING, "whsec_other"]
        assert SIGNING not in repr(given)


def test_a_signing_secret_in_the_settings_file_is_refused(tmp_path: Path) -> None:
    """It is not shown in the sentence."""
    (found,) = problems(write(tmp_path, f'{COMPANY_SECTION}[webhooks]\nsecret = "{SIGNING}"\n'))
    assert "webhooks.secret stands in" in found
    assert "TALLYBOOK_WEBHOOKS_SECRET" in found
    assert SIGNING not in found


@pytest.mark.parametrize(
    ("section", "environment", "said"),
    [
        ("", {}, "no secret is set"),
        ('secret_file = "none"', {}, "webhooks.secret_file: the file"),
        ('secret_file = "none"', {"TALLYBOOK_WEBHOOKS_SECRET": SIGNING}, "both a secret and a secret_file"),
        ("", {"TALLYBOOK_WEBHOOKS_SECRET": "  "}, "the secret is empty"),
    ],
)
def test_a_missing_signing_secret_is_said_when_it_is_needed(
    tmp_path: Path, section: str, environment: dict[str, str], said: str
) -> None:
    """Not before: who is not told by webhook needs none."""
    loaded = settings.load(write(tmp_path, f"{COMPANY_SECTION}[webhooks]\n{section}\n"), environment)
    with pytest.raises(SettingsError, match=said):
        loaded.webhooks.secrets()


def test_the_database_stands_beside_the_settings_file_unless_it_is_named(tmp_path: Path) -> None:
    """A relative SQLite path counts from the settings file's folder, too."""
    file = tmp_path / "tallybook.toml"
    company = '[pleo]\ncompany_id = "0a0a0a0a-0000-4000-8000-000000000001"\n'
    file.write_text(company)
    assert settings.load(file, {}).database.url == f"sqlite:///{tmp_path}/tallybook.sqlite"
    file.write_text(company + '[database]\nurl = "sqlite:///state/runs.sqlite"\n')
    assert settings.load(file, {}).database.url == f"sqlite:///{tmp_path}/state/runs.sqlite"
    file.write_text(company + '[database]\nurl = "sqlite:///~nobody-is-called-so/runs.sqlite"\n')
    assert settings.load(file, {}).database.url == f"sqlite:///{tmp_path}/~nobody-is-called-so/runs.sqlite"
    elsewhere = {"TALLYBOOK_DATABASE_URL": "postgresql://tally:secret@host/runs"}
    assert settings.load(file, elsewhere).database.url == elsewhere["TALLYBOOK_DATABASE_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tally:secret@host/runs",
        "postgresql://tally:se/cret@host/runs",
        "postgresql://host/runs?user=tally&password=secret",
        "mysql://host/runs",
        "runs.sqlite",
    ],
)
def test_a_database_that_is_none_or_shows_its_password_is_refused(tmp_path: Path, url: str) -> None:
    """The sentence does not repeat the password."""
    file = tmp_path / "tallybook.toml"
    file.write_text(
        f'[pleo]\ncompany_id = "0a0a0a0a-0000-4000-8000-000000000001"\n[database]\nurl = "{url}"\n', encoding="utf-8"
    )
    with pytest.raises(SettingsError, match=r"database\.url") as refused:
        settings.load(file, {})
    assert "secret" not in str(refused.value).replace("secrets belong", "")


def test_settings_do_not_show_the_database_url(tmp_path: Path) -> None:
    """It may hold a password."""
    file = tmp_path / "tallybook.toml"
    file.write_text('[pleo]\ncompany_id = "0a0a0a0a-0000-4000-8000-000000000001"\n')
    loaded = settings.load(file, {"TALLYBOOK_DATABASE_URL": "postgresql://tally:hunter2@host/runs"})
    assert "hunter2" not in repr(loaded)
