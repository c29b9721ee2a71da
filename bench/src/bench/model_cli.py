"""The commands of the model. They start nothing: they read JSON and print tables."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import model_tables, model_validation
from bench.cpu import OTHERS
from bench.model import LAYOUTS
from bench.model_fit import fit
from bench.model_parameters import PARTS, Parameters, parse
from bench.shop import BenchError
from local_system.config import ROOT

PARAMETERS = ROOT / "bench" / "model" / "parameters.json"

Command = Callable[[argparse.Namespace], str]


def add_commands(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Adds `model`, `validate-model` and `fit-model` by means of `add` (name, function, text)."""
    predict = add("model", _predict, "predict orders/s and latency for numbers of replicas and cores")
    predict.add_argument("--pedidos", type=_numbers, default=[1, 2, 4], metavar="N,…", help="replicas of pedidos")
    predict.add_argument("--estoque", type=_numbers, default=[1, 2], metavar="N,…", help="replicas of estoque")
    predict.add_argument("--cores", type=_numbers, default=[2, 4, 8, 16], metavar="N,…", help="of each machine")
    predict.add_argument("--layout", choices=LAYOUTS, default="1", help="machines; `parts`: one for each part")
    predict.add_argument("--hot", action="store_true", help="one SKU in every order")
    predict.add_argument("--connections", type=int, default=768, help="customers per replica of pedidos")
    validate = add("validate-model", _validate, "compare the model with the raw data of a run of `measure`")
    adjust = add("fit-model", _fit, "print parameters fitted to the raw data of a run of `measure` with one replica")
    for command in (validate, adjust):
        command.add_argument("data", type=Path, metavar="DATA", help="a folder of raw data, .bench/<time>")
        command.add_argument("--cores", type=_positive, help="if the run was confined to fewer than the machine has")
    for command in (predict, validate, adjust):
        command.add_argument("--parameters", type=Path, default=PARAMETERS)


def _numbers(text: str) -> list[int]:
    return [_positive(word) for word in text.split(",")]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 1")
    return number


def _predict(arguments: argparse.Namespace) -> str:
    parameters = read_parameters(arguments.parameters)
    setups = model_tables.setups(
        arguments.pedidos, arguments.estoque, arguments.cores, arguments.layout, hot=arguments.hot
    )
    forecasts = [model_tables.forecast(parameters, setup, arguments.connections) for setup in setups]
    return model_tables.table(forecasts)


def _validate(arguments: argparse.Namespace) -> str:
    parameters = read_parameters(arguments.parameters)
    environment, run = read_run(arguments.data, confined=arguments.cores is not None)
    setup = model_validation.setup_of(environment, arguments.cores)
    connections = environment["plan"]["connections"]
    comparisons = list(model_validation.compare(parameters, setup, connections, run))
    if not comparisons:
        raise BenchError(f"{arguments.data} has no measurement that the model covers")
    return model_validation.table(comparisons, model_validation.skipped(run))


def _fit(arguments: argparse.Namespace) -> str:
    document = _read(arguments.parameters)
    environment, run = read_run(arguments.data, confined=arguments.cores is not None)
    setup = model_validation.setup_of(environment, arguments.cores)
    try:
        measured = model_validation.measured(run, environment["plan"]["connections"])
    except KeyError as missing:
        raise BenchError(f"{arguments.data} has no measurement of {missing}") from None
    others = [model_validation.background(one) for one in run if one["scenario"] == "e2e-uniform-3"]
    setup = replace(setup, background=sum(others) / len(others))
    fitted = replace(fit(parse(document), setup, measured), background=sum(others) / len(others))
    source = f"fitted by `fit-model` to a run of revision {environment['revision']}, {environment['processor']}"
    return json.dumps(_with(document, fitted, source), indent=1, ensure_ascii=False)


def _with(document: dict[str, Any], fitted: Parameters, source: str) -> dict[str, Any]:
    """The document with the figures that a fit changes."""
    costs = {
        part: {**{name: round(ms, 5) for name, ms in asdict(fitted.costs[part]).items()}, "source": source}
        for part in PARTS
    }
    others = {
        name: {"value": round(getattr(fitted, name), 5), "source": source}
        for name in ("background", "paced", "flush")
    }
    return {**document, "costs": costs, **others}


def read_parameters(file: Path) -> Parameters:
    """The parameters in a file. Raises BenchError when they are incomplete."""
    try:
        return parse(_read(file))
    except (KeyError, ValueError) as error:
        raise BenchError(f"{file}: {error}") from error


def read_run(folder: Path, *, confined: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`environment.json` of a run and its measurements, without discarded ones.

    `confined`: the run had some of the cores only, so other processes are taken to have used the rest.
    """
    files = [file for file in sorted(folder.glob("[0-9]*-*.json")) if "-discarded-" not in file.name]
    run = [_read(file) for file in files]
    for measurement in run if confined else ():
        measurement["cpu"].pop(OTHERS, None)
    return _read(folder / "environment.json"), run


def _read(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise BenchError(f"{file}: {error}") from error
    return document
