"""A scene: one company's Pleo, its ledger, the wire between them and the worker, and the settings the worker reads."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import tomli_w

from tallybook.sandbox import server
from tests.faults import wire, witness
from tests.faults.launcher import Order
from tests.faults.processes import NO_REUSE, Child, House

Json = dict[str, Any]
_WORLD_ITEMS = 46  # from here on every type, subtype and trouble is there


@dataclass
class Scene:
    """One company; made by `played`."""

    house: House
    name: str
    folder: Path
    pleo: httpx.Client
    wire: wire.Wire
    pleo_url: str  # over the wire
    books_url: str  # over the wire
    safety: str = "search"
    refused: set[str] = field(default_factory=set)
    exported: list[str] = field(default_factory=list)
    database_url: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox's own API, not over the wire."""
        answer = self.pleo.request(method, f"/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def begin(
        self,
        database_url: str,
        *,
        seed: int = 1,
        safety: str = "search",
        items: int | None = None,
        patience_s: float = 5,
        lease_s: float = 3,
    ) -> None:
        """Begin anew: a company that has every kind of item, an empty ledger, and settings for both.

        What `exported` names is one of each kind; with `items`, that many. `patience_s`: how long the worker waits
        for an answer.
        """
        self.wire.renew()
        self.safety, self.database_url = safety, database_url
        founding = {"world": "demo", "items": items or _WORLD_ITEMS, "seed": seed, "troubles": True}
        world = self.call("POST", "/worlds", founding)
        self._choose()
        if items is not None:
            self.exported = [row["id"] for row in self._all("/expenses?limit=1000")]
        opened = self.house.books.http.put(
            f"/{self.name}", json={"safety": safety, "reference": _reference(world), "refuses": sorted(self.refused)}
        )
        assert opened.is_success, opened.text
        self._write_settings(world, patience_s, lease_s)

    def _choose(self) -> None:
        """Choose one expense of every type, subtype and trouble, one with two files, and one the books refuse."""
        rows = self.call("GET", "/expenses?limit=1000&documents=true")["data"]
        chosen: dict[tuple[object, ...], str] = {}
        for row in rows:
            document = row["document"]
            kind = document["type"], document.get("subType"), row["trouble"]
            chosen.setdefault(kind, row["id"])
            if row["trouble"] is None and len(document.get("files") or []) > 1:
                chosen.setdefault(("two files",), row["id"])
        plain = [row["id"] for row in rows if row["trouble"] is None and row["id"] not in chosen.values()]
        self.refused = {next(each for each in plain)}
        self.exported = [*chosen.values(), *self.refused]

    def press_export(self, entry_ids: Collection[str] | None = None) -> str:
        """Press Export for the chosen expenses; the job's id."""
        wanted = list(self.exported if entry_ids is None else entry_ids)
        job = self.call("POST", "/exports", {"entryIds": wanted, "vendorBasedBookkeeping": True})
        return str(job["id"])

    def subscribe(self, address: str) -> str:
        """Let Pleo tell a worker of new jobs; the secret it signs with."""
        key = (self.folder / "pleo-api-key").read_text(encoding="ascii")
        body = {"endpointUrl": f"{address}/webhooks/pleo", "eventTypes": ["v1.export-job.created"]}
        made = self.pleo.post("/v1/subscriptions", json=body, auth=(key, "")).json()["data"]
        shown = self.pleo.get(f"/v1/subscriptions/{made['id']}/secret", auth=(key, "")).json()["data"]
        return str(shown["secretKey"])

    def is_open(self) -> bool:
        """Whether a job waits or runs, so that Pleo takes no other."""
        return any(job["status"] in {"pending", "in_progress"} for job in self.jobs())

    def jobs(self) -> list[Json]:
        """All jobs, oldest first."""
        return self._all("/jobs?limit=1000")

    def cancel_open_job(self) -> bool:
        """Cancel the job that runs, as a user does; False: there is none, or it has just ended."""
        running = [job["id"] for job in self.jobs() if job["status"] == "in_progress"]
        return bool(running) and self.pleo.post(f"/_sandbox/jobs/{running[0]}/cancel").is_success

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "tallybook.toml"

    def order(self, *arguments: str, name: str = "worker", **more: Any) -> Order:
        """Say how to start a worker for this company."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        return Order(
            [*arguments, "-c", str(self.config)],
            {"TALLYBOOK_DATABASE_URL": self.database_url, "TMPDIR": str(temporary)} | self.variables,
            str(self.folder / f"{name}.log"),
            **{"hurry": 0.005} | more,
        )

    def serve_once(self, **more: Any) -> Child:
        """Start `tallybook serve --once`."""
        return self.house.launcher.start(self.order("serve", "--once", "--log", "json", **more))

    def said(self, name: str = "worker") -> str:
        """What workers of this name said on stderr, the end of it."""
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8")[-4000:] if path.exists() else ""

    def evidence(self) -> witness.Evidence:
        """Ask Pleo and the books what happened."""
        return witness.Evidence(
            expenses=self._all("/expenses?documents=true&limit=1000"),
            jobs=self.jobs(),
            at_pleo=self._all("/effects?limit=1000"),
            journal=self._all("/journal?limit=1000"),
            in_books=witness.read_log(self.house.books.log(self.name)),
            refused=self.refused,
        )

    def in_doubt(self) -> set[str]:
        """Entries that are in the books and whose result Pleo has not."""
        told = {effect["entryId"] for effect in self._all("/effects?limit=1000") if effect["status"] == "successful"}
        log = witness.read_log(self.house.books.log(self.name))
        return {effect["reference"][1] for effect in log} - told

    def break_books_after(self, parts: int) -> None:
        """Let the books break down in the middle of their next write of several things."""
        answer = self.house.books.http.post(f"/{self.name}/break", json={"after": parts})
        assert answer.is_success, answer.text

    def _all(self, path: str) -> list[Json]:
        found: list[Json] = []
        after = 0
        while after is not None:
            page = self.call("GET", f"{path}&after={after}")
            found += page["data"]
            after = page["next"]
        return found

    def _write_settings(self, world: Json, patience_s: float, lease_s: float) -> None:
        key = self.folder / "pleo-api-key"
        key.write_text(world["apiKey"], encoding="ascii")
        host = httpx.URL(self.pleo_url).netloc.decode()
        table = {
            "pleo": {
                "base_url": self.pleo_url,
                "company_id": world["company"]["id"],
                "api_key_file": key.name,
                "receipt_hosts": [host],
                "receipt_hosts_insecure": [host],
                "page_size": 10,
                "read_timeout_s": patience_s,
            },
            "books": {
                "adapter": "remote",
                "posting": "posted",
                "remote": {
                    "url": self.books_url,
                    "safety": self.safety,
                    "timeout_s": patience_s,
                    "batch_size": 100,
                },
            },
            "accounts": world["books"]["roles"],
            "database": {"lease_s": lease_s},
            "serve": {"poll_every_s": 1, "listen": "127.0.0.1:0"},
        }
        self.config.write_text(tomli_w.dumps(table), encoding="utf-8")


def _reference(world: Json) -> Json:
    """What the ledger knows, in the port's own names."""
    books = world["books"]
    return {
        "accounts": [
            {"code": account["code"], "name": account["name"], "identifier": account.get("identifier")}
            for account in books["accounts"]
        ],
        "tax_codes": [
            {
                "code": tax["code"],
                "name": tax["name"],
                "ingoing_account": tax.get("ingoingAccount"),
                "outgoing_account": tax.get("outgoingAccount"),
            }
            for tax in books["taxCodes"]
        ],
        "dimensions": {
            group["code"]: [tag["code"] for tag in group.get("tags", group.get("values", ()))]
            for group in books["tagGroups"]
        },
        "vendors": [
            {
                "code": vendor["code"],
                "name": vendor["name"],
                "external_id": vendor.get("externalId"),
                "tax_registration_number": vendor.get("taxRegistrationNumber"),
                "registration_number": vendor.get("registrationNumber"),
            }
            for vendor in books["vendors"]
        ],
        "closed_periods": [[period["from"], period["to"]] for period in books["closedPeriods"]],
    }


@contextmanager
def played(house: House, folder: Path, name: str) -> Iterator[Scene]:
    """Set a scene up, and take it down with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        server.running(world="empty") as pleo,
        wire.laid() as laid,
        httpx.Client(base_url=pleo.url, timeout=60, trust_env=False, limits=NO_REUSE) as http,
    ):
        # The web framework builds its routes when they are first asked for, which two servers must not do at once.
        http.get("/nothing")
        pleo_url = laid.lead_to("pleo", pleo.url)
        books_url = laid.lead_to("books", house.books.url)
        yield Scene(house, name, folder, http, laid, pleo_url, f"{books_url}/{name}")
