"""Where the server listens and what it asks of callers."""

from pathlib import Path

import pytest

from tallybook import settings
from tallybook.errors import SettingsError
from tallybook.listening.server import bound, is_loopback

VARIABLES = {"TALLYBOOK_PLEO_COMPANY_ID": "11111111-1111-4111-8111-111111111111"}


def serve(**values: str) -> settings.ServeSettings:
    return settings.load(
        None, VARIABLES | {f"TALLYBOOK_SERVE_{name}".upper(): each for name, each in values.items()}
    ).serve


@pytest.mark.parametrize(
    ("listen", "host", "port", "loopback"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0, True),
        ("localhost:65535", "localhost", 65535, True),
        ("[::1]:8484", "::1", 8484, True),
        ("[::]:8484", "::", 8484, False),
        ("10.1.2.3:80", "10.1.2.3", 80, False),
        ("export.example.com:8484", "export.example.com", 8484, False),
    ],
)
def test_an_address_is_a_host_and_a_port(listen: str, host: str, port: int, loopback: bool) -> None:
    """IPv6 in brackets; what is not certainly this machine counts as beyond it."""
    read = serve(listen=listen)
    assert (read.host, read.port, is_loopback(read.host)) == (host, port, loopback)


@pytest.mark.parametrize(
    "listen", ["8484", "127.0.0.1", ":8484", "127.0.0.1:65536", "http://127.0.0.1:8484", "a b:1", "::1:1"]
)
def test_anything_else_is_refused_with_an_example(listen: str) -> None:
    """Before anything is bound."""
    with pytest.raises(SettingsError, match="HOST:PORT, such as"):
        serve(listen=listen)


def test_a_token_comes_from_a_variable_or_a_file_and_is_long_enough(tmp_path: Path) -> None:
    """None is allowed; two, a short one and an empty file are not, and none is shown."""
    (tmp_path / "token").write_text("a-token-from-a-file-1234\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    token = serve(token_file=str(tmp_path / "token")).bearer()
    assert token is not None
    assert token.get_secret_value() == "a-token-from-a-file-1234"
    assert serve().bearer() is None
    for wrong in (
        {"token": "short-secret"},
        {"token": "long-enough-a-secret", "token_file": str(tmp_path / "token")},
        {"token_file": str(tmp_path / "empty")},
        {"token_file": str(tmp_path / "missing")},
    ):
        with pytest.raises(SettingsError) as refused:
            serve(**wrong).bearer()
        assert "secret" not in str(refused.value).replace("be a secret", "")


def test_a_token_in_the_file_is_refused(tmp_path: Path) -> None:
    """As every secret there."""
    (tmp_path / "tallybook.toml").write_text('[serve]\ntoken = "long-enough-a-secret"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"serve\.token stands in .*TALLYBOOK_SERVE_TOKEN"):
        settings.load(tmp_path / "tallybook.toml", VARIABLES)


def test_an_address_that_is_none_of_this_machine_is_told_in_a_sentence() -> None:
    """TEST-NET-1 is nobody's."""
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1:8484 cannot be listened on"), bound("192.0.2.1", 8484):
        pass
