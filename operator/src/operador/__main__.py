"""`python -m operador`."""

import sys

import reservaestoque.imports  # noqa: F401  # isort: split
from operador.app import run
from operador.cluster.access import AccessError
from operador.settings import OperadorSettings
from reservaestoque import runtime
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs, exporting_traces, logger


def main() -> None:
    """Runs the operator; exit code 1 when it fails."""
    settings = load(OperadorSettings)
    configure_logs("operador", settings.log_level)
    try:
        with exporting_traces("operador"):
            runtime.run(run(settings))
    except AccessError as fault:
        sys.exit(f"There is no access to the API server: {fault}")
    except Exception:
        logger("operador").exception("failed")
        sys.exit(1)


if __name__ == "__main__":
    main()
