"""The section `[mapping]`: tables and files of codes, and everything that can be wrong with them."""

from pathlib import Path

import pytest

from tallybook import app, settings
from tallybook.errors import SettingsError

COMPANY = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"


def load(folder: Path, text: str) -> settings.Settings:
    path = folder / "tallybook.toml"
    path.write_text(f'[pleo]\ncompany_id = "{COMPANY}"\n{text}', encoding="utf-8")
    return settings.load(path, {})


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        app.code_mapping(load(folder, text))
    return caught.value.problems


def test_tables_and_files_count_together(tmp_path: Path) -> None:
    """A file beside the settings, with a byte order mark and semicolons as a spreadsheet writes it."""
    (tmp_path / "accounts.csv").write_text("\ufefffrom;to\r\n4999;3999\r\n", encoding="utf-8", newline="")
    (tmp_path / "tags.csv").write_text('group,from,to\nDepartment,100,"Sales, north"\n', encoding="utf-8")
    read = app.code_mapping(
        load(
            tmp_path,
            '[mapping]\naccounts_file = "accounts.csv"\ntags_file = "tags.csv"\n[mapping.accounts]\n5000 = "4000"\n'
            '[mapping.tags.Department]\nfootpath = "Walk"\n[mapping.tax_codes]\na_file = "b"\n',
        )
    )
    assert read.accounts == {"5000": "4000", "4999": "3999"}
    assert read.tags == {"Department": {"footpath": "Walk", "100": "Sales, north"}}
    assert read.tax_codes == {"a_file": "b"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"4999,3999\n", "must be from,to"),
        (b"", "must be from,to"),
        (b"from,to\n4999,\xff\n", "byte 14 of"),
        (b"from,to\n1,2\n1,3\n", "maps 1 again, as line 2 does; keep one"),
        (b"from,to\n\n1,2\n", "is empty; remove it"),
        (b"from,to\n,\n", "is empty; remove it"),
        (b"from,to\n1,\n", "has nothing under to"),
        (b"from,to\n,1\n", "has nothing under from"),
        (b"from,to\n1,2,3\n", "has 3 columns instead of 2"),
        (b"from,to\n1,a\x1bb\n", "has a code that is not printable"),
        (b'from,to\n1,"2\n', "is no CSV"),
    ],
)
def test_a_file_that_is_wrong_is_said_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    """With the setting, the file and, where there is one, the line."""
    (tmp_path / "accounts.csv").write_bytes(content)
    (found,) = problems(tmp_path, '[mapping]\naccounts_file = "accounts.csv"\n')
    assert found.startswith("mapping.accounts_file: ")
    assert str(tmp_path / "accounts.csv") in found
    assert said in found


def test_all_files_that_are_wrong_are_said_at_once(tmp_path: Path) -> None:
    """One that is not there, one that is a folder, and a code that stands in both places."""
    (tmp_path / "vendors.csv").write_text("from,to\n1,2\n", encoding="utf-8")
    found = problems(
        tmp_path,
        '[mapping]\naccounts_file = "none.csv"\nteams_file = "."\nvendors_file = "vendors.csv"\n'
        '[mapping.vendors]\n1 = "3"\n',
    )
    assert len(found) == 3
    assert f"mapping.accounts_file: there is no file {tmp_path / 'none.csv'}" in found
    assert "mapping.vendors maps 1 both in the settings and in its file; keep one" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mapping.accounts]\n4999 = 3999\n", 'mapping.accounts.4999 must be text in quotes, such as "1910"'),
        ('[mapping.accounts]\n4999 = ""\n', "mapping.accounts.4999: "),
        ('[mapping]\naccounts = "1"\n', "mapping.accounts must be a table of codes"),
        ('[mapping.tags]\nDepartment = "1"\n', "mapping.tags.Department must be a table of codes"),
        ('[mapping.accountss]\n1 = "2"\n', "unknown setting mapping.accountss; did you mean accounts?"),
    ],
)
def test_a_table_that_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    """By the name of the setting."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
