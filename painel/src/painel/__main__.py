"""``python -m painel``."""

import reservaestoque.imports  # noqa: F401  # isort: split
from painel.app import run
from painel.settings import PainelSettings
from reservaestoque import runtime
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs, exporting_traces


def main() -> None:
    """Reads the settings and runs the panel."""
    settings = load(PainelSettings)
    configure_logs("painel", settings.log_level)
    with exporting_traces("painel"):
        runtime.run(run(settings))


if __name__ == "__main__":
    main()
