"""Everything that can go wrong with Pleo and with receipts, as one tree.

Every sentence says what happened, where, and how to mend it. None of them carries a secret, the query of a signed link,
or the content of an expense: text from Pleo goes through `printable`.

Source: contract/pleo-export-v3.openapi.yaml (`ExceptionInfo`); RFC 9110 for what the definition leaves open.
"""

import re

from tallybook.errors import TallybookError
from tallybook.pleo.models import ExportJob, JobEvent

TEXT_LENGTH_MAX = 300  # characters of Pleo's own text that a sentence of ours quotes


class PleoError(TallybookError):
    """Something between us and Pleo went wrong."""


class PleoCallInvalid(PleoError, ValueError):
    """We were about to make a call that Pleo's definition rules out; nothing was sent."""


class PleoUnreachable(PleoError):
    """No connection, or it broke, and all attempts are used up. A call that cannot be repeated was not sent."""


class PleoTimeout(PleoError):
    """Pleo did not answer in time. A call that cannot be repeated was not sent."""


class PleoUnclear(PleoError):
    """A call that cannot be repeated was sent and no clear answer came: Pleo may or may not have done it.

    Read the job to find out. `status` is the HTTP status, None where not even that arrived; `retry_after_s` is how long
    Pleo asked to wait, in seconds, None where it named no time.
    """

    def __init__(self, sentence: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after_s = retry_after_s


class PleoAnswerUnreadable(PleoError):
    """The answer is not JSON, of the wrong shape, too large, cut off, or packed in a way nobody asked for."""


class PleoRefused(PleoError):
    """Pleo answered with an error status.

    `status` is the HTTP status, `type` Pleo's name for the error ("" where it gave none), `message` Pleo's own text,
    trimmed and printable.
    """

    def __init__(self, sentence: str, *, status: int, type: str = "", message: str = "") -> None:  # noqa: A002 - Pleo's word
        super().__init__(sentence)
        self.status = status
        self.type = type
        self.message = message


class PleoNotAuthenticated(PleoRefused):
    """401: the token or API key is missing, wrong or expired."""


class PleoNotAuthorized(PleoRefused):
    """403: the token or API key lacks the right."""


class PleoNotFound(PleoRefused):
    """404: no such job or item, or not ours to see."""


class ExportAlreadyInProgress(PleoRefused):
    """409: the company has an unfinished export job."""


class MissingContraAccounts(PleoRefused):
    """400: at least one Pleo account has no contra account."""


class PleoBadRequest(PleoRefused):
    """Any other 4xx."""


class TooManyItems(PleoRefused):
    """413: more than 100 items in one update."""


class JobStatusUnprocessable(PleoRefused):
    """422: the job has ended; nothing of it can be read or updated any more."""


class InvalidJobStatusChange(PleoRefused):
    """422: the job's present status does not allow the event."""


class PleoRateLimited(PleoRefused):
    """429: too many calls. `retry_after_s` is what Pleo asked for, in seconds, None where it named no time."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int = 429,
        type: str = "",  # noqa: A002 - Pleo's word
        message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(sentence, status=status, type=type, message=message)
        self.retry_after_s = retry_after_s


class PleoServerFault(PleoRefused):
    """5xx: Pleo, or something in front of it, failed."""


class PleoLoginNeeded(PleoError):
    """There is no login at Pleo that works: a person has to log in. Nothing was sent, and trying again is no use."""


class PleoLoginRefused(PleoRefused):
    """Pleo's authorization server refused; `type` is its name for that, such as `invalid_client`."""


class JobEventConflict(PleoError):
    """The job stands where our event can no longer take it; `job` is as Pleo has it, `event` what we wanted."""

    def __init__(self, sentence: str, *, job: ExportJob, event: JobEvent) -> None:
        super().__init__(sentence)
        self.job = job
        self.event = event


class ReceiptError(TallybookError):
    """A receipt could not be fetched."""


class ReceiptUnavailable(ReceiptError):
    """The link is dead, answers with an error, or is too slow; or there is no room on disk."""


class ReceiptLinkExpired(ReceiptUnavailable):
    """The link answers as one does whose time is over, or that never was one; a new one may be had from Pleo."""


class ReceiptTooLarge(ReceiptError):
    """The file is larger than allowed."""


class ReceiptUnsupported(ReceiptError):
    """The file is, by its content, none of the types Pleo hands over."""


class ReceiptLinkRefused(ReceiptError):
    """The link leads where we do not go: host not allowed, not https, a private address, a redirect elsewhere."""


def printable(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Make text from outside safe to show: one line, no control or invisible characters, at most `length_max` long."""
    # Cut first: a megabyte of message is not worth walking through.
    shown = "".join(sign if sign.isprintable() else " " for sign in text[: length_max * 4])
    shown = re.sub(r" +", " ", shown).strip()
    return shown if len(shown) <= length_max else shown[: length_max - 1].rstrip() + "…"
