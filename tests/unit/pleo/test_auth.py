"""Both ways to authenticate, and that neither gives its secret away."""

import base64
import copy
import pickle

import httpx
import pytest
from pydantic import SecretStr

from tallybook.errors import SettingsError
from tallybook.pleo.auth import api_key, bearer


def _header(auth: httpx.Auth) -> str:
    request = next(auth.auth_flow(httpx.Request("GET", "https://external.pleo.io")))
    return str(request.headers["authorization"])


def test_a_token_goes_as_bearer() -> None:
    """The access token is sent as it is, without the line end of the file it came from."""
    assert _header(bearer(SecretStr("abc.def\n"))) == "Bearer abc.def"


def test_a_key_goes_as_user_name_without_password() -> None:
    """Basic authentication has the key as user name and an empty password."""
    scheme, credential = _header(api_key("pleo_key")).split()
    assert (scheme, base64.b64decode(credential)) == ("Basic", b"pleo_key:")


@pytest.mark.parametrize("auth", [bearer("s3cret-token"), api_key("s3cret-token")])
def test_the_secret_does_not_show(auth: httpx.Auth) -> None:
    """Printing, formatting, pickling and copying reveal nothing."""
    encoded = base64.b64encode(b"s3cret-token:").decode()
    assert not any(form in f"{auth!r}{auth!s}" for form in ("s3cret", encoded))
    for store in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="not to be stored") as caught:
            store(auth)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("make", [bearer, api_key])
@pytest.mark.parametrize("secret", ["", "  ", "s3cret\r\nX-Evil: 1", "s3cret word", "s3cret-é", "s3cret\x00"])
def test_a_secret_no_header_can_carry_is_refused(make: type, secret: str) -> None:
    """It is refused here, where its text is not repeated."""
    with pytest.raises(SettingsError) as caught:
        make(secret)
    assert "s3cret" not in str(caught.value)


def test_a_key_with_a_colon_is_refused() -> None:
    """Basic authentication would cut the key in two."""
    with pytest.raises(SettingsError, match="colon"):
        api_key("a:b")
