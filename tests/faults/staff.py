"""Workers under a supervisor: whichever ends is started again, as systemd would, until all are sent home."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.faults.launcher import Order
from tests.faults.processes import Child, Launcher

Ordering = Callable[[int], Order]


class Staff:
    """So many workers; made by `employed`."""

    def __init__(self, launcher: Launcher, workers: int, ordering: Ordering) -> None:
        self._launcher, self._ordering = launcher, ordering
        self.codes: list[int] = []  # how workers ended, negative for a signal
        self._home = threading.Event()
        self._children: dict[int, Child] = {}
        self._threads = [threading.Thread(target=self._keep, args=(place,), daemon=True) for place in range(workers)]

    def _keep(self, place: int) -> None:
        while not self._home.is_set():
            child = self._children[place] = self._launcher.start(self._ordering(place))
            if self._home.is_set():
                child.send(signal.SIGTERM)
            self.codes.append(child.wait(3600))

    def start(self) -> None:
        """Start them all."""
        for thread in self._threads:
            thread.start()

    def send(self, place: int, number: signal.Signals) -> None:
        """Send the worker at this place a signal, if there is one at the moment."""
        child = self._children.get(place)
        if child is not None:
            try:
                child.send(number)
            except ProcessLookupError:
                return  # it has just ended by itself

    def killed(self) -> int:
        """Count the workers that ended by SIGKILL."""
        return self.codes.count(-signal.SIGKILL)

    def stop(self) -> None:
        """Send all home with SIGTERM and wait until they are gone; one that does not go is killed."""
        self._home.set()
        for place in range(len(self._threads)):
            self.send(place, signal.SIGCONT)
            self.send(place, signal.SIGTERM)
        for place, thread in enumerate(self._threads):
            thread.join(20)
            if thread.is_alive():
                self.send(place, signal.SIGKILL)
                thread.join(20)


@contextmanager
def employed(launcher: Launcher, workers: int, ordering: Ordering) -> Iterator[Staff]:
    """Have so many workers for the length of a block; `ordering` says what each place's worker is started with."""
    staff = Staff(launcher, workers, ordering)
    staff.start()
    try:
        yield staff
    finally:
        staff.stop()


def together(orders: Sequence[Order]) -> Order:
    """One worker for several companies: their settings files, and the first one's variables."""
    first, *others = orders
    named = [part for order in others for part in order.arguments[-2:]]
    return Order([*first.arguments, *named], first.variables, first.stderr, hurry=first.hurry, clock=first.clock)
