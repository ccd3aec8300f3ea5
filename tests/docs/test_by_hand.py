import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sandbox.md"


def test_an_export_by_hand_goes_as_the_page_shows(tmp_path: Path) -> None:
    """The page's own lines, on a free port: one content page read, one update and two events taken."""
    shown = re.search(r"## By hand.*?```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    lines = shown[1].replace("sandbox serve", "sandbox serve --port 0")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"externalId":"JE-10045"' in told.stdout
    assert '"errors":[]' in told.stdout
    assert '"message":' not in told.stdout  # as every error of Pleo's has
    assert (
        '{"GET /v3/export-items":1,"POST /v3/export-job-events":2,"PUT /v3/export-jobs/{jobId}/items":1}' in told.stdout
    )
    assert told.stderr == ""
