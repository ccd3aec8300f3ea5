"""The address the browser comes back to: it takes one answer, the right one, from anybody on this machine."""

import asyncio
import socket
from contextlib import suppress

import httpx
import pytest

from tallybook.credentials.loopback import Listener, listening
from tallybook.errors import SettingsError

STATE = "s" * 64


async def asked(listener: Listener, query: str, path: str = "/callback", method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(method, listener.redirect_uri.replace("/callback", path) + query)


async def test_the_answer_is_the_address_the_browser_came_with() -> None:
    """On a free port, and the page does not repeat what it was told."""
    async with listening("http://127.0.0.1/callback") as listener:
        assert listener.redirect_uri.startswith("http://127.0.0.1:")
        waiting = asyncio.create_task(listener.answer(STATE, 30))
        page = await asked(listener, f"?code=c0de&state={STATE}")
        assert page.status_code == 200
        assert "c0de" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert await waiting == f"{listener.redirect_uri}?code=c0de&state={STATE}"


async def test_what_is_no_answer_does_not_end_the_wait() -> None:
    """A wrong or missing state, another path or method, two states, and bytes that are no request."""
    async with listening("http://127.0.0.1/callback") as listener:
        waiting = asyncio.create_task(listener.answer(STATE, 30))
        statuses = [
            (await asked(listener, query, path, method)).status_code
            for query, path, method in (
                ("?code=c&state=other", "/callback", "GET"),
                ("?code=c", "/callback", "GET"),
                (f"?code=c&state=x&state={STATE}", "/callback", "GET"),
                (f"?code=c&state={STATE}", "/favicon.ico", "GET"),
                (f"?code=c&state={STATE}", "/callback", "POST"),
            )
        ]
        assert statuses == [400, 400, 400, 404, 405]
        for noise in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET /callback?\xff HTTP/1.1\r\n\r\n", b"a" * 100_000):
            port = int(listener.redirect_uri.split(":")[2].split("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            with suppress(ConnectionError):  # closed with or without a reset: both are an end
                assert await reader.read() == b""
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        assert not waiting.done()
        await asked(listener, f"?error=access_denied&state={STATE}")
        assert "access_denied" in await waiting


async def test_nobody_comes() -> None:
    """The wait ends by itself, and the port is free again."""
    async with listening("http://127.0.0.1/callback") as listener:
        with pytest.raises(TimeoutError):
            await listener.answer(STATE, 0.01)
        port = int(listener.redirect_uri.split(":")[2].split("/")[0])
    async with listening(f"http://127.0.0.1:{port}/callback") as again:
        assert again.redirect_uri == f"http://127.0.0.1:{port}/callback"


@pytest.mark.parametrize(
    "address", ["https://tallybook.example/callback", "http://localhost/callback", "http://127.0.0.1:99999/callback"]
)
async def test_an_address_elsewhere_needs_paste(address: str) -> None:
    """The sentence says how to go on."""
    with pytest.raises(SettingsError, match="--paste"):
        async with listening(address):
            pass


async def test_a_port_that_is_taken_is_named() -> None:
    """Where the registered address has one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} cannot be listened on"):
            async with listening(f"http://127.0.0.1:{port}/callback"):
                pass
