"""The parsers of the programs that people run, besides `reserva`."""

import argparse
from collections.abc import Callable

import bench.cli
import conferir.cli
import demo.__main__
import local_system.cli
import reservaestoque.dlq.cli
import reservaestoque.migrate.__main__

PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "python -m conferir": conferir.cli.parser,
    "python -m reservaestoque.dlq": reservaestoque.dlq.cli.parser,
    "python -m reservaestoque.migrate": reservaestoque.migrate.__main__.parser,
    "python -m local_system": local_system.cli.parser,
    "python -m demo": demo.__main__.parser,
    "python -m bench": bench.cli.parser,
}
