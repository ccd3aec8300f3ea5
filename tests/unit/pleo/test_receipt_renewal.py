"""New links for dead ones."""

import asyncio

import pytest

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import JobStatusUnprocessable, PleoServerFault
from tallybook.pleo.receipt_renewal import FreshLinks
from tests.unit.pleo.hostile import JOB_ID, HostileServer, entry_id, export_item, page, refuses, says

FILES = [{"url": "https://f.example/1?new", "type": "application/pdf", "size": 5}, None, {"url": "https://f.example/3"}]


def _links(client: PleoClient) -> FreshLinks:
    return FreshLinks(client, JOB_ID, after="here", page_size=7)


async def test_one_call_gives_new_links_for_all_files_of_a_page(server: HostileServer, client: PleoClient) -> None:
    """The same page is read again, once, however many ask at the same time."""
    server.will(says(page([export_item(0, files=FILES), export_item(1), {"broken": True}])))
    links = _links(client)
    found = await asyncio.gather(
        links.link(entry_id(0), 1, 5), links.link(entry_id(0), 3, None), links.link(entry_id(0), 1, None)
    )
    assert tuple(found) == ("https://f.example/1?new", "https://f.example/3", "https://f.example/1?new")
    (request,) = server.requests
    assert all(part in request.target for part in ("job_id=" + JOB_ID, "after=here", "limit=7"))


@pytest.mark.parametrize(
    ("number", "position", "size_bytes"), [(0, 1, 6), (0, 2, None), (0, 4, None), (1, 1, 5), (5, 1, 5)]
)
async def test_another_file_is_not_taken_for_the_one_that_was_planned(
    server: HostileServer, client: PleoClient, number: int, position: int, size_bytes: int | None
) -> None:
    """Of another size, in a place left empty, or of an entry that is not on the page any more: there is no new link."""
    server.will(says(page([export_item(0, files=FILES), export_item(1)])))
    assert await _links(client).link(entry_id(number), position, size_bytes) is None


async def test_a_pleo_in_trouble_is_asked_once(server: HostileServer, client: PleoClient) -> None:
    """Everybody who waits is told the same."""
    server.will(refuses(500, "INTERNAL_ERROR"))
    links = _links(client)
    asked = [links.link(entry_id(number), 1, 5) for number in range(3)]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [PleoServerFault] * 3
    assert len(server.requests) == 3  # the attempts of one call


async def test_a_job_that_is_over_is_said_so(server: HostileServer, client: PleoClient) -> None:
    """The run ends there, as it does when the page itself is refused."""
    server.will(refuses(422, "EXPORT_JOB_STATUS_UNPROCESSABLE"))
    with pytest.raises(JobStatusUnprocessable):
        await _links(client).link(entry_id(0), 1, 5)
