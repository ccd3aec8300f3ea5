"""How tests are shared out when several processes run them (`make test`).

A file stays together, because its fixtures are dear; so do folders whose tests share one server or one checkout.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOGETHER = ("adapters/tryton", "docs")
LONG = ("faults/test_matrix.py", "faults/test_sweep.py", "adapters/tryton")  # first, or all the others wait for them


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of every test, for `--dist loadgroup`, and put the long ones first."""
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: LONG.index(groups[item]) if groups[item] in LONG else len(LONG))


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(TESTS).as_posix()
    return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)
