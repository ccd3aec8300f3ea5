"""`tallybook run --now`: ask the server that is running to look for export jobs at once."""

import ipaddress

import httpx

from tallybook.errors import SettingsError, TallybookError
from tallybook.listening.endpoints import RUN_PATH
from tallybook.settings import ServeSettings

_ANSWER_WITHIN_S = 10.0


def look_now(serve: ServeSettings, company_id: str | None) -> list[str]:
    """Ask the server at `serve.listen` to look now; returns the ids of the companies it looks at.

    Repeat: safe; it looks again.
    Raises:
        SettingsError: there is no token, or the port is not a fixed one.
        TallybookError: no server answers there, or it refuses.
    """
    token = serve.bearer()
    if token is None:
        raise SettingsError(["run --now needs the server's token; set serve.token_file, for the server as well"])
    if serve.port == 0:
        raise SettingsError(["run --now needs the server's address; set serve.listen to a fixed port"])
    url = f"http://{_reachable(serve.host)}:{serve.port}"
    body = {} if company_id is None else {"company": company_id}
    header = {"authorization": f"Bearer {token.get_secret_value()}"}
    try:
        answer = httpx.post(f"{url}{RUN_PATH}", json=body, headers=header, timeout=_ANSWER_WITHIN_S, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise TallybookError(
            f"no `tallybook serve` answers at {url} ({type(error).__name__}); start one, or run without --now"
        ) from None
    if answer.status_code != httpx.codes.ACCEPTED or not isinstance(said, dict):
        why = said.get("message") if isinstance(said, dict) else None
        raise TallybookError(f"the server at {url} refused ({answer.status_code}): {why or 'it gave no reason'}")
    return [str(each) for each in said.get("looking", [])]


def _reachable(host: str) -> str:
    """Where a server that listens at `host` is reached from this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:  # it listens everywhere, so also here
        return "127.0.0.1" if address.version == 4 else "[::1]"  # noqa: PLR2004 - IPv4
    return host if address.version == 4 else f"[{host}]"  # noqa: PLR2004 - IPv4
