"""`make migration`: functions have one home, and migrations bring copies of it."""

from pathlib import Path

import pytest
from migration import ROOT, SERVICES, copies, definitions, draft, newest_copies, refreshed

OLD = "create or replace function f() returns int language sql as 'select 1';\n"
NEW = OLD.replace("1", "2")
VIEW = "create or replace view v as\nselect 1;\n\ncomment on view v is 'one';\n"
OTHER = OLD.replace("function f", "function g")


@pytest.mark.parametrize("service", SERVICES)
def test_the_newest_copy_of_a_definition_equals_its_file(service: str):
    db = ROOT / "services" / service / "db"
    files, made = definitions(db), newest_copies(db)
    different = [name for name, text in files.items() if made.get(name) != text]
    assert not different, f"make migration SERVICE={service} NAME=…"
    assert files


def test_the_newest_copy_of_each_definition_wins(tmp_path: Path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/1.sql").write_text(draft({"f": OLD, "v": VIEW}, {}))
    (tmp_path / "migrations/2.sql").write_text(draft({"f": NEW}, {"f": OLD}))
    assert newest_copies(tmp_path) == {"f": NEW, "v": VIEW}


def test_a_draft_installs_what_changed_and_reverts_it():
    up, down = draft({"f": NEW, "v": VIEW + OTHER}, {"f": OLD}).split("-- migrate:down\n")
    assert copies(up) == {"f": NEW, "v": VIEW + OTHER}
    assert OLD in down
    assert "drop function g;\ndrop view v;\n" in down
    assert down.index("drop") < down.index(OLD), "in the opposite order"


def test_a_draft_without_changes_has_both_parts():
    assert draft({}, {}).split() == ["--", "migrate:up", "--", "migrate:down"]


def test_only_copies_in_the_up_part_are_refreshed():
    migration = draft({"f": OLD}, {"f": OLD}).replace("-- migrate:up\n", "-- migrate:up\n\ncreate table t (n int);\n")
    again = refreshed(migration, {"f": NEW})
    assert copies(again) == {"f": NEW}
    assert again.endswith(f"-- migrate:down\n\n{OLD}")
    assert "create table t" in again
    with pytest.raises(KeyError):
        refreshed(migration, {})
