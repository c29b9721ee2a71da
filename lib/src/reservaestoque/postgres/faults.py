"""Which failures pass by themselves. What is not listed here is the fault of the data and will not."""

import asyncpg

_TRANSIENT_CLASSES = (
    "08",  # connection exception
    "25",  # invalid transaction state: a fail-over left us on a read-only server
    "28",  # authorisation: a rotated password
    "3D",  # the database is not there (yet)
    "40",  # serialization failure, deadlock
    "42",  # schema or privileges do not fit this release: a migration is under way
    "53",  # insufficient resources
    "55",  # object not in prerequisite state: lock not available
    "57",  # operator intervention: shutdown, cancelled statement
    "58",  # system error
)


class CrowdedError(Exception):
    """So many wait for the database already that one more is sent away at once, to come again shortly."""


def is_transient(fault: BaseException) -> bool:
    """True when trying the same again later may succeed: the server or the network failed, not the data."""
    if isinstance(fault, asyncpg.PostgresError):
        return (fault.sqlstate or "08").startswith(_TRANSIENT_CLASSES)
    # What asyncpg says of our arguments is an InterfaceError and a ValueError; of a broken connection, the former
    # alone, or an InternalClientError when it broke in the middle of an answer.
    if isinstance(fault, asyncpg.InterfaceError):
        return not isinstance(fault, ValueError)
    return isinstance(fault, OSError | asyncpg.InternalClientError | CrowdedError)
