"""docs/logs.md lists what the code logs."""

from pathlib import Path

import log_reference
import pytest


def test_the_reference_is_up_to_date():
    assert log_reference.page() == log_reference.PAGE.read_text(), "run `make reference`"


def test_every_described_event_is_logged():
    assert all(f"| `{event}` |" in log_reference.PAGE.read_text() for event in log_reference.MEANINGS)


def read(tmp_path: Path, source: str) -> list[log_reference.Logged]:
    (tmp_path / "shop.py").write_text("_log = logger(__name__)\n" + source)
    return list(log_reference.calls(tmp_path / "shop.py", tmp_path))


def test_a_call_is_read_from_the_source(tmp_path: Path):
    (call,) = read(tmp_path, "def f():\n    _log.warning('sold_out', sku=1)\n    other.info('x')\n")
    assert call == ("sold_out", "warning", ("sku",), "shop")


@pytest.mark.parametrize("words", ["name", "'a', **fields", "f'{a}'", "'two words', 3"])
def test_a_call_that_cannot_be_read_is_an_error(tmp_path: Path, words: str):
    with pytest.raises(log_reference.UnreadableCallError, match="shop, line 2"):
        read(tmp_path, f"_log.info({words})\n")
