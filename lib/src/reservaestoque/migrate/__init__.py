"""Migrations on a running system: dbmate with bounded lock waits, retried until no other session blocks it."""

from reservaestoque.migrate.runner import MigrationError, migrate

__all__ = ["MigrationError", "migrate"]
