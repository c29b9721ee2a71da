"""Which failures of the database are transient."""

import asyncpg
import pytest

from reservaestoque.postgres import is_transient


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.AdminShutdownError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.UndefinedTableError(),
        asyncpg.ReadOnlySQLTransactionError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_transient_faults(fault: Exception):
    assert is_transient(fault)


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.CheckViolationError(),
        asyncpg.UniqueViolationError(),
        asyncpg.CharacterNotInRepertoireError(),
        asyncpg.exceptions._base.DataError("invalid input for query argument $1"),
        ValueError(),
        KeyError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_permanent_faults(fault: Exception):
    assert not is_transient(fault)
