"""A worker that reports the same jobs as its rivals at the same moment, and records when each begins and ends."""

import asyncio
import os
import sys

from tallybook.engine.engine import Pace
from tallybook.outcome import JobReport
from tallybook.workflow import Checkpoint, Json
from tests.engine.inside import done, engine, idle, job, now


class Recorded:
    """An export that takes a few steps and keeps a record all processes append to."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def __call__(self, job_id: str, company_id: str, checkpoint: Checkpoint) -> JobReport:
        async def step() -> Json:
            return {}

        os.write(self._file, f"begin {company_id} {job_id}\n".encode())
        for n in range(3):
            await checkpoint(str(n), step)
        os.write(self._file, f"end {company_id} {job_id}\n".encode())
        return done(job_id)


async def main(url: str, record: str, companies: int, jobs: int) -> None:
    async with engine(url, Recorded(record), pace=Pace(queue_s=0.1)) as running:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        seen_at = now()  # before any run can have ended: whoever reports later reports no news
        for n in range(companies):
            company = f"0a0a0a0a-0000-4000-8000-{n:012d}"
            each = [job(n * 100 + number, company, age_min=number) for number in range(jobs)]
            await asyncio.gather(*(running.enqueue(one, unfinished_at=seen_at) for one in each))
        await idle(running)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
