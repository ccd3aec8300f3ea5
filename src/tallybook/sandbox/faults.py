"""Faults on order: what a network, a gateway or a bad day at Pleo would do to an answer, a given number of times."""

from dataclasses import dataclass, field
from enum import StrEnum

from tallybook.sandbox.rules import ItemUpdateError


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"  # an error status with Pleo's error body
    RESET = "reset"  # the connection is reset without an answer
    TIMEOUT = "timeout"  # no answer, until the caller gives up or `delay_ms` is over; then a reset
    NOT_JSON = "not_json"  # 200 with a web page
    WRONG_SHAPE = "wrong_shape"  # 200 with JSON of another shape
    HALF = "half"  # the first half of the answer, then a reset
    SLOW = "slow"  # the right answer after `delay_ms`
    HUGE = "huge"  # 200 and a stream of `size_bytes` bytes
    ITEM_ERRORS = "item_errors"  # an update refuses the entries `entry_ids` with `error_type`; the others are taken


class Phase(StrEnum):
    """Whether the request still takes effect."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class Fault:
    """One order: after `skip` calls of `operation` (an operationId, `files` or `*`), the next `times` go wrong."""

    operation: str
    kind: FaultKind
    status: int = 503
    retry_after_s: int | None = None
    phase: Phase = Phase.BEFORE
    times: int = 1
    skip: int = 0
    delay_ms: int = 0
    size_bytes: int = 0
    entry_ids: tuple[str, ...] = ()
    error_type: ItemUpdateError = ItemUpdateError.ACCOUNTING_ENTRY_UPDATE_FAILED

    def applies_to(self, operation: str) -> bool:
        """Whether calls of this operation count."""
        return self.operation in {"*", operation}


@dataclass(slots=True)
class Faults:
    """The orders in force, first come first served, and the delay put before every answer."""

    latency_ms: int = 0
    _orders: list[Fault] = field(default_factory=list)

    def order(self, fault: Fault) -> None:
        """Put in an order.

        Repeat: a second one, served after the first.
        """
        self._orders.append(fault)

    def clear(self) -> None:
        """Drop all orders and the latency.

        Repeat: safe.
        """
        self._orders.clear()
        self.latency_ms = 0

    def pending(self) -> list[Fault]:
        """List the orders not used up."""
        return list(self._orders)

    def next_for(self, operation: str) -> Fault | None:
        """Say what goes wrong with this call, and count it.

        Repeat: each call counts.
        """
        for fault in self._orders:
            if not fault.applies_to(operation):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._orders.remove(fault)
            return fault
        return None
