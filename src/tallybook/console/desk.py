"""The desk: what every page of the console works with, and how a page is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
import sqlalchemy as sa
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tallybook import __version__, pages
from tallybook.clock import Clock
from tallybook.companies import name as company_name
from tallybook.console.visitor import visitor_of
from tallybook.engine.standing import Standing
from tallybook.money import MoneyError, decimal_text
from tallybook.postings.journal import Journal
from tallybook.settings import Settings

# Each page's title, and its path: whatever lies below the path belongs to it.
NAVIGATION: Final = (
    ("Jobs", "/jobs"),
    ("Companies", "/companies"),
    ("Uncertain", "/uncertain"),
    ("Tie-out", "/tie-out"),
    ("Accounts", "/accounts"),
    ("Settings", "/settings"),
    ("Audit log", "/audit"),
)


def instant(at: datetime | None) -> str:
    """Write an aware instant as people read it, to the minute; empty for None."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def amount(amount_minor: int, currency: str) -> str:
    """Write an amount as a decimal, or in minor units where the currency is none we know."""
    try:
        return decimal_text(amount_minor, currency)
    except MoneyError:
        return f"{amount_minor} minor units"


def web(url: str | None) -> str | None:
    """Let a link of Pleo or the books pass if it leads to a web page; others could be scripts."""
    try:
        return url if url and urlsplit(url).scheme in {"http", "https"} else None
    except ValueError:
        return None


def _templates() -> jinja2.Environment:
    made = pages.templates("tallybook.console")
    made.filters |= {"instant": instant, "amount": amount, "web": web}
    made.globals |= {"static": pages.STATIC_PATH, "navigation": NAVIGATION, "version": __version__}
    return made


@dataclass(frozen=True, slots=True)
class Desk:
    """What a page works with.

    `settings` are those of each company; the first one's `[serve]` and `[console]` count. `connections` lead to the
    database that all workers share. `standing` is this worker: its pollers look for jobs when asked to. `environment`
    are the variables that settings may have come from. With a `password_hash`, visitors are asked for the password.
    """

    settings: Sequence[Settings]
    clock: Clock
    connections: sa.Engine
    standing: Standing
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    templates: jinja2.Environment = field(default_factory=_templates, repr=False)

    @property
    def companies(self) -> Mapping[str, str]:
        """What people call each company, by its id in lower case."""
        return {each.pleo.company_id.lower(): company_name(each) for each in self.settings}

    @property
    def journal(self) -> Journal:
        """The posting journal, for what a person says about it."""
        return Journal(self.connections, run="a person")

    def settings_of(self, company_id: str) -> Settings | None:
        """The settings of a company by its id; None where it is none of ours."""
        return next((each for each in self.settings if each.pleo.company_id.lower() == company_id.lower()), None)

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Write a page, or a part of one, with who is looking, the form token and the path of the page at hand."""
        visitor = visitor_of(request)
        text = self.templates.get_template(template).render(
            **values,
            here=request.url.path,
            who=visitor.name,
            form_token=visitor.form_token,
            guarded=self.password_hash is not None,
            company_names=self.companies,
        )
        return HTMLResponse(text, status)

    def told(self, request: Request, status: int, sentence: str) -> Response:
        """Answer with a page of one sentence: what is wrong, and what helps."""
        return self.render(request, "told.html", status=status, sentence=sentence)

    def back(self, path: str, **said: str) -> Response:
        """Send the visitor on after an action, so that loading the page again does not repeat it.

        `said` goes into the query; what a page shows of it, the page decides.
        """
        return RedirectResponse(str(URL(path).include_query_params(**said)), 303)
