"""Pages: cursors, offsets, limits and sorting."""

import re
from typing import Any

import pytest


def page(pleo: Any, path: str, **params: Any) -> Any:
    return pleo.ok(pleo.http.get(path, params=params))


def entries(found: Any) -> list[str]:
    return [element["accountingEntryId"] for element in found["data"]]


@pytest.fixture
def seven(pleo: Any) -> tuple[Any, list[str], dict[str, str]]:
    """A job of seven entries, and the two paths that list them."""
    job_id, ids = pleo.job_of(7)
    return pleo, ids, {"items": f"/v3/export-jobs/{job_id}/items", "documents": "/v3/export-items"}


@pytest.mark.parametrize("layer", ["items", "documents"])
def test_after_goes_forward_to_the_end_and_before_all_the_way_back(seven: Any, layer: str) -> None:
    """Taking endCursor as `after` and startCursor as `before` visits every record once, in order, both ways."""
    pleo, ids, paths = seven
    found = page(pleo, paths[layer], limit=3)
    seen = [entries(found)]
    assert found["pagination"]["hasPreviousPage"] is False
    while found["pagination"]["hasNextPage"]:
        found = page(pleo, paths[layer], limit=3, after=found["pagination"]["endCursor"])
        assert found["pagination"]["hasPreviousPage"] is True
        seen.append(entries(found))
    assert seen == [ids[:3], ids[3:6], ids[6:]]
    back = [seen[-1]]
    while found["pagination"]["hasPreviousPage"]:
        found = page(pleo, paths[layer], limit=3, before=found["pagination"]["startCursor"])
        assert found["pagination"]["hasNextPage"] is True
        back.append(entries(found))
    assert back == [ids[6:], ids[3:6], ids[:3]]


def test_cursors_keep_to_the_published_alphabet(seven: Any) -> None:
    """Cursors match ^[A-Z2-7=~]+$."""
    pleo, _, paths = seven
    for path in (*paths.values(), "/v3/export-jobs"):
        pagination = page(pleo, path, limit=1)["pagination"]
        for name in ("startCursor", "endCursor"):
            assert re.fullmatch(r"[A-Z2-7=~]+", pagination[name])


def test_echo_tells_the_paging_that_was_applied(seven: Any) -> None:
    """The member currentRequestPagination repeats what was asked, with the limit in force."""
    pleo, _, paths = seven
    params = {"offset": 2, "limit": 100_000, "sorting_keys": "status", "sorting_order": "DESC", "status": "pending"}
    pagination = page(pleo, paths["items"], **params)["pagination"]
    assert pagination["currentRequestPagination"] == {
        "offset": 2,
        "limit": 500,
        "sortingKeys": ["status"],
        "sortingOrder": ["DESC"],
        "parameters": {"status": ["pending"]},
    }
    assert pagination["total"] == 7


def test_page_has_hundred_records_when_no_limit_is_asked(pleo: Any) -> None:
    """100 is the size chosen for a page without a limit."""
    pleo.job_of(101)
    found = page(pleo, "/v3/export-items")
    assert len(found["data"]) == 100
    assert found["pagination"]["hasNextPage"] is True


def test_limit_zero_is_legal(seven: Any) -> None:
    """A page of no records tells only whether there are any."""
    pleo, _, paths = seven
    pagination = page(pleo, paths["items"], limit=0)["pagination"]
    assert pagination["hasNextPage"] is True
    assert pagination["total"] == 7
    assert "endCursor" not in pagination


def test_offset_skips(seven: Any) -> None:
    """An offset passes over records; past the end the page is empty."""
    pleo, ids, paths = seven
    found = page(pleo, paths["items"], offset=5, limit=5)
    assert entries(found) == ids[5:]
    assert (found["pagination"]["hasPreviousPage"], found["pagination"]["hasNextPage"]) == (True, False)
    assert page(pleo, paths["items"], offset=2**63 - 1)["data"] == []


