"""The company of the demo world: a design studio in Copenhagen, its people, teams, wallets and keys to Pleo."""

# ruff: noqa: RUF001 - names and notes are written as people write them

from dataclasses import dataclass, field
from functools import lru_cache

from tallybook.sandbox.world.draws import named_uuid, stream


@dataclass(frozen=True, slots=True)
class Team:
    """A team; `code` is what the accounting system calls it, `cost_centre` the tag its spend carries."""

    id: str
    name: str
    code: str
    cost_centre: str


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody with a Pleo card; `code` is the employee number in the accounting system."""

    id: str
    name: str
    code: str
    team: Team


@dataclass(frozen=True, slots=True)
class Wallet:
    """A Pleo account in one currency, and the ledger account that stands for it."""

    currency: str
    account: str


@dataclass(frozen=True, slots=True)
class Company:
    """Who exports: the same for a seed, another id and other keys for another seed."""

    id: str
    name: str
    country: str
    currency: str
    registration_number: str
    tax_registration_number: str
    api_key: str = field(repr=False)
    access_token: str = field(repr=False)
    wallets: tuple[Wallet, ...]  # the first is in the company's own currency
    teams: tuple[Team, ...]
    employees: tuple[Employee, ...]

    @property
    def bookkeeper(self) -> Employee:
        """Who sits before the export page."""
        return next(employee for employee in self.employees if employee.team.code == "OPS")


_TEAMS = (
    ("Brand & Identity", "BRA", "110"),
    ("Product Design", "PRO", "120"),
    ("Workshop", "SHOP", "130"),
    ("Studio Operations", "OPS", "190"),
)

_EMPLOYEES = (
    ("Astrid Bjørn Møller", 0),
    ("Jonas Krøyer", 0),
    ("Élise Fournier", 0),
    ("Mikkel Aagaard", 1),
    ("Zeynep Yıldız", 1),
    ("Sofie Lindegård", 1),
    ("Niamh O'Sullivan", 1),
    ("Søren Thygesen", 2),
    ("Jürgen Groß", 2),
    ("Łukasz Wiśniewski", 2),
    ("Maja Østergaard", 3),
    ("Rasmus Holm-Petersen", 3),
)

WALLETS = (Wallet("DKK", "5820"), Wallet("EUR", "5821"))


@lru_cache(maxsize=8)
def company(seed: int) -> Company:
    """Give the company of a seed.

    Repeat: the same company.
    """
    keys = stream(seed, "keys")
    teams = tuple(Team(named_uuid(seed, f"team {code}"), name, code, centre) for name, code, centre in _TEAMS)
    employees = tuple(
        Employee(named_uuid(seed, f"employee {name}"), name, f"E{number:03d}", teams[team])
        for number, (name, team) in enumerate(_EMPLOYEES, start=101)
    )
    return Company(
        id=named_uuid(seed, "company"),
        name="Studio Løvstræde ApS",
        country="DK",
        currency="DKK",
        registration_number="00112233",
        tax_registration_number="DK00112233",
        api_key=f"sandbox-key-{keys.getrandbits(128):032x}",
        access_token=f"sandbox-token-{keys.getrandbits(128):032x}",
        wallets=WALLETS,
        teams=teams,
        employees=employees,
    )
