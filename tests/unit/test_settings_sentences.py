from pathlib import Path

import pytest

from tallybook import settings
from tallybook.errors import SettingsError

COMPANY = 'company_id = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"page_size = 3\n[pleo]\n{COMPANY}", "unknown setting page_size; did you mean pleo.page_size?"),
        (f"[pleo]\n{COMPANY}[accounts]\nwallet = 1910\n", 'accounts.wallet must be text in quotes, such as "1910"'),
        ("pleo = 3\n", "pleo must be a table: its name in [brackets], its settings on the lines below"),
        (f'[pleo]\n{COMPANY}receipt_hosts = "x"\n', 'pleo.receipt_hosts must be a list such as ["a", "b"]'),
        (f"[pleo]\n{COMPANY}api_key_file = 3\n", "pleo.api_key_file must be the path of a file in quotes"),
        (f'[pleo]\n{COMPANY}page_size = "many"\n', "pleo.page_size must be a whole number"),
        (f"[pleo]\n{COMPANY}page_size = 0\n", "pleo.page_size must be greater than or equal to 1"),
        (f"[pleo]\n{COMPANY}read_timeout_s = inf\n", "pleo.read_timeout_s must be a finite number"),
        (f'[pleo]\n{COMPANY}[books]\nposting = "final"\n', "books.posting must be 'draft' or 'posted'"),
        ("x = " + "[" * 5000, "is not valid TOML: nested too deep, or a number is too long"),
        ("x = " + "9" * 5000, "is not valid TOML: nested too deep, or a number is too long"),
        ("x = '\udcff'", "is not valid TOML: byte 6 is no UTF-8 text"),
    ],
)
def test_each_mistake_has_a_sentence_for_people(tmp_path: Path, text: str, sentence: str) -> None:
    """It says how it is written rightly, in the words of TOML and not of Python."""
    path = tmp_path / "tallybook.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingsError) as caught:
        settings.load(path, {})
    assert any(problem.endswith(sentence) for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("path", ["~nobody-of-that-name/key", "a\\u0000b", "none"])
def test_a_key_file_that_no_machine_has_is_said(tmp_path: Path, path: str) -> None:
    """Whatever the path is, the error is a sentence that names the setting."""
    file = tmp_path / "tallybook.toml"
    file.write_text(f'[pleo]\n{COMPANY}api_key_file = "{path}"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"pleo.api_key_file: the file .* cannot be read"):
        settings.load(file, {}).pleo.secret()
