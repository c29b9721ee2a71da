"""`make pictures`: draws each dashboard from a running Prometheus, a chart for each panel.

The pictures show what the queries return, in the layout and units of the dashboards; they are not drawn by Grafana.
They are taken on a separate local system while customers order, and written to docs/images/dashboard-*.png.
"""

import argparse
import html
import json
import math
import random
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import browser
import dashboards
import httpx
import screenshots
from dashboards import DASHBOARDS, Dashboard, Panel

from local_system import Config, Ports, System
from local_system.prometheus import NAMESPACE

COLUMN, ROW, GAP = 58, 30, 8
"""Pixels of Grafana's grid: 24 columns, rows of 30 pixels."""
STEP_SECONDS = 2
RATE_INTERVAL = "20s"
COLOURS = (
    "#3274d9",
    "#e0752d",
    "#37872d",
    "#c4162a",
    "#8f3bb8",
    "#b8860b",
    "#1f9e9e",
    "#5c6370",
    "#d6568f",
    "#7a5230",
)
STYLE = """
body { margin: 0; padding: 14px; background: #f4f5f5; font: 12px/1.35 system-ui, sans-serif; color: #24292e }
h1 { font-size: 18px; margin: 0 0 2px } p { margin: 0 0 10px; color: #5c6370 }
main { position: relative }
section { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #dcdfe3; border-radius: 3px;
  padding: 7px 9px }
h2 { font-size: 13px; margin: 0; font-weight: 600 } svg { display: block; overflow: visible }
ul { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: 0 12px;
  max-height: 64px; overflow: hidden }
li i { display: inline-block; width: 12px; height: 3px; margin-right: 4px; vertical-align: middle }
text { font-size: 10px; fill: #5c6370 } .stat { font-size: 44px; text-align: center; padding-top: 60px }
"""


class Series(NamedTuple):
    """A legend, and (time, value) points."""

    legend: str
    points: Sequence[tuple[float, float]]


Data = Mapping[str, Sequence[Series]]
"""The series of each panel, by its title."""


def read(client: httpx.Client, dashboard: Dashboard, begin: float, end: float) -> Data:
    """The results of the panels' queries between two instants. Raises httpx.HTTPError."""
    return {
        panel.title: [one for query in panel.queries for one in _series(client, *query, begin, end)]
        for panel in dashboard.panels
    }


def _series(client: httpx.Client, expression: str, legend: str, begin: float, end: float) -> list[Series]:
    query = dashboards.filled(expression, NAMESPACE, RATE_INTERVAL)
    params: dict[str, str | float] = {"query": query, "start": begin, "end": end, "step": STEP_SECONDS}
    found = client.get("/api/v1/query_range", params=params).raise_for_status().json()["data"]["result"]
    return [Series(_legend(legend, one["metric"]), _points(one["values"])) for one in found]


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), template)


