"""Pausing a company: no export job of it is started, by any worker and by nobody's command, until it is resumed."""

import getpass
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.console.conftest import Browser
from tests.engine.conftest import stored
from tests.engine.test_killed import exactly_once
from tests.engine.test_workers import all_ended
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve, Served


def path_of(stage: Stage) -> str:
    return f"/companies/{stage.settings().pleo.company_id.lower()}"


def tallybook(stage: Stage, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside the server."""
    return subprocess.run(
        [sys.executable, "-m", "tallybook", *arguments, "-c", stage.place.config],
        env={**os.environ, "TALLYBOOK_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def paused_metric(served: Served, stage: Stage) -> float:
    return served.metric(f'tallybook_paused{{company="{stage.settings().pleo.company_id.lower()}"}}')


def test_a_paused_companys_jobs_wait_at_pleo_until_it_is_resumed(stage: Stage, serve: Serve, url: str) -> None:
    """Whatever asks: button, POST /run and `tallybook run`; log, metrics and `tallybook jobs` say so; then it runs."""
    stage.found(3)
    served = serve(stage.place.config, database_url=url)
    with Browser(served) as browser:
        paused = browser.fill_in(f"{path_of(stage)}/pause")
        assert "Paused" in paused.text
        assert "operator at this machine" in paused.text
        job = stage.press_export(vendor_based=True)
        browser.fill_in(f"{path_of(stage)}/look")
        assert served.worker.wait_for("company_paused")["jobs_waiting"] == 1
        assert paused_metric(served, stage) == 1
        served.post("/run", token=TOKEN)
        served.worker.wait_for("company_paused")
        listed = tallybook(stage, url, "jobs", "--json")
        assert (listed.returncode, "Paused since" in listed.stderr, job in listed.stdout) == (0, True, True)
        assert stage.job(job)["status"] == "pending"
        assert [call for call in stage.journal() if call["method"] != "GET" and call["path"].startswith("/v3")] == []
        browser.fill_in(f"{path_of(stage)}/resume")
        assert served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"
        assert paused_metric(served, stage) == 0
    exactly_once(stage, 3)
    log = stored(url, "SELECT who, action, result FROM console_audit ORDER BY id")
    assert [str(action) for _, action, _ in log] == ["paused the company", "looked for jobs", "resumed the company"]
    assert {(who, result) for who, _, result in log} == {("operator at this machine", "done")}


def test_a_pause_counts_for_every_worker(stage: Stage, serve: Serve, shared_url: str) -> None:
    """On PostgreSQL: said to one worker, kept by the other; and both know who is logged in at either."""
    stage.found(3)
    one, other = (serve(stage.place.config, database_url=shared_url) for _ in range(2))
    with Browser(one) as browser:
        browser.fill_in(f"{path_of(stage)}/pause")
    job = stage.press_export(vendor_based=True)
    with Browser(other) as browser:
        assert "Paused" in browser.get("/companies").text
        browser.fill_in(f"{path_of(stage)}/look")
        other.worker.wait_for("company_paused")
        assert stage.job(job)["status"] == "pending"
        browser.fill_in(f"{path_of(stage)}/resume")
    all_ended([stage])  # whichever of the two took it
    exactly_once(stage, 3)


def test_a_job_that_was_begun_goes_on_to_its_end_and_the_next_one_waits(stage: Stage, serve: Serve) -> None:
    """Otherwise Pleo would let it expire half done."""
    stage.found(4)
    served = serve(stage.place.config)
    stage.call("POST", "/latency", {"ms": 300})
    first = stage.press_export(vendor_based=True)
    with Browser(served) as browser:
        token = browser.token("/companies")
        browser.post(f"{path_of(stage)}/look", data={"form_token": token})
        served.worker.wait_for("job_enqueued", job_id=first)
        while stage.job(first)["status"] == "pending":
            pass
        browser.post(f"{path_of(stage)}/pause", data={"form_token": token})
        assert stage.job(first)["status"] == "in_progress"
        stage.call("POST", "/latency", {"ms": 0})
        assert served.worker.wait_for("job_ended", job_id=first)["outcome"] == "completed"
        stage.add({})
        second = stage.press_export(vendor_based=True)
        browser.post(f"{path_of(stage)}/look", data={"form_token": token})
        served.worker.wait_for("company_paused")
        assert stage.job(second)["status"] == "pending"
        assert stage.events() == ["started", "completed"]


def test_a_job_that_a_pause_held_back_is_taken_up_without_a_warning(stage: Stage, serve: Serve) -> None:
    """Its run was there already and ended with the pause: nothing to worry about, and it goes on as soon as it may."""
    stage.add({})
    served = serve(stage.place.config)
    stage.call("POST", "/faults", {"operation": "getExportJobByIdV3", "kind": "status", "status": 403, "times": 1000})
    job = stage.press_export(vendor_based=True)
    with Browser(served) as browser:
        browser.fill_in(f"{path_of(stage)}/look")
        served.worker.wait_for("step_interrupted")
        browser.fill_in(f"{path_of(stage)}/pause")
        stage.call("DELETE", "/faults")
    held = served.worker.wait_for("job_ended", job_id=job)
    assert (held["outcome"], "paused" in held["note"]) == (None, True)
    with Browser(served) as browser:  # its connection would be cut after the seconds that this took
        browser.fill_in(f"{path_of(stage)}/resume")
        served.worker.wait_for("job_no_longer_held", job_id=job)
        served.worker.wait_for("job_ended", job_id=job, outcome="completed")
    assert served.worker.events("job_without_end") == []


def test_run_by_hand_leaves_a_paused_companys_jobs_alone(stage: Stage, tmp_path: Path) -> None:
    """With the reason, and exit code 1; `tallybook pause` and `resume` are the console's buttons."""
    url = f"sqlite:///{tmp_path}/by-hand.sqlite"
    assert tallybook(stage, url, "run").returncode == 0
    assert tallybook(stage, url, "pause").stdout.endswith(" is paused\n")
    stage.add({}, {})
    job = stage.press_export(vendor_based=True)
    ran = tallybook(stage, url, "run", "--json")
    assert ran.returncode == 1
    assert "the company is paused" in ran.stdout + ran.stderr
    assert stage.job(job)["status"] == "pending"
    assert stage.events() == []
    assert tallybook(stage, url, "resume").stdout.endswith(" is resumed\n")
    with closing(sqlite3.connect(tmp_path / "by-hand.sqlite")) as database:
        log = database.execute("SELECT who, action, result FROM console_audit ORDER BY id").fetchall()
    who = f"{getpass.getuser()} on the command line"
    assert log == [(who, "paused the company", "done"), (who, "resumed the company", "done")]
