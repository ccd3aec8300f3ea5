"""Webhooks in the server, and several companies in one."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import tomli_w

from tallybook import settings
from tests.engine.test_killed import exactly_once
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve, Served


def subscribed(stage: Stage, served: Served) -> str:
    """Subscribe the server at the company's Pleo; returns the secret."""
    key = stage.place.key.read_text(encoding="utf-8").strip()
    body = {"endpointUrl": f"{served.address}/webhooks/pleo", "eventTypes": ["v1.export-job.created"]}
    made = stage.http.post("/v1/subscriptions", json=body, auth=(key, "")).json()["data"]
    shown = stage.http.get(f"/v1/subscriptions/{made['id']}/secret", auth=(key, "")).json()["data"]
    return str(shown["secretKey"])


def port_kept(served: Served) -> str:
    return served.address.removeprefix("http://")


def restarted(stage: Stage, serve: Serve, url: str) -> Served:
    """A server on a known port, restarted with the secret of a subscription to that port."""
    first = serve(stage.place.config, database_url=url)
    secret = subscribed(stage, first)
    first.worker.kill()
    return serve(
        stage.place.config,
        database_url=url,
        TALLYBOOK_SERVE_LISTEN=port_kept(first),
        TALLYBOOK_WEBHOOKS_SECRET=secret,
    )


def test_a_notification_of_pleos_makes_the_server_export_at_once(stage: Stage, serve: Serve, tmp_path: Path) -> None:
    """Also one that comes twice and one that comes again after a restart: one run, and the id is kept."""
    url = f"sqlite:///{tmp_path}/hooks.sqlite"
    stage.found(3)
    served = restarted(stage, serve, url)
    stage.call("POST", "/webhooks/faults", {"kind": "duplicate"})
    job = stage.press_export(vendor_based=True)
    assert served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"
    deliveries = stage.call("GET", "/webhooks/deliveries?settled=true")["data"]
    assert {attempt["status"] for each in deliveries for attempt in each["attempts"]} == {202}
    with closing(sqlite3.connect(tmp_path / "hooks.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM webhook_id").fetchone() == (1,)
        runs = database.execute("SELECT count(*) FROM workflow_status").fetchone()
    assert runs == (1,)
    assert served.metric('tallybook_webhooks_total{result="taken"}') == 1


def test_run_exports_by_itself_beside_an_idle_worker(stage: Stage, serve: Serve, shared_url: str) -> None:
    """On PostgreSQL, where nobody is exporting for the company: the worker finds the job done."""
    worker = serve(stage.place.config, database_url=shared_url).worker
    stage.found(3)
    job = stage.press_export(vendor_based=True)
    ran = subprocess.run(
        [sys.executable, "-m", "tallybook", "run", "--json", "-c", stage.place.config],
        env={**os.environ, "TALLYBOOK_DATABASE_URL": shared_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert job in ran.stdout
    worker.stop()
    assert worker.events("job_enqueued") == []
    exactly_once(stage, 3)


def test_without_a_secret_no_notification_is_heard(idle: Served) -> None:
    """The path is not there: nothing could be believed."""
    assert idle.post("/webhooks/pleo", content=b"{}").status_code == 404


def test_a_company_whose_credential_is_refused_keeps_no_other_from_its_export(
    stages: Callable[[], Stage], tmp_path: Path
) -> None:
    """With --once: the others are exported, then the refusal is told, with exit code 1."""
    made = [stages(), stages()]
    for seed, stage in enumerate(made, start=1):
        stage.found(2, seed=seed)
    job = made[1].press_export(vendor_based=True)
    file = together(made, tmp_path)
    refused = {**os.environ, "TALLYBOOK_DATABASE_URL": f"sqlite:///{tmp_path}/once.sqlite"}
    Path(made[0].settings().pleo.api_key_file or "").write_text("not-the-key", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "tallybook", "serve", "--once", "-c", file],
        env=refused,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert made[1].job(job)["status"] == "completed", ran.stderr


def test_a_company_whose_settings_are_wrong_hides_nothing_of_the_other_ones_export(
    stages: Callable[[], Stage], tmp_path: Path
) -> None:
    """`tallybook run` shows the first company's job, says what is wrong with the second, and ends with 2."""
    made = [stages(), stages()]
    for seed, stage in enumerate(made, start=1):
        stage.found(2, seed=seed)
    job = made[0].press_export(vendor_based=True)
    file = together(made, tmp_path)
    made[1].place.key.unlink()
    ran = subprocess.run(
        [sys.executable, "-m", "tallybook", "run", "-c", file], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, job[:8] in ran.stdout) == (2, True), ran.stdout + ran.stderr
    assert "company company-1: " in ran.stderr
    assert made[0].job(job)["status"] == "completed"


def together(stages: list[Stage], folder: Path) -> Path:
    """One settings file for several companies of several Pleos."""
    entries = []
    for number, stage in enumerate(stages):
        table = settings.load(stage.place.config, {}).model_dump(mode="json", exclude_none=True)
        pleo = table["pleo"] | {"company_name": f"company-{number}"}
        entries.append({"pleo": pleo, "accounts": table["accounts"], "books": table["books"]})
    file = folder / "together.toml"
    file.write_text(tomli_w.dumps({"serve": {"poll_every_s": 3600}, "companies": entries}), encoding="utf-8")
    return file


def test_several_companies_are_served_from_one_file(stages: Callable[[], Stage], serve: Serve, tmp_path: Path) -> None:
    """Each looks at its own Pleo with its own key, into its own book; one may be asked for alone, by name."""
    made = [stages(), stages()]
    for seed, stage in enumerate(made, start=1):
        stage.found(4, seed=seed)
    served = serve(together(made, tmp_path))
    jobs = [stage.press_export(vendor_based=True) for stage in made]
    answer = served.post("/run", token=TOKEN, json={"company": "company-1"})
    assert answer.json() == {"looking": [made[1].settings().pleo.company_id.lower()]}
    served.worker.wait_for("job_ended", job_id=jobs[1])
    assert made[0].job(jobs[0])["status"] == "pending"
    served.post("/run", token=TOKEN)
    served.worker.wait_for("job_ended", job_id=jobs[0])
    assert [len(stage.booked()) for stage in made] == [4, 4]
