"""What the sandbox refuses, as Pleo's `{type, message}` with its status code."""

from dataclasses import dataclass

from tallybook.errors import TallybookError


@dataclass(eq=False)
class Refusal(TallybookError):
    """One request turned down: the HTTP status, Pleo's error name and a sentence for a person."""

    status: int
    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.type}: {self.message}"


def bad_request(message: str) -> Refusal:
    """The request itself is wrong; the definition has no name for it, so the sandbox says BAD_REQUEST."""
    return Refusal(400, "BAD_REQUEST", message)


def export_not_found(job_id: str) -> Refusal:
    """No such job. Source: definition, 404 of the three `{jobId}` operations."""
    return Refusal(404, "EXPORT_NOT_FOUND", f"There is no export job {job_id}.")


@dataclass(eq=False)
class OAuthRefusal(TallybookError):
    """What an authorization server refuses, by RFC 6749's name for it.

    With `redirect_uri` the answer goes to that address, in the browser; `client_unknown` makes it a 401.
    """

    error: str
    description: str
    redirect_uri: str | None = None
    state: str | None = None
    client_unknown: bool = False

    def __str__(self) -> str:
        return f"{self.error}: {self.description}"
