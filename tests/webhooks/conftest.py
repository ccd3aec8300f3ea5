"""The stage for webhooks: a real sandbox that sends to a real receiver, each on a port of its own of 127.0.0.1."""

import asyncio
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallybook.clock import SystemClock
from tallybook.errors import TallybookError
from tallybook.pleo import auth
from tallybook.pleo.client import PleoClient
from tallybook.pleo.webhooks import SigningSecrets
from tallybook.receiver import Receiver, create_app
from tallybook.sandbox import server
from tests.webhooks.signing import SECRET

Json = dict[str, Any]


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an app in a thread; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        up = threading.Event()

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                up.set()

        running = Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])), daemon=True)
        thread.start()
        try:
            assert up.wait(10)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()


@dataclass
class Office:
    """A receiver with what reached it: the jobs it was given, and each request as it came."""

    jobs: "queue.Queue[tuple[str, str]]" = field(default_factory=queue.Queue)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    durations_s: list[float] = field(default_factory=list)
    refuse: int = 0  # so many enqueues fail from now on
    stall: int = 0  # so many enqueues never end
    secrets: list[str] = field(default_factory=list)
    url: str = ""

    async def enqueue(self, company_id: str, job_id: str) -> None:
        if self.refuse:
            self.refuse -= 1
            raise TallybookError("there is no room")
        if self.stall:
            self.stall -= 1
            await asyncio.Event().wait()
        self.jobs.put((company_id, job_id))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write down what comes and goes, and let the receiver as it is set up by now answer."""
        heard, said = bytearray(), bytearray()
        began_s = time.monotonic()
        start: Message = {}

        async def hear() -> Message:
            message = await receive()
            heard.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message  # held back: who has the status must find the request written down
                return
            said.extend(message["body"])
            self.requests.append(({k.decode(): v.decode() for k, v in scope["headers"]}, bytes(heard)))
            self.answers.append((start["status"], bytes(said)))
            self.durations_s.append(time.monotonic() - began_s)
            await send(start)
            await send(message)

        await self.app(scope, hear, say)

    def open(self, *secrets: str) -> None:
        """Begin anew with these secrets, and no id remembered."""
        self.secrets[:] = secrets
        self.app = create_app(Receiver(SigningSecrets(self.secrets), SystemClock(), self.enqueue))

    def all_jobs(self) -> list[str]:
        """The ids of all jobs it was given, in order."""
        return [job_id for _, job_id in list(self.jobs.queue)]


class Stage:
    """A sandbox and a receiver, and what a test does with both."""

    def __init__(self, address: server.SandboxAddress, office: Office) -> None:
        self.url, self.company_id, self.office = address.url, address.company_id, office
        self.key = address.api_key
        self.http = httpx.Client(
            base_url=address.url,
            headers={"authorization": f"Bearer {address.access_token}"},
            timeout=60,
            trust_env=False,
        )

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox; the answer must be good."""
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def begin(self) -> None:
        """A new, empty world, and a receiver that remembers nothing."""
        self.call("POST", "/_sandbox/worlds", {"world": "empty", "seed": 1})
        self.office.jobs, self.office.refuse, self.office.stall = queue.Queue(), 0, 0
        self.office.requests.clear()
        self.office.answers.clear()
        self.office.durations_s.clear()
        self.office.open(SECRET)

    def subscribe(self, url: str | None = None, **more: Any) -> str:
        """Subscribe at the sandbox's API and let the receiver have the secret; the subscription's id."""
        body = {
            "endpointUrl": url or f"{self.office.url}/webhooks/pleo",
            "eventTypes": ["v1.export-job.created"],
        } | more
        subscription: str = self.call("POST", "/v1/subscriptions", body)["data"]["id"]
        self.office.open(self.secret(subscription))
        return subscription

    def secret(self, subscription: str) -> str:
        """The subscription's secret."""
        secret: str = self.call("GET", f"/v1/subscriptions/{subscription}/secret")["data"]["secretKey"]
        return secret

    def fault(self, kind: str, **order: Any) -> None:
        """Order a fault of notifications."""
        self.call("POST", "/_sandbox/webhooks/faults", {"kind": kind} | order)

    def export(self) -> str:
        """Press Export on one more expense, ending the job before, if any; the job's id."""
        for job in self.call("GET", "/_sandbox/jobs")["data"]:
            if job["status"] in {"pending", "in_progress"}:
                self.call("POST", f"/_sandbox/jobs/{job['id']}/cancel")
        ids = self.call("POST", "/_sandbox/expenses", [{}])["ids"]
        job_id: str = self.call("POST", "/_sandbox/exports", {"entryIds": ids})["id"]
        return job_id

    def deliveries(self) -> list[Json]:
        """All deliveries once nothing is in the air."""
        data: list[Json] = self.call("GET", "/_sandbox/webhooks/deliveries?settled=true")["data"]
        return data

    def advance(self, seconds: int) -> None:
        """Move the sandbox's clock on."""
        self.call("POST", "/_sandbox/clock", {"advanceSeconds": seconds})

    def statuses(self) -> list[list[int | None]]:
        """What each delivery's attempts were answered."""
        return [[attempt["status"] for attempt in delivery["attempts"]] for delivery in self.deliveries()]


@pytest.fixture(scope="session")
def servers() -> Iterator[Stage]:
    """One sandbox and one receiver for all tests."""
    office = Office()
    office.open(SECRET)
    with served(office) as office.url, server.running(world="empty") as address:
        stage = Stage(address, office)
        yield stage
        stage.http.close()


@pytest.fixture
def stage(servers: Stage) -> Stage:
    """A new world and a receiver without memory."""
    servers.begin()
    return servers


@pytest.fixture
async def pleo(stage: Stage) -> AsyncIterator[PleoClient]:
    """A client of the sandbox."""
    async with PleoClient(
        base_url=stage.url, auth=auth.api_key(stage.key), clock=SystemClock(), random=SystemRandom()
    ) as client:
        yield client
