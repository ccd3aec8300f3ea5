"""`tallybook webhooks` as a person runs it, against the sandbox."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from tallybook import settings
from tests.webhooks.conftest import Stage

URL = "https://books.example.com/webhooks/pleo"


def run(stage: Stage, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")}
    environment |= {
        "TALLYBOOK_PLEO_BASE_URL": stage.url,
        "TALLYBOOK_PLEO_COMPANY_ID": stage.company_id,
        "TALLYBOOK_PLEO_API_KEY": stage.key,
    }
    command = [sys.executable, "-m", "tallybook", "webhooks", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_subscribing_twice_makes_one_subscription(stage: Stage, tmp_path: Path) -> None:
    """The second time it is found; `list` shows it, `remove` removes it."""
    first, second = (run(stage, "subscribe", URL, folder=tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    (subscription,) = (each["id"] for each in stage.call("GET", "/v1/subscriptions")["data"])
    assert first.stdout.startswith(f"Created subscription {subscription} to {URL}\n")
    assert second.stdout.startswith(f"There is already subscription {subscription} to {URL}\n")
    listed = run(stage, "list", folder=tmp_path).stdout
    for part in (subscription, "ACTIVE", "v1.export-job.created", URL):
        assert part in listed
    assert "whsec_" not in first.stdout + second.stdout + listed
    assert run(stage, "remove", subscription, folder=tmp_path).stdout == f"Removed subscription {subscription}\n"
    assert run(stage, "list", folder=tmp_path).stdout == "Pleo has no webhook subscriptions.\n"
    gone = run(stage, "remove", subscription, folder=tmp_path)
    assert gone.returncode == 1
    assert "404 SUBSCRIPTION_NOT_FOUND" in gone.stderr


def test_a_subscription_that_was_switched_off_is_left_so(stage: Stage, tmp_path: Path) -> None:
    """It is named, with what to do."""
    subscription = stage.subscribe(URL, status="INACTIVE")
    said = run(stage, "subscribe", URL, folder=tmp_path)
    assert said.returncode == 1
    assert f"tallybook webhooks remove {subscription}" in said.stderr


def test_an_address_without_https_is_refused(stage: Stage, tmp_path: Path) -> None:
    """Before anything is sent."""
    said = run(stage, "subscribe", "http://books.example.com", folder=tmp_path)
    assert (said.returncode, said.stdout) == (1, "")
    assert "https address" in said.stderr
    assert stage.call("GET", "/v1/subscriptions")["data"] == []


def test_the_secret_goes_to_stdout_or_into_a_file_for_its_owner(stage: Stage, tmp_path: Path) -> None:
    """The file is as the settings want it; one that is there already is not touched."""
    subscription = stage.subscribe(URL)
    secret = stage.secret(subscription)
    assert run(stage, "secret", subscription, folder=tmp_path).stdout == f"{secret}\n"
    path = tmp_path / "secret"
    written = run(stage, "secret", subscription, "--to", str(path), folder=tmp_path)
    assert (written.returncode, written.stdout) == (0, "")
    assert secret not in written.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    company = f'[pleo]\ncompany_id = "{stage.company_id}"\n'
    (tmp_path / "tallybook.toml").write_text(f'{company}[webhooks]\nsecret_file = "secret"\n', encoding="utf-8")
    (read,) = settings.load(tmp_path / "tallybook.toml", {}).webhooks.secrets()
    assert read.get_secret_value() == secret
    path.write_text("mine", encoding="utf-8")
    again = run(stage, "secret", subscription, "--to", str(path), folder=tmp_path)
    assert again.returncode == 1
    assert re.search(r"cannot be written to .*: File exists; name a new file", again.stderr)
    assert path.read_text(encoding="utf-8") == "mine"
