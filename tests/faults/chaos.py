"""Chaos: many companies, several workers, and everything that can go wrong, at random, until the time is up.

`python -m tests.faults.chaos --minutes 20 --seed 7`. Then all of it stops, the jobs may end, and the witness counts.
The seed decides what happens, to whom and in which order; what it meets there depends on how fast the machine is.
"""

import argparse
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.engine import postgres
from tests.faults import matrix, processes, scene, staff, witness
from tests.faults.launcher import Order
from tests.faults.matrix import TROUBLES
from tests.faults.scene import Scene
from tests.faults.wire import Call, Fault, Moment, calm

HOUR_S = 3600
ITEMS = 400  # of each company
ROUNDS_MAX = 6  # of exports, until everything that failed on the way is in the books

# A run that met fault after fault may be in the longest of its pauses, which is five minutes.
SETTLED_WITHIN_S = 900
STRUCK_WITHIN_S = 60  # after the time is up


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    seconds: float
    seed: int
    companies: int = 8
    workers: int = 3
    database: str = "postgresql"  # or sqlite, which has one worker


@dataclass
class Chaos:
    """One run of it."""

    options: Options
    companies: list[Scene]
    staff: staff.Staff
    clock: Path
    server: postgres.PostgresServer | None
    random: Random
    happened: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def rage(self) -> None:
        """Let things happen until the time is up; longer, on a slow machine, until faults and kills have struck."""
        until_s = time.monotonic() + self.options.seconds
        deeds = [
            (self.export, 40),
            (self.weather, 20),
            (self.kill, 8),
            (self.freeze, 6),
            (self.break_books, 8),
            (self.cancel, 3),
            (self.expire, 2),
            (self.jump, 3),
            (self.crash_database, 1 if self.server else 0),
        ]
        while time.monotonic() < until_s or (self._harmless() and time.monotonic() < until_s + STRUCK_WITHIN_S):
            (deed,) = self.random.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])
            deed()
            self._wait(self.random.uniform(0.02, 0.6))

    def _harmless(self) -> bool:
        return not self.struck().total() or not self.staff.killed()

    def struck(self) -> Counter[str]:
        """Count the calls that went wrong, by kind."""
        return sum((company.wire.hits for company in self.companies), Counter[str]())

    def _wait(self, seconds: float) -> None:
        """Let time pass, and what was put off for later happen when it is due."""
        until_s = time.monotonic() + seconds
        for due_s, deed in sorted(self._later, key=lambda each: each[0]):
            if due_s < until_s:
                time.sleep(max(0.0, due_s - time.monotonic()))
                deed()
                self._later.remove((due_s, deed))
        time.sleep(max(0.0, until_s - time.monotonic()))

    def export(self) -> None:
        """A user presses Export, unless a job is open: for some that are new, and some that were exported before."""
        company = self.random.choice(self.companies)
        chosen = self.random.sample(company.exported, self.random.randint(1, 30))
        if company.is_open():
            return
        company.press_export(chosen)
        self.happened["exports"] += 1

    def weather(self) -> None:
        """From now on so many calls of a company go wrong, each in a way of its own."""
        company, chance = self.random.choice(self.companies), self.random.choice([0.0, 0.0, 0.03, 0.1, 0.5])
        salt = self.random.random()

        def plan(call: Call, moment: Moment) -> Fault | None:
            draw = Random(f"{salt} {call.label} {moment}")  # noqa: S311 - chance that can be repeated
            if draw.random() >= chance:
                return None
            return draw.choice([trouble.fault for trouble in TROUBLES if trouble.moment is moment])

        company.wire.plan = plan
        self.happened["changes of weather"] += 1

    def kill(self) -> None:
        """A worker dies."""
        self.staff.send(self.random.randrange(self.options.workers), signal.SIGKILL)
        self.happened["kills"] += 1

    def freeze(self) -> None:
        """A worker is frozen and woken, before or after its lease has run out."""
        place, seconds = self.random.randrange(self.options.workers), self.random.uniform(0.2, 9)
        self.staff.send(place, signal.SIGSTOP)
        self._later.append((time.monotonic() + seconds, lambda: self.staff.send(place, signal.SIGCONT)))
        self.happened["freezes"] += 1

    def break_books(self) -> None:
        """The books break down in the middle of a write."""
        self.random.choice(self.companies).break_books_after(self.random.randint(0, 8))
        self.happened["breakdowns of the books"] += 1

    def cancel(self) -> None:
        """A user cancels a job."""
        if self.random.choice(self.companies).cancel_open_job():
            self.happened["cancelled jobs"] += 1

    def expire(self) -> None:
        """Pleo's hour is over."""
        self.random.choice(self.companies).call("POST", "/clock", {"advanceSeconds": 2 * HOUR_S})
        self.happened["jumps of Pleo's clock"] += 1

    def jump(self) -> None:
        """The workers' clock is wrong by something else."""
        self.clock.write_text(str(self.random.choice([-HOUR_S, 0, 60, 3 * HOUR_S])), encoding="ascii")
        self.happened["jumps of the workers' clock"] += 1

    def crash_database(self) -> None:
        """PostgreSQL crashes and comes back."""
        assert self.server is not None
        self.server.restart()
        self.happened["crashes of PostgreSQL"] += 1

    def settle(self) -> witness.Counts:
        """Stop all trouble, let everything end, export what failed on the way, and count."""
        for _, deed in self._later:
            deed()
        for company in self.companies:
            company.wire.plan = calm
            company.break_books_after(10**6)
        for _ in range(ROUNDS_MAX):
            matrix.wait_until_final(self.companies, within_s=SETTLED_WITHIN_S)
            again = {company.name: matrix.to_export_again(company) for company in self.companies}
            if not any(again.values()):
                break
            for company in self.companies:
                if again[company.name]:
                    company.press_export(again[company.name])
        self.staff.stop()
        counts = witness.Counts()
        for company in self.companies:
            found = witness.count(company.evidence())
            sys.stdout.write(f"  {company.name}, books with {company.safety}: {found}\n")
            counts.add(found)
        return counts


