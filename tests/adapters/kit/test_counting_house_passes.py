"""The half of the kit that needs a connection, on a small accounting system over HTTP."""

from collections.abc import Iterator

import pytest

from tallybook.testkit.proof import AdapterProof
from tests.adapters.kit.counting_house_adapter import WITHOUT_SEARCH
from tests.adapters.kit.counting_house_bench import HouseBench, house_bench


class TestSystemWithUniqueReferences(AdapterProof):
    kill_points = 4

    @pytest.fixture
    def bench(self) -> Iterator[HouseBench]:
        with house_bench(unique=True) as bench:
            yield bench


class TestSystemThatCanOnlyBeSearched(AdapterProof):
    kill_points = 4

    @pytest.fixture
    def bench(self) -> Iterator[HouseBench]:
        with house_bench(unique=False, one_writer=True) as bench:
            yield bench


class TestSystemThatCannotBeSearched(AdapterProof):
    kill_points = 4

    @pytest.fixture
    def bench(self) -> Iterator[HouseBench]:
        with house_bench(unique=False, adapter=WITHOUT_SEARCH) as bench:
            yield bench
