"""Which migrations run under a lock timeout, which failures are retried, how the address changes."""

import pytest

from reservaestoque.migrate.plan import Stage, explained, is_retryable, stages, with_lock_timeout

PLAIN = "-- migrate:up\nalter table t add column n int;\n-- migrate:down\nalter table t drop column n;\n"
CONCURRENT = "-- migrate:up transaction:false\ncreate index concurrently i on t (n);\n-- migrate:down\n"
BOUNDED, UNBOUNDED = Stage(("1.sql",), bounded=True), Stage(("1.sql",), bounded=False)


def test_migrations_in_transactions_run_in_one_go():
    assert stages({"2.sql": PLAIN, "1.sql": PLAIN}) == [Stage(("1.sql", "2.sql"), bounded=True)]
    assert stages({}) == []


def test_concurrent_builds_run_alone_without_a_lock_timeout():
    texts = {"1.sql": PLAIN, "2.sql": CONCURRENT, "3.sql": CONCURRENT, "4.sql": PLAIN}
    assert stages(texts) == [
        Stage(("1.sql",), bounded=True),
        Stage(("1.sql", "2.sql", "3.sql"), bounded=False),
        Stage(("1.sql", "2.sql", "3.sql", "4.sql"), bounded=True),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "-- migrate:up transaction:false\nalter table t add column n int;\n-- migrate:down\n",
        "-- migrate:up\n-- later: concurrently\nselect 1;\n-- migrate:down\n",
        f"{PLAIN.replace('down', 'down transaction:false')}drop index concurrently i;\n",
    ],
    ids=["not concurrent", "in a transaction", "concurrent on the way down only"],
)
def test_everything_else_waits_for_locks_only_briefly(text: str):
    assert [stage.bounded for stage in stages({"1.sql": text})] == [True]


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("Applying: 1.sql\nError: pq: canceling statement due to lock timeout (55P03)", True),
        ("Error: pq: cancelando comando por causa do tempo de espera (lock timeout) (55P03)\n", True),
        ('Error: pq: could not obtain lock on relation "t" (55P03)', True),
        ("Error: pq: deadlock detected (40P01)", True),
        ('Error: pq: relation "t" does not exist at position 1:13 (42P01)', False),
        ("Error: pq: canceling statement due to statement timeout (57014)", False),
        ("Error: pq: lock timeout (55P03)\nis what the last one said (P0001)", False),
        ("Error: dial tcp 127.0.0.1:1: connect: connection refused", False),
        ("dbmate ended with -9", False),
    ],
)
def test_only_failures_caused_by_another_sessions_lock_are_retried(said: str, again: bool):
    assert is_retryable(BOUNDED, said) is again


def test_migrations_outside_a_transaction_are_not_retried():
    """It may have left something behind: an invalid index."""
    assert not is_retryable(UNBOUNDED, "Applying: 1.sql\nError: pq: deadlock detected (40P01)")


@pytest.mark.parametrize("stage", [BOUNDED, UNBOUNDED])
def test_it_retries_when_another_process_is_migrating(stage: Stage):
    said = "Error: timed out after 500ms waiting for migration lock (is another dbmate instance running?)"
    assert is_retryable(stage, said)


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("postgres://u:p@h:5432/db", "postgres://u:p@h:5432/db?lock_timeout=2000"),
        ("postgresql://u:p@h/db?sslmode=require", "postgresql://u:p@h/db?lock_timeout=2000&sslmode=require"),
        (
            "postgres://u:p%40%3F@a,b:5432/db?target_session_attrs=read-write",
            "postgres://u:p%40%3F@a,b:5432/db?lock_timeout=2000&target_session_attrs=read-write",
        ),
        ("postgres:///db?host=/run/postgresql", "postgres:///db?lock_timeout=2000&host=/run/postgresql"),
        # The first parameter of a name counts.
        ("postgres://h/db?lock_timeout=0", "postgres://h/db?lock_timeout=2000&lock_timeout=0"),
    ],
)
def test_the_lock_timeout_is_added_and_the_rest_of_the_address_unchanged(url: str, changed: str):
    assert with_lock_timeout(url, 2000) == changed


@pytest.mark.parametrize(
    "url", ["", "mysql://h/db", "postgres://u:se?cret@h/db", "postgres://u:se#cret@h/db", "secret"]
)
def test_an_invalid_address_is_refused_without_repeating_it(url: str):
    with pytest.raises(ValueError, match="not an address") as refused:
        with_lock_timeout(url, 2000)
    assert "cret" not in str(refused.value)


def test_a_database_created_by_other_migrations_is_explained():
    output = 'Applying: 1.sql\nError: pq: relation "estoque" already exists (42P07)'
    assert explained(BOUNDED, output).startswith(output + "\nOther migrations than these")
    assert "make clean" in explained(BOUNDED, output)


def test_an_index_left_behind_by_an_interrupted_attempt_is_not_blamed_on_other_migrations():
    output = 'Applying: 2.sql\nError: pq: relation "t_n" already exists (42P07)'
    assert explained(UNBOUNDED, output) == output


@pytest.mark.parametrize("output", ["Error: pq: syntax error (42601)", "dbmate ended with 1"])
def test_any_other_failure_is_reported_as_it_is(output: str):
    assert explained(BOUNDED, output) == output
