"""How a worker stands: what it is asked from outside, and what it says of itself over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from tallybook.clock import Clock
from tallybook.engine.engine import Engine
from tallybook.engine.poll import Poller
from tallybook.errors import TallybookError
from tallybook.telemetry import logs, metrics

log = structlog.get_logger()
_DATABASE_WITHIN_S = 3.0
_POLLS_MISSED_MAX = 3  # an outage of a few minutes is nothing to call somebody for
_UNANSWERED_S_MIN = 300.0


class UnknownCompany(TallybookError):
    """No company of this server is called so."""


@dataclass(slots=True)
class Standing:
    """One worker, from before its engine is launched until after its end."""

    clock: Clock
    engine: Engine | None = None
    pollers: Sequence[Poller] = ()
    stopping: bool = False
    _since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._since_s = self.clock.monotonic_s()

    def look_now(self, named: str | None) -> list[str]:
        """Ask Pleo at once for the company of this id or name, or for all; returns the ids of those.

        Repeat: safe; several calls become one look.
        Raises:
            UnknownCompany: no company of this server is called so.
        """
        found = [
            poller
            for poller in self.pollers
            if named is None or named.lower() in {poller.company_id, poller.name} - {""}
        ]
        if named is not None and not found:
            raise UnknownCompany("This server exports for no company of that name or id; see its settings.")
        for poller in found:
            poller.look_now()
        return [poller.company_id for poller in found]

    async def problems(self) -> Mapping[str, str]:
        """What keeps this worker from exporting, by part; empty when it is ready.

        Repeat: safe; reads only.
        """
        if self.stopping or self.engine is None:
            return {"engine": "stopping" if self.stopping else "starting"}
        found: dict[str, str] = {}
        presence = self.engine.presence
        try:
            async with asyncio.timeout(_DATABASE_WITHIN_S):
                await asyncio.to_thread(_ask, presence.connections)
        except (TimeoutError, sa.exc.SQLAlchemyError) as error:
            found["database"] = f"does not answer: {logs.told(error)}"
        if presence.lease_is_ending():
            found["lease"] = "about to end: it was not renewed"
        for poller in self.pollers:
            limit_s = max(_POLLS_MISSED_MAX * poller.every_s, _UNANSWERED_S_MIN)
            if min(poller.unanswered_s, self.clock.monotonic_s() - self._since_s) > limit_s:
                found[f"company {poller.company_id}"] = f"Pleo was not heard for {limit_s:.0f} s: {poller.failing}"
        return found

    async def measure(self) -> None:
        """Bring the metrics of lanes and lease up to date, as far as the database answers.

        Repeat: safe; reads only.
        """
        if self.engine is None or self.stopping:
            return
        metrics.LEASE_AGE.set(self.engine.presence.lease_age_s())
        try:
            async with asyncio.timeout(_DATABASE_WITHIN_S):
                lanes = await self.engine.lanes()
        except Exception as error:  # noqa: BLE001 - a database that is away for a while; what is counted is shown
            log.warning("not_measured", why=logs.told(error))
            return
        now = self.clock.now()
        for company_id in {poller.company_id for poller in self.pollers}:
            created = lanes.get(company_id, ())
            oldest_s = max((now - created[0]).total_seconds(), 0.0) if created else 0.0
            metrics.lane(company_id, len(created), oldest_s)


def _ask(connections: sa.Engine) -> None:
    with connections.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
