from pathlib import Path

import pytest

from tallybook.testkit.proof import AdapterProof
from tests.adapters.kit.book_bench import BookBench, book_bench


class TestBook(AdapterProof):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> BookBench:
        return book_bench(tmp_path)
