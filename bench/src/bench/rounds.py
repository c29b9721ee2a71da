"""Interleaved rounds: baseline, system, baseline, system, … Keeps the raw data and audits after each run."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import baseline
from bench.cpu import OTHERS
from bench.environment import describe
from bench.plan import Measurement, Plan, Scenario
from bench.shop import Shop
from bench.tables import tables
from local_system import Config, Ports, System
from local_system.config import SETTINGS, parse_replicas

ATTEMPTS = 5


def run(scenarios: Sequence[Scenario], plan: Plan, rounds: int, folder: Path) -> str:
    """Runs the rounds and returns the tables. Writes raw data below `folder`, one file per measurement."""
    with new_shop(folder) as (shop, data):
        (data / "environment.json").write_text(json.dumps(describe(shop.system, plan), indent=1) + "\n")
        measurements = [
            measure_quietly(shop, scenario, plan, round_number, data)
            for round_number in range(1, rounds + 1)
            for scenario in scenarios
        ]
        for scenario in scenarios:
            if scenario.at_end:
                scenario.at_end(shop)
    text = tables(measurements)
    (data / "tables.md").write_text(text + "\n")
    return f"{text}\n\nraw data: {data}"


@contextmanager
def new_shop(folder: Path) -> Iterator[tuple[Shop, Path]]:
    """Starts a separate system for the block; yields it with a new folder for raw data."""
    folder = folder.absolute()
    data = folder / time.strftime("%Y%m%dT%H%M%S")
    data.mkdir(parents=True)
    with _new_system(folder / "system") as system:
        shop = Shop(system, folder / "work")
        shop.warm_up()
        yield shop, data


def _new_system(state: Path) -> System:
    """An empty system on free ports; settings and REPLICAS come from the environment."""
    if state.exists():
        System(Config(state=state)).clean()
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    replicas = parse_replicas(os.environ.get("REPLICAS", ""))
    return System(Config(state=state, ports=Ports.free(), replicas=replicas, settings=settings))


def measure_quietly(shop: Shop, scenario: Scenario, plan: Plan, round_number: int, data: Path) -> Measurement:
    """Measures, and repeats that while other processes use more CPU than the plan allows. Keeps every attempt."""
    for attempt in range(1, ATTEMPTS + 1):
        measurement = _measure(shop, scenario, plan, round_number)
        noisy = _others(measurement) > plan.others and attempt < ATTEMPTS
        name = f"{round_number:02}-{scenario.name}" + (f"-discarded-{attempt}" if noisy else "")
        (data / f"{name}.json").write_text(json.dumps(measurement, indent=1) + "\n")
        print(_report(measurement) + (": repeating" if noisy else ""), flush=True)
        if not noisy:
            break
    return measurement


def _measure(shop: Shop, scenario: Scenario, plan: Plan, round_number: int) -> Measurement:
    measurement: Measurement = {"scenario": scenario.name, "round": round_number, "started_at": time.time()}
    if scenario.baseline:
        baseline.prepare(shop.system)
        measured = baseline.measure(shop.system, scenario.baseline, min(10, plan.seconds))
        measurement["baseline"] = {"script": scenario.baseline, **measured._asdict()}
    if scenario.limit:
        baseline.prepare(shop.system)
        measured = baseline.measure_limit(shop.system, scenario.limit, min(10, plan.seconds))
        measurement["limit"] = {"script": scenario.limit, **measured._asdict()}
    measurement |= scenario.measure(shop, plan)
    if not scenario.at_end and "conferir" not in measurement:
        measurement["conferir"] = shop.conferir()
    return measurement


def _others(measurement: Measurement) -> float:
    return float(measurement["cpu"].get(OTHERS, 0.0) / measurement["measured_seconds"])


def _report(measurement: Measurement) -> str:
    text = f"round {measurement['round']}: {measurement['scenario']} {measurement['per_second']:,.0f}/s"
    if "baseline" in measurement:
        text += f", baseline {measurement['baseline']['per_second']:,.0f}/s"
    if "client" in measurement:
        text += f", p50 {measurement['client']['p50']:.1f} ms, p99 {measurement['client']['p99']:.1f} ms"
        if measurement["client"]["failures"]:
            text += f", {measurement['client']['failures']} NOT DECIDED"
        if measurement["client"]["late"] > measurement["client"]["total"] / 100:
            text += f", {measurement['client']['late']} SENT LATE"
    return f"{text}, {_others(measurement):.0%} of a core used by others"
