import pytest
import typer

from tallybook import cli
from tallybook.accounting import registry
from tallybook.errors import SettingsError, TallybookError

SECRET = "key-that-must-not-be-seen"
ERRORS: list[tuple[Exception, int, str]] = [
    (SettingsError(["one is wrong", "two is wrong"]), 2, "one is wrong\ntwo is wrong\n"),
    (TallybookError("Pleo is not there"), 1, "Pleo is not there\n"),
    (OSError(28, "No space left on device", "/var/books"), 1, "No space left on device: /var/books"),
    (KeyError(SECRET), 1, "fault of its own (KeyError in "),
]


@pytest.mark.parametrize(("error", "code", "words"), ERRORS)
def test_whatever_goes_wrong_is_a_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, words: str
) -> None:
    """A fault of our own names its place, never its text, which may hold anything; nothing is a traceback."""
    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", failing)
    monkeypatch.setattr("sys.argv", ["tallybook", "fail"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (code, "")
    assert words in said.err
    assert "Traceback" not in said.err
    assert SECRET not in said.err


def test_a_fault_of_our_own_names_our_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that whoever gets the report knows where to look."""
    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        registry.adapter(None)  # type: ignore[arg-type]

    monkeypatch.setattr(cli, "app", failing)
    monkeypatch.setattr("sys.argv", ["tallybook", "fail"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "registry.py:" in capsys.readouterr().err
