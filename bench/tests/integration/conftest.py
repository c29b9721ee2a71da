import pytest

from bench.load_generator import GeneratorError, wrk_path


@pytest.fixture
def load_generator() -> None:
    """Skips where wrk is missing; `make test` installs it where it can."""
    try:
        wrk_path()
    except GeneratorError as missing:
        pytest.skip(str(missing))
