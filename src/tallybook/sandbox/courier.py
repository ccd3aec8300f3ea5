"""The courier: takes notifications to their receivers beside the API, tries again when one is not taken.

What is due is reckoned on the sandbox's clock, so a test moves it instead of waiting. A notification is stored with the
job it tells of; one that is not delivered when the sandbox stops goes out when the same world is opened again.
"""

import asyncio
import heapq
import itertools
import sqlite3
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from tallybook.sandbox.clock import MovableClock
from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.notifications import (
    Attempt,
    Delivery,
    DeliveryState,
    NotificationFault,
    NotificationFaultOrder,
    NotificationFaults,
    Request,
    compose,
    store_delivery,
    waiting_deliveries,
)
from tallybook.sandbox.store import Store
from tallybook.sandbox.subscriptions import Subscription, SubscriptionStatus, find_subscription

# Open in Pleo's pages, chosen here: short, so that a job is still there when the last attempt is made.
RETRIES_AFTER_S: Final = (5.0, 30.0, 120.0, 300.0)
ANSWER_WITHIN_S: Final = 15.0
_AT_ONCE: Final = 16
_OK: Final = range(200, 300)


@dataclass(slots=True)
class _Errand:
    """One delivery under way: the fault ordered for it, and how often it still has to arrive."""

    delivery: Delivery
    fault: NotificationFaultOrder | None
    arrivals: int
    retries: list[float] = field(default_factory=lambda: list(RETRIES_AFTER_S))


class Courier:
    """Delivers the notifications of one sandbox; `open` it in the server's loop."""

    def __init__(self, store: Store, clock: MovableClock) -> None:
        self.faults = NotificationFaults()
        self._store = store
        self._clock = clock
        self._due: list[tuple[float, int, _Errand]] = []
        self._held: dict[str, list[_Errand]] = {}  # by subscription: those the next one overtakes
        self._order = itertools.count()
        self._last = 0
        self._busy: set[asyncio.Task[None]] = set()
        self._collecting = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(_AT_ONCE)

    def open(self) -> None:
        """Begin with what the store holds undelivered.

        Repeat: safe.
        """
        if self._http is None:
            # A receiver is called as it is named: no proxy, no other address it points to.
            self._http = httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=False, follow_redirects=False)
        self.wake()

    async def close(self) -> None:
        """Stop at once; what is not delivered stays stored as waiting.

        Repeat: safe.
        """
        under_way = [*self._busy, *([self._timer] if self._timer else [])]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._due.clear()
        self._held.clear()
        self._last, self._timer = 0, None
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def wake(self) -> None:
        """Deliver what was written down since, beside whoever calls.

        Repeat: safe.
        """
        self._begin(self._collect())

    def clock_moved(self) -> None:
        """Make the attempts that are due by now, beside whoever calls.

        Repeat: safe.
        """
        self._launch()

    async def settled(self) -> None:
        """Wait until nothing is in the air: what is left, if anything, waits for the clock or for the next one.

        Repeat: safe.
        """
        while self._busy:
            await asyncio.wait(self._busy)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _collect(self) -> None:
        async with self._collecting:
            found = await self._store.run(waiting_deliveries, self._last)
            for delivery in found:
                self._last = delivery.number
                await self._accept(delivery)
        self._launch()

    async def _accept(self, delivery: Delivery) -> None:
        fault = self.faults.next()
        kind = None if fault is None else fault.kind
        delivery = replace(delivery, fault=kind)
        errand = _Errand(delivery, fault, 1 + (fault.copies if fault and kind is NotificationFault.DUPLICATE else 0))
        if kind is NotificationFault.DROP:
            await self._store.run(store_delivery, replace(delivery, state=DeliveryState.DROPPED))
            return
        if kind is NotificationFault.OVERTAKEN:
            self._held.setdefault(delivery.subscription_id, []).append(errand)
            return
        if fault is not None and kind is NotificationFault.DELAY:  # from the event on, not from whenever it is seen
            self._put(errand, delivery.created_at + fault.delay_s)
        else:
            self._put(errand, self._now_s())

    def _put(self, errand: _Errand, due_at: float) -> None:
        heapq.heappush(self._due, (due_at, next(self._order), errand))

    def _launch(self) -> None:
        while self._due and self._due[0][0] <= self._now_s():
            self._begin(self._run(heapq.heappop(self._due)[2]))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._due:
            wait_s = self._due[0][0] - self._now_s()
            self._timer = asyncio.get_running_loop().create_task(self._ring(wait_s))

    async def _ring(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self._timer = None  # it has rung; cancelling it now would cancel what follows
        self._launch()

    async def _run(self, errand: _Errand) -> None:
        async with self._places:
            subscription = await self._store.run(_addressee, errand.delivery.subscription_id)
            if subscription is None:
                await self._keep(errand, replace(errand.delivery, state=DeliveryState.DROPPED))
                return
            attempt = await self._attempt(errand, subscription)
        delivery = replace(errand.delivery, attempts=(*errand.delivery.attempts, attempt))
        arrived = attempt.status in _OK
        errand.arrivals -= arrived
        if errand.arrivals == 0:
            delivery = replace(delivery, state=DeliveryState.DELIVERED)
        elif not arrived and not errand.retries:
            delivery = replace(delivery, state=DeliveryState.FAILED)
        await self._keep(errand, delivery)
        if delivery.state is DeliveryState.WAITING:
            self._put(errand, self._now_s() + (0.0 if arrived else errand.retries.pop(0)))
        self._launch()

    async def _attempt(self, errand: _Errand, subscription: Subscription) -> Attempt:
        request = compose(errand.delivery, subscription, self._clock.real_now(), errand.fault)
        at = self._now_s()
        if self._http is None:
            return Attempt(at, None, "the sandbox stops")
        try:
            return Attempt(at, await _send(self._http, subscription.terms.endpoint_url, request))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            return Attempt(at, None, type(error).__name__)

    async def _keep(self, errand: _Errand, delivery: Delivery) -> None:
        errand.delivery = delivery
        await self._store.run(store_delivery, delivery)
        if delivery.attempts:  # whatever came of it, it was sent: those it has overtaken follow
            for held in self._held.pop(delivery.subscription_id, []):
                self._put(held, self._now_s())

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


async def _send(http: httpx.AsyncClient, url: str, request: Request) -> int:
    async with asyncio.timeout(ANSWER_WITHIN_S):  # the library's own limit begins anew with every byte
        async with http.stream("POST", url, headers=list(request.headers), content=request.body) as answer:
            return answer.status_code  # whatever the receiver says beyond it is not read


def _addressee(db: sqlite3.Connection, subscription_id: str) -> Subscription | None:
    try:
        subscription = find_subscription(db, subscription_id)
    except Refusal:
        return None
    return subscription if subscription.terms.status is SubscriptionStatus.ACTIVE else None
