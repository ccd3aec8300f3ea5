import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def without_chance(text: str) -> str:
    """Ports and seconds differ from run to run; nothing else does."""
    return re.sub(r"\d+\.\d s", "N s", re.sub(r"(127\.0\.0\.1:|--port )\d+", r"\1PORT", text)).strip()


def test_the_demos_output_in_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    """The same seed makes the same company, so only port and seconds may differ."""
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    demo = subprocess.run(
        [sys.executable, "-m", "tallybook", "demo"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert without_chance(demo.stdout) == without_chance(shown[1])
