"""Which failures pass by themselves, and what they say about the server. What is listed nowhere is the fault of the
data and does not pass.
"""

import asyncpg

_TRANSIENT_CLASSES = (
    "08",  # connection exception
    "25",  # invalid transaction state: a fail-over left us on a read-only server, the session was idle for too long
    "26",  # invalid SQL statement name: the session lost its prepared statements
    "28",  # authorisation: a rotated password
    "3D",  # the database is not there (yet)
    "40",  # serialization failure, deadlock
    "42",  # schema or privileges do not fit this release: a migration is under way
    "53",  # insufficient resources
    "54",  # program limit exceeded: settings of the server; what our data can reach is bounded before it gets there
    "55",  # object not in prerequisite state: lock not available
    "57",  # operator intervention: shutdown, cancelled statement
    "58",  # system error
    "XX",  # internal error: damaged pages and catalogues, until they are repaired
)

_SERVER_CLASSES = (
    "08",
    "25006",  # read-only transaction: not the primary any more, or an administrator stopped writes
    "26",
    "57P",  # shutting down, starting, crashed
    "58",
    "XX",
)


class SlowStatementError(TimeoutError):
    """A statement was not answered within a time limit of its own, shorter than that of the pool.

    It says nothing about the server: the statement may have much to read.
    """


class CrowdedError(Exception):
    """So many wait for the database already that one more is sent away at once, to come again shortly."""


def is_transient(fault: BaseException) -> bool:
    """True when trying the same again later may succeed: the server or the network failed, not the data."""
    if isinstance(fault, asyncpg.PostgresError):
        # A migration has changed what a prepared statement returns; the next attempt prepares it again.
        stale_plan = isinstance(fault, asyncpg.InvalidCachedStatementError)
        return stale_plan or (fault.sqlstate or "08").startswith(_TRANSIENT_CLASSES)
    # What asyncpg says of our arguments is an InterfaceError and a ValueError; of a broken connection, the former
    # alone, or an InternalClientError when it broke in the middle of an answer.
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