def run(options: Options, folder: Path) -> witness.Counts:
    """Set the scene, let chaos rage, and count; says what happened."""
    sys.stdout.write(f"chaos with seed {options.seed} for {options.seconds:.0f} s\n")
    random = Random(options.seed)  # noqa: S311 - as above
    with ExitStack() as stack:
        house = stack.enter_context(processes.opened(folder))
        server = stack.enter_context(postgres.running()) if options.database == "postgresql" else None
        url = server.database() if server else f"sqlite:///{folder}/tallybook.sqlite"
        clock = folder / "clock"
        clock.write_text("0", encoding="ascii")
        companies = []
        for number in range(options.companies):
            name = f"company{number}"
            company = stack.enter_context(scene.played(house, folder / name, name))
            safety = "key" if number % 2 else "search"
            company.begin(url, seed=number + 1, safety=safety, items=ITEMS, patience_s=1, lease_s=5)
            companies.append(company)

        def ordering(place: int) -> Order:
            orders = [
                company.order("serve", "--log", "json", name=f"worker{place}", clock=str(clock))
                for company in companies
            ]
            return staff.together(orders)

        workers = stack.enter_context(staff.employed(house.launcher, options.workers, ordering))
        chaos = Chaos(options, companies, workers, clock, server, random)
        chaos.rage()
        counts = chaos.settle()
        happened = ", ".join(f"{number} {what}" for what, number in chaos.happened.most_common())
        jobs = sum(len(company.evidence().jobs) for company in companies)
        counts.struck, counts.killed = chaos.struck().total(), workers.killed()
        sys.stdout.write(f"seed {options.seed}: {happened}; {counts.struck} calls gone wrong; {jobs} jobs\n")
        sys.stdout.write(f"{counts}\n")
        return counts


def main() -> None:
    """Run it as asked for; exit code 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run; by default a new one")
    parser.add_argument("--companies", type=int, default=8)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    asked = parser.parse_args()
    options = Options(
        seconds=asked.minutes * 60,
        seed=secrets.randbelow(2**31) if asked.seed is None else asked.seed,
        companies=asked.companies,
        workers=asked.workers if asked.database == "postgresql" else 1,
        database=asked.database,
    )
    with tempfile.TemporaryDirectory(prefix="tallybook-chaos-") as folder:
        counts = run(options, Path(folder))
    sys.stdout.writelines(f"{wrong}\n" for wrong in counts.wrong)
    sys.exit(1 if counts.wrong else 0)


if __name__ == "__main__":
    main()
