"""Undoing what waits for import files: an entry and its reversal go together or not at all."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_import_files import handed_over, hands_over
from tests.flow.undoing import killed, looked, rows, undone

pytestmark = pytest.mark.long

WRITTEN = ["after reverse", "after note", "before post", "after post", "before settle", "after settle"]


def waiting(stage: Stage) -> tuple[str, Path]:
    """An entry whose export was killed before it was handed over, and where import files go."""
    (entry,) = stage.add({})
    into = hands_over(stage)
    stage.press_export()
    killed(stage, "before finish")
    assert handed_over(into) == {}
    return entry, into


def hand_over_by_hand(stage: Stage) -> None:
    ended = Command(stage.folder)("csv", "export", "--config", stage.folder / "changed.toml")
    assert ended.code == 0, ended.told


def test_what_was_handed_over_in_import_files_is_left_alone(stage: Stage) -> None:
    """It is named in which files it went."""
    (entry,) = stage.add({})
    hands_over(stage)
    (report,) = stage.run(stage.press_export())
    assert "handed over in the csv files number 1" in (looked(stage, report.job_id)[entry].refusal or "")


def test_what_waits_is_undone_and_both_are_handed_over(stage: Stage) -> None:
    """In one set, which comes to nothing."""
    entry, into = waiting(stage)
    assert undone(stage, entry)[entry].problem is None
    stage.run()
    (manifest,) = [json.loads(path.read_bytes()) for path in into.glob("*/manifest.json")]
    assert len(manifest["entries"]) == 2


@pytest.mark.parametrize("point", ["before claim", "after claim"])
def test_killed_before_the_reversal_is_written_the_entry_is_handed_over(stage: Stage, point: str) -> None:
    """And is left alone from then on: it was read in elsewhere."""
    entry, into = waiting(stage)
    killed(stage, point, entry)
    stage.run()
    assert handed_over(into) == Counter([entry])
    assert "handed over in the csv files" in (undone(stage, entry)[entry].problem or "")
    assert len(rows(stage)) == 1


@pytest.mark.parametrize("point", WRITTEN)
def test_killed_with_the_reversal_written_no_set_carries_one_without_the_other(stage: Stage, point: str) -> None:
    """Whoever hands over next finds the pair or nothing; undone again, each is in one set."""
    entry, into = waiting(stage)
    killed(stage, point, entry)
    stage.run()
    hand_over_by_hand(stage)
    assert len(handed_over(into)) == (2 if point == "after settle" else 0)
    assert undone(stage, entry)[entry].problem is None
    hand_over_by_hand(stage)
    assert sorted(handed_over(into).values()) == [1, 1]
    assert [state for state, _ in rows(stage)] == ["posted", "posted"]


@pytest.mark.parametrize("point", WRITTEN)
def test_killed_and_exported_again_instead_all_three_are_handed_over(stage: Stage, point: str) -> None:
    """What is booked in place of the entry takes both along."""
    entry, into = waiting(stage)
    killed(stage, point, entry)
    stage.run()
    stage.run(stage.call("POST", "/exports", {"entryIds": [entry]})["id"])
    assert sorted(handed_over(into).values()) == [1, 1, 1]
