"""The console's password in the settings, and the settings as the console shows them."""

from pathlib import Path

import pytest

from tallybook import settings
from tallybook.errors import SettingsError
from tallybook.settings.in_force import HIDDEN, in_force

COMPANY = {"TALLYBOOK_PLEO_COMPANY_ID": "11111111-1111-4111-8111-111111111111"}
HASH = "$argon2id$v=19$m=65536,t=3,p=4$dpdT7BgviSRDIBtt8WuwVQ$VvU8ha9qjSfnczy/kgAoSnxiPzyhU7d/GVyk6Yv/X/E"


def console(**values: str) -> settings.ConsoleSettings:
    return settings.load(
        None, COMPANY | {f"TALLYBOOK_CONSOLE_{key}".upper(): each for key, each in values.items()}
    ).console


def test_the_hash_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    """None is allowed, and means that nobody is asked for a password."""
    (tmp_path / "hash").write_text(f"{HASH}\n", encoding="utf-8")
    assert console().hash() is None
    assert console(password_hash=HASH).hash() == HASH
    assert console(password_hash_file=str(tmp_path / "hash")).hash() == HASH


@pytest.mark.parametrize("wrong", ["hunter2 is my password", "$2b$12$abcdefghijklmnopqrstuv", f"{HASH} "[:-20] + "!"])
def test_what_is_no_hash_is_refused_and_not_repeated(tmp_path: Path, wrong: str) -> None:
    """Somebody may have written the password itself there."""
    (tmp_path / "hash").write_text(wrong, encoding="utf-8")
    for values in ({"password_hash": wrong}, {"password_hash_file": str(tmp_path / "hash")}):
        with pytest.raises(SettingsError, match="tallybook console password") as refused:
            console(**values).hash()
        assert wrong not in str(refused.value)


def test_two_hashes_are_one_too_many(tmp_path: Path) -> None:
    """One of them would be forgotten when the password changes."""
    with pytest.raises(SettingsError, match="keep one"):
        console(password_hash=HASH, password_hash_file=str(tmp_path / "hash")).hash()


def test_a_setting_in_force_says_where_it_came_from_and_hides_secrets(tmp_path: Path) -> None:
    """Default, file or variable; a secret of an adapter's section is hidden by its name."""
    (tmp_path / "tallybook.toml").write_text(
        '[books]\nadapter = "tryton"\n[books.tryton]\nuser = "ada"\n[pleo]\npage_size = 50\n'
        '[mapping.accounts]\n"4999" = "3999"\n',
        encoding="utf-8",
    )
    environment = {
        **COMPANY,
        "TALLYBOOK_PLEO_API_KEY": "key-of-the-company",
        "TALLYBOOK_BOOKS_TRYTON_PASSWORD": "hunter2-hunter2",
        "TALLYBOOK_PLEO_RECEIPT_HOSTS": "a.example, b.example",
        "TALLYBOOK_SERVE_POLL_EVERY_S": "60",
        "TALLYBOOK_SERVE_METRICS_OPEN": "true",
        "TALLYBOOK_DATABASE_URL": "postgresql://tally:hunter2@host/runs",
        "TALLYBOOK_CONSOLE_PASSWORD_HASH": HASH,
    }
    found = {each.name: each for each in in_force(settings.load(tmp_path / "tallybook.toml", environment), environment)}
    told = {name: (each.value, each.origin.value) for name, each in found.items()}
    assert told["pleo.api_key"] == (HIDDEN, "variable")
    assert told["books.tryton.password"] == (HIDDEN, "variable")
    assert told["books.tryton.user"] == ("ada", "settings file")
    assert told["pleo.page_size"] == ("50", "settings file")
    assert told["pleo.read_timeout_s"] == ("30", "default")
    assert told["pleo.receipt_hosts"] == ("a.example, b.example", "variable")
    assert told["serve.poll_every_s"] == ("60", "variable")
    assert told["serve.metrics_open"] == ("yes", "variable")
    assert told["mapping.accounts"] == ("4999 to 3999", "settings file")
    assert told["database.url"] == (HIDDEN, "variable")
    assert told["console.password_hash"] == (HIDDEN, "variable")
    assert not any("hunter2" in each.value or "key-of" in each.value for each in found.values())


@pytest.mark.parametrize(
    "section",
    [
        'passphrase = "S3CRET"',
        'pin = "S3CRET"',
        'github_pat = "S3CRET"',
        'headers = { authorization = "Bearer S3CRET" }',
        'accounts = [{ name = "a", api_key = "S3CRET" }]',
        'Auth = "S3CRET"',
    ],
)
def test_what_a_strangers_adapter_may_keep_secret_is_not_shown(tmp_path: Path, section: str) -> None:
    """By its name, or because there are names within it."""
    (tmp_path / "tallybook.toml").write_text(
        f'[books]\nadapter = "book"\n[books.book]\npath = "book.sqlite"\n{section}\n', encoding="utf-8"
    )
    found = list(in_force(settings.load(tmp_path / "tallybook.toml", COMPANY), COMPANY))
    assert not any("S3CRET" in each.value for each in found)
    assert next(each.value for each in found if each.name == "books.book.path").endswith("book.sqlite")
