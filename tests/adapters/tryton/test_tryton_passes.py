import os

import pytest

from tallybook.testkit.attachments import AttachmentsProof
from tallybook.testkit.doubt import DoubtProof
from tallybook.testkit.killed import KilledProof
from tallybook.testkit.posting import PostingProof
from tallybook.testkit.proof import AdapterProof
from tallybook.testkit.readiness import ReadinessProof
from tallybook.testkit.recording import RecordingProof
from tallybook.testkit.refusals import RefusalsProof
from tallybook.testkit.reversals import ReversalsProof
from tallybook.testkit.writers import WritersProof
from tests.adapters.tryton.trial import TrytonBench


class TestTrytonOnSqlite(AdapterProof):
    @pytest.fixture
    def bench(self, tryton_bench: TrytonBench) -> TrytonBench:
        return tryton_bench


class OnPostgres:
    """The same bench on the other database."""

    system = AdapterProof.system
    oracle = AdapterProof.oracle
    files = AdapterProof.files
    entries = AdapterProof.entries

    @pytest.fixture
    def bench(self, postgres_bench: TrytonBench) -> TrytonBench:
        return postgres_bench


class TestTrytonOnPostgres(
    OnPostgres,
    ReadinessProof,
    RecordingProof,
    RefusalsProof,
    AttachmentsProof,
    PostingProof,
    ReversalsProof,
    WritersProof,
):
    """All but disturbed connections and kills, which are the same on every database of Tryton's."""


@pytest.mark.skipif(
    os.environ.get("TALLYBOOK_KIT_REQUEST_STEP") != "1",
    reason="disturbed connections and kills on PostgreSQL: `make adapters`, or TALLYBOOK_KIT_REQUEST_STEP=1",
)
class TestDisturbedTrytonOnPostgres(OnPostgres, KilledProof, DoubtProof):
    """These too, with `make adapters`."""
