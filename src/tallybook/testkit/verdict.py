"""How the kit says what it found: a failed test in one sentence, or a proof that does not apply, with the reason."""

from typing import NoReturn

import pytest


class Unproven(AssertionError):
    """The adapter broke a promise of the port; the sentence says which, with the values."""


def require(promise: object, sentence: str) -> None:
    """Fail the test with the sentence unless the promise is kept.

    Raises:
        Unproven: it is not.
    """
    __tracebackhide__ = True
    if not promise:
        raise Unproven(sentence)


def not_applicable(reason: str) -> NoReturn:
    """End a test that asks for something this accounting system cannot do; pytest lists it with its reason."""
    __tracebackhide__ = True
    pytest.skip(f"not applicable: {reason}")
