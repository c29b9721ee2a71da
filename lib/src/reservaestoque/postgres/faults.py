"""Separates transient failures from permanent ones, and faults of the server from those of a statement.

A fault that is not listed is caused by the data and is permanent.
"""

import asyncpg

_TRANSIENT_CLASSES = (
    "08",  # connection exception
    "25",  # invalid transaction state: a fail-over left us on a read-only server, or the session idled too long
    "26",  # invalid SQL statement name: the session lost its prepared statements
    "28",  # authorisation: a rotated password
    "3D",  # the database does not exist (yet)
    "40",  # serialization failure, deadlock
    "42",  # schema or privileges do not fit this release: a migration is under way
    "53",  # insufficient resources
    "54",  # program limit exceeded: the server's settings; limits that our data could reach are enforced earlier
    "55",  # object not in prerequisite state: lock not available
    "57",  # operator intervention: shutdown, cancelled statement
    "58",  # system error
    "XX",  # internal error: damaged pages and catalogues, until they are repaired
)

_SERVER_CLASSES = (
    "08",
    "25006",  # read-only transaction: no longer the primary, or an administrator stopped writes
    "26",
    "57P",  # shutting down, starting, crashed
    "58",
    "XX",
)


class SlowStatementError(TimeoutError):
    """A statement was not answered within its own time limit, which is shorter than that of the pool.

    That is no evidence against the server: the statement may have much to read.
    """


class CrowdedError(Exception):
    """Too many callers are waiting for the database: this one is rejected at once and should retry shortly."""


def is_transient(fault: BaseException) -> bool:
    """True when a retry may succeed: the server or the network failed, not the data."""
    if isinstance(fault, asyncpg.PostgresError):
        # A migration has changed what a prepared statement returns; the next attempt prepares it again.
        stale_plan = isinstance(fault, asyncpg.InvalidCachedStatementError)
        return stale_plan or (fault.sqlstate or "08").startswith(_TRANSIENT_CLASSES)
    # asyncpg reports bad arguments as both an InterfaceError and a ValueError; a broken connection as the former
    # alone, or as an InternalClientError when it broke in the middle of an answer.
    if isinstance(fault, asyncpg.InterfaceError):
        return not isinstance(fault, ValueError)
    return isinstance(fault, OSError | asyncpg.InternalClientError | CrowdedError)


def is_contended(fault: BaseException) -> bool:
    """True for a lock timeout: another session holds the lock, and other rows may be free."""
    return isinstance(fault, asyncpg.LockNotAvailableError)


def blames_server(fault: BaseException) -> bool:
    """True when the server or the session is at fault, not the statement: another connection may do better."""
    if isinstance(fault, asyncpg.PostgresError):
        return (fault.sqlstate or "08").startswith(_SERVER_CLASSES)
    if isinstance(fault, SlowStatementError):
        return False
    return isinstance(fault, OSError | asyncpg.InterfaceError) and is_transient(fault)
