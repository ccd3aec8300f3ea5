"""Sealing what is kept: Fernet (AES-128-CBC with HMAC-SHA256), keys from the settings, never from the database."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tallybook.errors import SettingsError, TallybookError


class SealBroken(TallybookError):
    """What was kept cannot be opened: another key, or somebody changed it."""


class Vault:
    """Seals with the first key and opens with any of them."""

    __slots__ = ("__fernet",)

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self.__fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            problem = (
                "secrets: a key must be 32 bytes as URL-safe base64; name a file that is not there yet in"
                " secrets.key_file, and `tallybook login` makes one"
            )
            raise SettingsError([problem]) from None

    def __repr__(self) -> str:
        return "<vault>"

    def seal(self, content: Mapping[str, str]) -> str:
        """Seal texts as one.

        Repeat: another seal over the same.
        """
        return self.__fernet.encrypt(json.dumps(content).encode()).decode("ascii")

    def opened(self, sealed: str) -> dict[str, str]:
        """Open what `seal` made.

        Repeat: safe.
        Raises:
            SealBroken: it was sealed with another key, or is not as it was sealed.
        """
        try:
            content = json.loads(self.__fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            raise SealBroken("it was sealed with another key, or changed since") from None
        return {str(name): str(text) for name, text in content.items()}


def make_key_file(path: Path) -> None:
    """Write a new key to a new file, for its owner alone.

    Repeat: refused; what is sealed needs the key it was sealed with.
    Raises:
        SettingsError: the file cannot be written, or is there already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
    except OSError as error:
        raise SettingsError([f"secrets.key_file: {path} cannot be written ({error.strerror})"]) from error
