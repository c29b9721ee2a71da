"""``python -m estoque``."""

import reservaestoque.imports  # noqa: F401  # isort: split
from estoque.app import run
from estoque.settings import EstoqueSettings
from reservaestoque import runtime
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs, exporting_traces


def main() -> None:
    """Reads the settings and runs the service."""
    settings = load(EstoqueSettings)
    configure_logs("estoque", settings.log_level)
    with exporting_traces("estoque"):
        runtime.run(run(settings))


if __name__ == "__main__":
    main()
