import re
from pathlib import Path

from tests.docs.terminal import ROOT, ran, surroundings

PAGE = ROOT / "docs" / "sandbox.md"


def test_an_export_by_hand_goes_as_the_page_shows(tmp_path: Path) -> None:
    """The page's own lines, on a free port: one content page read, one update and two events taken."""
    shown = re.search(r"## By hand.*?```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    lines = shown[1].replace("sandbox serve", "sandbox serve --port 0")
    told = ran(f"set -euo pipefail\n{lines}", tmp_path, surroundings())
    assert told.returncode == 0, told.stderr
    assert '"externalId":"JE-10045"' in told.stdout
    assert '"errors":[]' in told.stdout
    assert '"message":' not in told.stdout  # as every error of Pleo's has
    assert (
        '{"GET /v3/export-items":1,"POST /v3/export-job-events":2,"PUT /v3/export-jobs/{jobId}/items":1}' in told.stdout
    )
    assert told.stderr == ""
