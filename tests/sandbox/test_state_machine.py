"""Legal and illegal moves in any order, against a model of a dozen lines that shares nothing with the sandbox."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

EVENTS = ["started", "completed", "completed_with_errors", "failed"]
STATUSES = ["pending", "in_progress", "successful", "failed", "abandoned"]
LEGAL = {
    "pending": {"started": "in_progress", "failed": "failed"},
    "in_progress": {"completed": "completed", "completed_with_errors": "completed_with_errors", "failed": "failed"},
}
ENDED = {"successful", "failed", "abandoned"}
ENTRIES = 3


class Moves(RuleBasedStateMachine):
    """The sandbox, and beside it what the model says of one job and its entries."""

    pleo: Any

    @initialize()
    def begin(self) -> None:
        self.pleo.found()
        self.entries = self.pleo.add(*[{}] * ENTRIES)
        self.lanes = dict.fromkeys(self.entries, "unexported")
        self.job = ""
        self.status = "none"
        self.items: dict[str, str] = {}
        self.idle_s = 0

    @rule(chosen=st.sets(st.integers(0, ENTRIES - 1)))
    def create(self, chosen: set[int]) -> None:
        ids = [self.entries[number] for number in sorted(chosen)]
        body = {"companyId": self.pleo.company_id, "accountingEntryIds": ids}
        answer = self.pleo.http.post("/v3/export-jobs", json=body)
        if self.status in LEGAL:
            assert answer.status_code == 409
            return
        assert answer.status_code == 201
        self.job, self.status, self.idle_s = answer.json()["data"]["id"], "pending", 0
        self.items = dict.fromkeys(ids, "pending")
        self.lanes |= dict.fromkeys(ids, "queue")

    @rule(event=st.sampled_from(EVENTS))
    def event(self, event: str) -> None:
        if not self.job:
            return
        answer = self.pleo.event(self.job, event)
        following = LEGAL.get(self.status, {}).get(event)
        assert answer.status_code == (202 if following else 422)
        if following:
            self.status, self.idle_s = following, 0
            self.settle()

    @rule(number=st.integers(0, ENTRIES - 1), status=st.sampled_from(STATUSES))
    def update(self, number: int, status: str) -> None:
        if not self.job:
            return
        entry = self.entries[number]
        answer = self.pleo.update(self.job, {"accountingEntryId": entry, "status": status})
        if self.status != "in_progress":
            assert answer.status_code == 422
            return
        present = self.items.get(entry)
        taken = present is not None and (present not in ENDED or present == status)
        assert answer.status_code == 200
        assert (len(answer.json()["data"]), len(answer.json()["errors"])) == ((1, 0) if taken else (0, 1))
        if taken:
            self.items[entry], self.idle_s = status, 0

    @rule(seconds=st.sampled_from([100, 1700, 3500, 4000]))
    def wait(self, seconds: int) -> None:
        self.pleo.advance(seconds)
        self.idle_s += seconds
        if self.status in LEGAL and self.idle_s >= 3590:  # none of the sums falls into the last ten seconds
            self.status = "failed"
            self.settle()

    @rule()
    def read_content(self) -> None:
        if not self.job:
            return
        answer = self.pleo.http.get("/v3/export-items", params={"job_id": self.job})
        assert answer.status_code == (200 if self.status in LEGAL else 422)
        if answer.is_success:
            assert {document["accountingEntryId"] for document in answer.json()["data"]} == set(self.items)

    def settle(self) -> None:
        if self.status in LEGAL:
            return
        for entry, status in self.items.items():
            self.items[entry] = status if status in ENDED else "abandoned"
            self.lanes[entry] = "exported" if status == "successful" else "unexported"

    @invariant()
    def agrees(self) -> None:
        if self.job:
            assert self.pleo.job(self.job)["status"] == self.status
            assert {entry: item["status"] for entry, item in self.pleo.items(self.job).items()} == self.items
        states = self.pleo.ok(self.pleo.http.get("/_sandbox/expenses"))["data"]
        assert {state["id"]: state["lane"] for state in states} == self.lanes


def test_sandbox_agrees_with_the_model(pleo: Any) -> None:
    """After any moves, status codes, jobs, items and lanes are what the model says."""
    run_state_machine_as_test(
        type("MovesHere", (Moves,), {"pleo": pleo}),
        settings=settings(
            max_examples=40,
            derandomize=True,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
