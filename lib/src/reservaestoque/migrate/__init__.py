"""Migrations while the system runs: dbmate with a bound on lock waits, retried until no other session blocks it."""

from reservaestoque.migrate.runner import MigrationError, migrate

__all__ = ["MigrationError", "migrate"]
