"""The class to inherit: everything an adapter promises, as tests on the author's own bench."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.attachments import AttachmentsProof, Files
from tallybook.testkit.bench import Bench
from tallybook.testkit.doubt import DoubtProof
from tallybook.testkit.entries import Entries
from tallybook.testkit.killed import KilledProof
from tallybook.testkit.oracle import Oracle
from tallybook.testkit.posting import PostingProof
from tallybook.testkit.readiness import ReadinessProof
from tallybook.testkit.reading_back import ReadingBackProof
from tallybook.testkit.recording import RecordingProof
from tallybook.testkit.refusals import RefusalsProof
from tallybook.testkit.reversals import ReversalsProof
from tallybook.testkit.verdict import not_applicable
from tallybook.testkit.writers import WritersProof


@pytest.mark.asyncio
class AdapterProof(
    ReadinessProof,
    RecordingProof,
    RefusalsProof,
    AttachmentsProof,
    PostingProof,
    ReversalsProof,
    ReadingBackProof,
    KilledProof,
    DoubtProof,
    WritersProof,
):
    """Inherit, name the class Test..., and define the fixture `bench`; pytest runs the rest.

    What the accounting system cannot do by its capabilities or its bench is listed by pytest as not applicable.
    """

    @pytest.fixture
    def bench(self) -> Bench:
        """The author's bench; to be defined by whoever inherits."""
        raise NotImplementedError("define a fixture named `bench` that returns a tallybook.testkit.bench.Bench")

    @pytest_asyncio.fixture
    async def system(self, bench: Bench) -> AsyncIterator[AccountingSystem]:
        """The books under test, opened as Tallybook opens them."""
        system = bench.adapter.open(bench.settings)
        yield system
        await system.aclose()

    @pytest_asyncio.fixture
    async def oracle(self, bench: Bench, system: AccountingSystem) -> Oracle:
        """The books' content before the test."""
        oracle = Oracle(bench, system.capabilities.drafts)
        await oracle.look()
        return oracle

    @pytest.fixture
    def files(self, tmp_path: Path, system: AccountingSystem) -> Files:
        """Files to attach, where the books take any."""
        if not system.capabilities.attachments:
            not_applicable("the books take no attachments")
        folder = tmp_path / "receipts-to-attach"
        folder.mkdir()
        return Files(folder)

    @pytest.fixture
    def entries(self, bench: Bench) -> Entries:
        """Entries for the test company."""
        return Entries(bench.company)
