"""Helm, and the system with its default values."""

import pytest
import tools
from helm import Find, Helm, Manifest


@pytest.fixture(scope="session")
def helm() -> Helm:
    try:
        return Helm(tools.helm())
    except tools.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def everything(helm: Helm) -> list[Manifest]:
    """The system and its data stores, with their default values."""
    return [*helm.template("data-stores", release="data-stores"), *helm.template("reserva-estoque")]


@pytest.fixture
def find(everything: list[Manifest]) -> Find:
    return lambda kind: [m for m in everything if m["kind"] == kind]