@pytest.mark.parametrize(
    "params",
    [
        {"after": "A", "before": "A"},
        {"after": "A", "offset": 0},
        {"before": "A", "offset": 1},
        {"after": "lower"},
        {"after": ""},
        {"after": "ABCDEFGH"},
        {"limit": -1},
        {"limit": "ten"},
        {"limit": "1.0"},
        {"limit": " 1"},
        {"limit": "٣"},
        {"limit": 2**31},
        {"offset": -1},
        {"offset": 2**63},
        {"sorting_keys": "status"},
        {"sorting_order": "ASC"},
        {"sorting_keys": ["status", "exportedAt"], "sorting_order": "ASC"},
        {"sorting_keys": ["status", "status"], "sorting_order": ["ASC", "ASC"]},
        {"sorting_keys": "colour", "sorting_order": "ASC"},
        {"sorting_keys": "status", "sorting_order": "UP"},
    ],
)
def test_paging_that_makes_no_sense_is_a_400(seven: Any, params: dict[str, Any]) -> None:
    """Malformed or contradictory paging is refused, in Pleo's shape."""
    pleo, _, paths = seven
    answer = pleo.http.get(paths["items"], params=params)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"type", "message"}


def test_cursor_of_another_list_or_sorting_is_a_400(seven: Any) -> None:
    """A cursor is good for the list and order it came from."""
    pleo, _, paths = seven
    cursor = page(pleo, paths["items"], limit=1)["pagination"]["endCursor"]
    for path, params in (
        (paths["documents"], {}),
        (paths["items"], {"sorting_keys": "status", "sorting_order": "ASC"}),
    ):
        answer = pleo.http.get(path, params={"after": cursor} | params)
        assert (answer.status_code, answer.json()["type"]) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ASC", ["a", "b", None, None]),
        ("ASC_NULLS_FIRST", [None, None, "a", "b"]),
        ("ASC_NULLS_LAST", ["a", "b", None, None]),
        ("DESC", [None, None, "b", "a"]),
        ("DESC_NULLS_FIRST", [None, None, "b", "a"]),
        ("DESC_NULLS_LAST", ["b", "a", None, None]),
    ],
)
def test_each_order_places_values_and_nulls_also_across_pages(pleo: Any, order: str, expected: list[Any]) -> None:
    """Sorted by exportedAt, one record a page, each of the six orders puts values and nulls in their place."""
    job_id, ids = pleo.started_job_of(4)
    moments = {"a": "2026-01-01T00:00:00Z", "b": "2026-02-01T00:00:00Z", None: None}
    for entry, name in ((ids[1], "b"), (ids[3], "a")):
        pleo.update(job_id, {"accountingEntryId": entry, "status": "successful", "exportedAt": moments[name]})
    params: dict[str, Any] = {"limit": 1, "sorting_keys": "exportedAt", "sorting_order": order}
    seen = []
    while True:
        found = page(pleo, f"/v3/export-jobs/{job_id}/items", **params)
        seen += [item["exportedAt"] for item in found["data"]]
        if not found["pagination"]["hasNextPage"]:
            break
        params["after"] = found["pagination"]["endCursor"]
    assert seen == [moments[name] for name in expected]


def test_several_keys_sort_one_after_the_other(pleo: Any) -> None:
    """The second key decides among equals of the first."""
    pleo.add(
        {"type": "fee", "date": "2026-01-02T00:00:00Z"},
        {"type": "invoice"},
        {"type": "fee", "date": "2026-01-01T00:00:00Z"},
    )
    pleo.export()
    params = {"sorting_keys": ["type", "date"], "sorting_order": ["DESC", "ASC"]}
    found = page(pleo, "/v3/export-items", **params)["data"]
    assert [(item["type"], item["date"][:10]) for item in found[1:]] == [("fee", "2026-01-01"), ("fee", "2026-01-02")]


def test_page_goes_on_rightly_when_records_change_meanwhile(pleo: Any) -> None:
    """Items updated between two pages of a filtered list are neither skipped nor repeated."""
    job_id, ids = pleo.started_job_of(6)
    params = {"status": "pending", "limit": 2}
    first = page(pleo, f"/v3/export-jobs/{job_id}/items", **params)
    for entry in entries(first):
        pleo.update(job_id, {"accountingEntryId": entry, "status": "successful"})
    second = page(pleo, f"/v3/export-jobs/{job_id}/items", **params, after=first["pagination"]["endCursor"])
    assert entries(second) == ids[2:4]
