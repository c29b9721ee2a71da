"""Raw data of a run against the model."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import model_cli
from bench.cli import main, parser
from bench.model_validation import background, compare, cpu_per_order, measured, setup_of, skipped

ENVIRONMENT = {
    "cores": 2,
    "revision": "abc",
    "processor": "EPYC",
    "configuration": {"replicas": {"pedidos": 2, "estoque": 1}},
    "plan": {"connections": 300},
}
CPU = {
    "pedidos-1": 2.0,
    "pedidos-2": 1.6,
    "gateway": 2.2,
    "postgres-pedidos: pedidos": 1.3,
    "postgres-pedidos: walwriter": 0.3,
    "postgres-pedidos: conferente": 0.2,
    "postgres-estoque": 0.1,
    "postgres-estoque: estoque": 1.3,
    "estoque-1": 1.2,
    "rabbitmq": 0.4,
    "wrk": 0.4,
    "conferir": 0.3,
    "others on this machine": 0.5,
}


def measurement(scenario: str, **more: Any) -> dict[str, Any]:
    """Ten seconds of 2,000 orders/s."""
    seen = {"scenario": scenario, "round": 1, "per_second": 2_000.0, "measured_seconds": 10.0, "cpu": CPU}
    return {**seen, "client": {"p50": 120.0, "p99": 200.0, "total": 20_000}, **more}


RUN = [
    measurement("e2e-uniform-3"),
    measurement("half-uniform-3", per_second=1_000.0, requested_per_second=1_000),
    measurement("unloaded", per_second=90.0, client={"p50": 10.0, "p99": 20.0}),
    measurement("mass-expiry"),
]


def folder(tmp_path: Path) -> Path:
    """A run with one attempt that was discarded."""
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    for one in [*RUN, measurement("e2e-uniform-3", per_second=1.0)]:
        name = f"01-{one['scenario']}" + ("-discarded-1" if one["per_second"] == 1.0 else "")
        (tmp_path / f"{name}.json").write_text(json.dumps(one))
    return tmp_path


def test_processes_belong_to_parts() -> None:
    spent = cpu_per_order(RUN[0])
    assert spent["pedidos"] == pytest.approx(0.18)
    assert spent["pedidos-db"] == pytest.approx(0.08)
    assert spent["estoque-db"] == pytest.approx(0.07)
    assert spent["generator"] == pytest.approx(0.02)
    assert background(RUN[0]) == pytest.approx(0.1)


def test_the_whole_queue_counts_for_estoque_alone() -> None:
    alone = measurement("estoque-uniform-3", decisions={"pedidos": 12_000})
    assert cpu_per_order(alone)["estoque"] == pytest.approx(0.1)


def test_the_setup_of_a_run_is_read_from_its_environment() -> None:
    assert (setup_of(ENVIRONMENT).pedidos, setup_of(ENVIRONMENT).cores) == (2, 2)
    assert setup_of(ENVIRONMENT, 1).cores == 1


def test_every_figure_is_compared() -> None:
    seen = {
        (c.scenario, c.figure): c
        for c in compare(model_cli.read_parameters(model_cli.PARAMETERS), setup_of(ENVIRONMENT), 300, RUN)
    }
    assert len(seen) == 12
    rate = seen["e2e-uniform-3", "orders/s"]
    assert rate.ratio == pytest.approx(rate.predicted / 2_000)
    assert rate.predicted > 2_000
    assert seen["half-uniform-3", "orders/s"].ratio == pytest.approx(1, rel=0.05)
    assert skipped(RUN) == ["mass-expiry"]


def test_an_overload_is_reported_as_such() -> None:
    run = [measurement("half-hot-3", requested_per_second=9_000)]
    parameters = model_cli.read_parameters(model_cli.PARAMETERS)
    [only] = compare(parameters, setup_of(ENVIRONMENT), 300, run)
    assert (only.figure, only.ratio) == ("orders/s (overload)", 0)


def test_a_fit_needs_saturated_constant_rate_and_unloaded_measurements() -> None:
    seen = measured(RUN, 300)
    assert (seen.rate, seen.unloaded_p50, seen.customers) == (1_000, 10, 300)
    assert seen.at_rate["pedidos"] == pytest.approx(2 * seen.saturated["pedidos"])
    with pytest.raises(KeyError, match="unloaded"):
        measured(RUN[:2], 300)


def test_a_run_is_compared_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate-model", str(folder(tmp_path))]) == 0
    printed = capsys.readouterr().out
    assert "| e2e-uniform-3  |" in printed
    assert printed.count("e2e-uniform-3") == 4
    assert "not modelled: mass-expiry" in printed


def test_others_do_not_share_the_cores_of_a_confined_run(tmp_path: Path) -> None:
    _, run = model_cli.read_run(folder(tmp_path), confined=True)
    assert len(run) == len(RUN)
    assert background(run[0]) == pytest.approx(0.05)


def test_fitted_parameters_can_be_read_as_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-model", str(folder(tmp_path))]) == 0
    file = tmp_path / "parameters.json"
    file.write_text(capsys.readouterr().out)
    fitted = model_cli.read_parameters(file)
    assert fitted.background == pytest.approx(0.1)
    assert "revision abc" in json.loads(file.read_text())["costs"]["pedidos"]["source"]


def test_a_run_without_environment_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate-model", str(tmp_path)]) == 1
    assert "environment.json" in capsys.readouterr().err


def test_predictions_are_printed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--pedidos", "1,2", "--estoque", "1", "--cores", "2", "--connections", "100"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert parser().parse_args(["model"]).pedidos == [1, 2, 4]
