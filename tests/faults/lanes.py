"""Several companies at once, each in a thread: a worker waits more than it computes."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.faults.scene import Scene

T = TypeVar("T")
R = TypeVar("R")


def each(companies: Sequence[Scene], tasks: Sequence[T], work: Callable[[Scene, T], R]) -> list[R]:
    """Do every task with a company that is idle; the results in the order of the tasks."""
    idle: queue.Queue[Scene] = queue.Queue()
    for company in companies:
        idle.put(company)

    def one(task: T) -> R:
        company = idle.get()
        try:
            return work(company, task)
        finally:
            idle.put(company)

    with ThreadPoolExecutor(len(companies)) as pool:
        return list(pool.map(one, tasks))
