"""A pytest plugin: the fixture `system` of a folder's conftest lives from the folder's first test to its last one.

Its scope is `session`; the scope `package` would need packages. Five idle systems take a fifth of two cores.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest

_started: list[tuple[pytest.FixtureDef[Any], Any]] = []


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: Any) -> None:
    """Records the system to stop."""
    if fixturedef.argname == "system":
        _started.append((fixturedef, request))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stops the systems of folders that the next test is not in; a later test of the folder starts it again."""
    if nextitem is None:
        return
    for system in _started.copy():
        definition, request = system
        if not nextitem.path.is_relative_to(Path(inspect.getfile(definition.func)).parent):
            _started.remove(system)
            definition.finish(request)
