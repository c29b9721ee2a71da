"""The program `reserva`, also available as `kubectl reserva`."""

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Runs the command line and exits with its code."""
    _require_extra()
    from reserva.cli.app import run  # noqa: PLC0415 - it needs the extra

    name = Path(sys.argv[0]).name
    sys.exit(run(sys.argv[1:], "kubectl reserva" if name.startswith("kubectl") else "reserva"))


def kubectl_complete() -> None:
    """Completes words for kubectl, which looks for a program of this name."""
    _require_extra()
    from reserva.cli.app import complete_for_kubectl  # noqa: PLC0415 - it needs the extra

    complete_for_kubectl(sys.argv[1:])


def _require_extra() -> None:
    if find_spec("click") is None or find_spec("rich") is None:
        sys.exit("reserva: the command line needs its extra: pip install 'reservaestoque-reserva[cli]'")


if __name__ == "__main__":
    main()
