"""Programs that are installed as Python wheels."""

from importlib.util import find_spec
from pathlib import Path

from local_system.errors import LocalSystemError


def folder(package: str) -> Path:
    """The folder of an installed package, found without importing it (some packages do much work on import)."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise LocalSystemError(
            f"the Python package {package} is missing: run `make up`, or install requirements/local.txt"
        )
    return Path(spec.origin).parent
