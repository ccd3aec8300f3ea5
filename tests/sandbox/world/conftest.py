"""One small world, a large one with and without its troubles, and the books they are meant for."""

from typing import Any

import pytest

from tallybook.sandbox.world import Expense, books, expenses

SEED = 7


@pytest.fixture(scope="session")
def small_world() -> list[Expense]:
    """Give sixty expenses with their troubles."""
    return list(expenses(SEED, 60))


@pytest.fixture(scope="session")
def large_world() -> list[Expense]:
    """Give enough expenses for every rare sort to come up by chance."""
    return list(expenses(SEED, 4000))


@pytest.fixture(scope="session")
def sound_world() -> list[Expense]:
    """Give the expenses of the large world without troubles."""
    return list(expenses(SEED, 4000, troubles=False))


@pytest.fixture
def held() -> dict[str, Any]:
    """Give what the accounting system holds."""
    return books(SEED)
