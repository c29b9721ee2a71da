"""Traps of the layout that would be hard to find later."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_operator_folder_does_not_shadow_pythons_operator():
    assert (ROOT / "operator").is_dir()
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_requirements_are_hashed_and_name_no_address(file: Path):
    text = file.read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index" not in text.lower()


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "package-lock.json", "poetry.lock"])
def test_there_is_no_lock_file_with_download_addresses(name: str):
    assert not list(ROOT.glob(f"[!.]*/**/{name}")) + list(ROOT.glob(name))
