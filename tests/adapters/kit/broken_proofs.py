"""The kit on wrong adapters; pytest does not collect this: what test_wrong_adapters_fail.py names in it must fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallybook.accounting.system import Adapter
from tallybook.adapters import book
from tallybook.testkit.bench import Bench
from tallybook.testkit.proof import AdapterProof
from tests.adapters.kit import broken_books
from tests.adapters.kit.book_bench import book_bench
from tests.adapters.kit.broken_books import BrokenBook, BrokenHouse
from tests.adapters.kit.counting_house_bench import house_bench

OWN_CODE = (str(Path(str(book.__file__)).parent), str(broken_books.__file__))


class OnBook(AdapterProof):
    wrong: type[BrokenBook]

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        bench = book_bench(tmp_path, Adapter("wrong", "wrong", self.wrong.open))
        bench.own_code = OWN_CODE
        return bench


class OnHouse(AdapterProof):
    wrong: type[BrokenHouse]
    unique = False

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        adapter = Adapter("wrong", "wrong", self.wrong.open)
        with house_bench(unique=self.unique, adapter=adapter) as bench:
            yield bench


def _proof(wrong: type[BrokenBook | BrokenHouse]) -> type[AdapterProof]:
    base = OnBook if issubclass(wrong, BrokenBook) else OnHouse
    return type(f"Test{wrong.__name__}", (base,), {"wrong": wrong, "__module__": __name__})


# One class per wrong adapter: TestLosesAnEntry, TestAltersACent, ...
globals().update(
    {
        f"Test{name}": _proof(wrong)
        for name, wrong in vars(broken_books).items()
        if isinstance(wrong, type) and issubclass(wrong, BrokenBook | BrokenHouse)
    }
)
