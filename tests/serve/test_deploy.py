"""The files in examples/deploy, as far as they can be read without Docker and without being root."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tallybook import settings

DEPLOY = Path(__file__).resolve().parents[2] / "examples" / "deploy"
HARDENING = {
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "DynamicUser=yes",
    "CapabilityBoundingSet=",
}


def unit() -> list[str]:
    return (DEPLOY / "tallybook.service").read_text(encoding="utf-8").splitlines()


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """No unknown line, no wrong value; the program's path is replaced by one that is there."""
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("systemd-analyze is not installed here")
    text = "\n".join(unit()).replace("/opt/tallybook/bin/tallybook", "/bin/true")
    (tmp_path / "tallybook.service").write_text(text, encoding="utf-8")
    told = subprocess.run(
        [verifier, "verify", "--man=no", tmp_path / "tallybook.service"], capture_output=True, text=True, check=False
    )
    assert "tallybook.service" not in told.stderr
    assert told.returncode == 0, told.stderr


def test_the_unit_is_hardened_and_has_its_secrets_from_credentials() -> None:
    """Every secret it loads is named by a setting, and the other way round."""
    lines = unit()
    assert set(lines) >= HARDENING
    loaded = {line.partition("=")[2].partition(":")[0] for line in lines if line.startswith("LoadCredential=")}
    used = set(re.findall(r"=%d/([a-z-]+)$", "\n".join(lines), re.MULTILINE))
    assert loaded == used != set()


def variables() -> set[str]:
    files = [path for path in DEPLOY.iterdir() if path.name != "README.md"]
    found = {name for path in files for name in re.findall(r"TALLYBOOK_[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert len(found) > 4
    return found


def test_every_variable_in_the_files_is_a_setting() -> None:
    """A setting that is renamed is not forgotten here."""
    known = {settings.variable_name(path) for path in settings.known_paths()}
    assert variables() <= known


def test_two_workers_share_one_postgresql_and_stop_in_time() -> None:
    """Without root's rights, with time to stop, and told by files what is secret."""
    file = compose()
    workers = [file["services"][name] for name in ("worker-1", "worker-2")]
    for worker in workers:
        assert worker["environment"]["TALLYBOOK_DATABASE_URL"].startswith("postgresql://tallybook@postgres/")
        assert worker["restart"] == "always"
        assert int(worker["stop_grace_period"].removesuffix("s")) > 10
        assert worker["cap_drop"] == ["ALL"]
        assert worker["read_only"] is True
        assert set(worker["secrets"]) <= set(file["secrets"])
        named = {value.rpartition("/")[2] for value in worker["environment"].values() if "/run/secrets/" in value}
        assert named == set(worker["secrets"])
    assert {worker["ports"][0].rpartition(":")[0] for worker in workers} == {"127.0.0.1:8484", "127.0.0.1:8485"}


def test_the_image_runs_as_nobody_in_particular_and_can_be_asked_for_its_health() -> None:
    """What comes after the last FROM: a user, a health check of a path that is there, a signal we obey."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!0|root)\d+:\d+$", last, re.MULTILINE)
    assert "/healthz" in last
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)
    assert not re.search(r"(?i)(key|token|password|secret)\s*=", text)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert all((DEPLOY.parents[1] / name).exists() for line in copied for name in line.split())


def test_the_settings_are_read_without_a_complaint() -> None:
    """As they stand in the folder, with the variables of the unit."""
    read = settings.load(DEPLOY / "tallybook.toml", {"TALLYBOOK_PLEO_API_KEY": "key"})
    assert read.accounts.wallet == "5820"