def _points(values: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    points = [(float(at), float(value)) for at, value in values]
    return [(at, value) for at, value in points if math.isfinite(value)]


def page(dashboard: Dashboard, data: Data, begin: float, end: float) -> str:
    """The dashboard as HTML."""
    drawn, bottom = [], 0
    for panel, x, y in dashboards.placed(dashboard.panels):
        width, height = panel.width * COLUMN - GAP, dashboards.HEIGHT * ROW - GAP
        bottom = max(bottom, y * ROW + height)
        series = data[panel.title]
        content = _stat(panel, series) if panel.red is not None else _chart(panel, series, width, begin, end)
        where = f"left:{x * COLUMN}px;top:{y * ROW}px;width:{width}px;height:{height}px"
        drawn.append(f'<section style="{where}"><h2>{html.escape(panel.title)}</h2>{content}</section>')
    note = f"Drawn from the dashboard's queries, not by Grafana; {round(end - begin)} s of a local system"
    head = f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{html.escape(dashboard.title)}</h1>"
    return (
        f"{head}<p>{note}</p>"
        f'<main style="height:{bottom}px;width:{dashboards.WIDTH * COLUMN}px">{"".join(drawn)}</main>'
    )


def _stat(panel: Panel, series: Sequence[Series]) -> str:
    value = max((one.points[-1][1] for one in series if one.points), default=None)
    red = value is not None and panel.red is not None and value >= panel.red
    text = "no data" if value is None else shown(value, panel.unit)
    colour = "#c4162a" if red else "#37872d"
    named = ", ".join(f"{one.legend}: {shown(one.points[-1][1], panel.unit)}" for one in series if one.points)
    return f'<div class=stat style="color:{colour}">{text}</div><p style="text-align:center">{html.escape(named)}</p>'


def _chart(panel: Panel, series: Sequence[Series], width: int, begin: float, end: float) -> str:
    if not any(one.points for one in series):
        return '<div class=stat style="color:#5c6370">no data</div>'
    left, high, low, right = 52, 10, 130, width - 24
    lines = _stacked(series) if panel.stacked else [(one, None) for one in series]
    scale = 2**20 if panel.unit == "bytes" else 1
    top = scale * nice(max(value for one, _ in lines for _, value in one.points) / scale)

    def at(instant: float, value: float) -> str:
        x = left + (instant - begin) / (end - begin) * (right - left)
        return f"{x:.1f},{low - value / top * (low - high):.1f}"

    marks = [
        f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7eb"/>'
        f'<text x="{left - 5}" y="{y + 3:.1f}" text-anchor="end">{shown(top * part, panel.unit)}</text>'
        for part in (0, 0.25, 0.5, 0.75, 1)
        for y in [low - part * (low - high)]
    ]
    marks += [
        f'<text x="{left + part * (right - left):.1f}" y="{low + 13}" text-anchor="{anchor}">'
        f"{time.strftime('%H:%M:%S', time.localtime(begin + part * (end - begin)))}</text>"
        for part, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    ]
    for (one, below), colour in zip(lines, _colours(), strict=False):
        path = " ".join(at(*point) for point in one.points)
        if below is not None:
            area = f"{path} " + " ".join(at(*point) for point in reversed(below))
            marks.append(f'<polygon points="{area}" fill="{colour}" fill-opacity="0.25"/>')
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    names = "".join(
        f'<li><i style="background:{colour}"></i>{html.escape(one.legend)}</li>'
        for one, colour in zip(series, _colours(), strict=False)
    )
    return f'<svg width="{width - 20}" height="{low + 18}">{"".join(marks)}</svg><ul>{names}</ul>'


def _colours() -> Sequence[str]:
    return COLOURS * 10


def _stacked(series: Sequence[Series]) -> list[tuple[Series, Sequence[tuple[float, float]]]]:
    """Each series stacked on those before it, with its baseline."""
    total: dict[float, float] = {}
    lines = []
    for one in series:
        below = [(at, total.get(at, 0.0)) for at, _ in one.points]
        for at, value in one.points:
            total[at] = total.get(at, 0.0) + value
        lines.append((Series(one.legend, [(at, total[at]) for at, _ in one.points]), below))
    return lines


def nice(value: float) -> float:
    """The end of an axis that shows this value: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value * (1 - 1e-9))


def shown(value: float, unit: str) -> str:
    """A value in one of the units that the dashboards use, as Grafana shows it."""
    scales: dict[str, Sequence[tuple[float, str]]] = {
        "s": ((1, " s"), (1e-3, " ms"), (1e-6, " µs")),
        "ms": ((1e3, " s"), (1, " ms"), (1e-3, " µs")),
        "bytes": ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")),
        "percentunit": ((0.01, " %"),),
        "ops": ((1, " ops/s"),),
        "reqps": ((1, " req/s"),),
        "none": ((1, ""),),
        "short": ((1e6, " Mil"), (1e3, " K"), (1, "")),
    }
    factor, name = next((scale for scale in scales[unit] if abs(value) >= scale[0]), scales[unit][-1])
    return f"{value / factor:.3g}{name}" if value else "0"


def declare(system: System, names: Mapping[str, int]) -> None:
    """Applies a StockItem for each name."""
    items = [
        {
            "apiVersion": "reservaestoque.dev/v1",
            "kind": "StockItem",
            "metadata": {"name": screenshots.sku_of(name).lower()},
            "spec": {"sku": screenshots.sku_of(name), "name": name, "quantity": quantity},
        }
        for name, quantity in names.items()
    ]
    system.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def take(system: System, chosen: Sequence[Dashboard], folder: Path, seconds: float) -> list[Path]:
    """Writes a picture of each of these dashboards, of the last `seconds`."""
    url = f"http://127.0.0.1:{system.layout.ports.prometheus}"
    pictures = []
    with httpx.Client(base_url=url, trust_env=False) as client, browser.chromium() as chromium:
        sheet = chromium.new_page(viewport={"width": dashboards.WIDTH * COLUMN + 28, "height": 200})
        end = time.time()
        for one in chosen:
            data = read(client, one, end - seconds, end)
            sheet.set_content(page(one, data, end - seconds, end))
            pictures.append(folder / f"dashboard-{one.name}.png")
            sheet.screenshot(path=pictures[-1], full_page=True)
    return pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the pictures. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboard_pictures", description=__doc__)
    parser.add_argument("--seconds", type=int, default=100, help="how long customers order")
    parser.add_argument("--folder", type=Path, default=screenshots.IMAGES)
    parser.add_argument("--dashboards", default="selling,waiting", help=",".join(one.name for one in DASHBOARDS))
    chosen = parser.parse_args(argv)
    wanted = [one for one in DASHBOARDS if one.name in chosen.dashboards.split(",")]
    if browser.executable() is None:
        print("no browser: install Chromium (sh local/setup/chromium.sh)", file=sys.stderr)
        return 1
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as state:
        settings = {"RESERVA_TTL": "90s"}
        config = Config(state=Path(state), ports=Ports.free(), settings=settings, observe=True)
        print(f"starting a system; customers order for {chosen.seconds} s")
        with System(config) as system:
            names = screenshots.stock(rng)
            names["Tênis vermelho P"] = screenshots.SMALL_SUPPLY
            declare(system, names)
            skus = [screenshots.sku_of(name) for name in names]
            with screenshots.Customers(system.gateway_url, skus, rng).shopping():
                time.sleep(chosen.seconds)
                for picture in take(system, wanted, chosen.folder, chosen.seconds):
                    print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
