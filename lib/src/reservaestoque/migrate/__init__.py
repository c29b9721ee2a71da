"""Migrations while the system runs: dbmate with a bound on lock waits, tried again until nobody is in the way."""

from reservaestoque.migrate.runner import MigrationError, migrate

__all__ = ["MigrationError", "migrate"]
