"""The stage of whole exports serves here too."""

from tests.flow.conftest import stage

__all__ = ["stage"]
