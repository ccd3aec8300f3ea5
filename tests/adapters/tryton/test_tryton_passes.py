import pytest

from tallybook.testkit.attachments import AttachmentsProof
from tallybook.testkit.posting import PostingProof
from tallybook.testkit.proof import AdapterProof
from tallybook.testkit.readiness import ReadinessProof
from tallybook.testkit.recording import RecordingProof
from tallybook.testkit.refusals import RefusalsProof
from tallybook.testkit.writers import WritersProof
from tests.adapters.tryton.trial import TrytonBench


class TestTrytonOnSqlite(AdapterProof):
    @pytest.fixture
    def bench(self, tryton_bench: TrytonBench) -> TrytonBench:
        return tryton_bench


class TestTrytonOnPostgres(ReadinessProof, RecordingProof, RefusalsProof, AttachmentsProof, PostingProof, WritersProof):
    """All but a disturbed connection and a killed Tallybook, which are the same on every database of Tryton's."""

    system = AdapterProof.system
    oracle = AdapterProof.oracle
    files = AdapterProof.files
    entries = AdapterProof.entries

    @pytest.fixture
    def bench(self, postgres_bench: TrytonBench) -> TrytonBench:
        return postgres_bench
