"""``python -m pedidos``."""

import reservaestoque.imports  # noqa: F401  # isort: split
from pedidos.app import run
from pedidos.settings import PedidosSettings
from reservaestoque import runtime
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs, exporting_traces


def main() -> None:
    """Reads the settings and runs the service."""
    settings = load(PedidosSettings)
    configure_logs("pedidos", settings.log_level)
    with exporting_traces("pedidos"):
        runtime.run(run(settings))


if __name__ == "__main__":
    main()
