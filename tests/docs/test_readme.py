import re
from pathlib import Path

from tests.docs.terminal import ROOT, surroundings, typed, without_chance


def test_the_demos_output_in_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    """The same seed makes the same company, so only port and seconds may differ."""
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert without_chance(typed("tallybook demo", tmp_path, surroundings())) == without_chance(shown[1])
