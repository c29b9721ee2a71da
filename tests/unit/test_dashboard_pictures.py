"""Pictures of dashboards show their panels' data in the panels' units."""

import pytest
from dashboard_pictures import Series, nice, page, shown
from dashboards import Dashboard, Panel

SHOP = Dashboard(
    "shop",
    "Is it?",
    [
        Panel("Late", [("a", "late")], unit="percentunit", red=0.001),
        Panel("Sold", [("b", "{{sku}}")], stacked=True),
        Panel("Broken", [("c", "")]),
    ],
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0"),
        (0.012, "s", "12 ms"),
        (2.5, "s", "2.5 s"),
        (1500, "ms", "1.5 s"),
        (0.0144, "percentunit", "1.44 %"),
        (200 * 2**20, "bytes", "200 MiB"),
        (12_500, "short", "12.5 K"),
        (3, "none", "3"),
    ],
)
def test_values_have_units(value: float, unit: str, text: str):
    assert shown(value, unit) == text


@pytest.mark.parametrize(("highest", "end"), [(0, 1), (0.3, 0.5), (1, 1), (1.1, 2), (7, 10), (180, 200)])
def test_an_axis_ends_at_a_round_number(highest: float, end: float):
    assert nice(highest) == pytest.approx(end)


def test_each_panel_is_drawn_and_an_empty_one_says_so():
    data = {
        "Late": [Series("late", [(0, 0.0), (10, 0.02)])],
        "Sold": [Series("A", [(0, 1.0), (10, 1.0)]), Series("<B>", [(0, 2.0), (10, 4.0)])],
        "Broken": [],
    }
    drawn = page(SHOP, data, 0, 10)
    assert [panel.title for panel in SHOP.panels if f"<h2>{panel.title}</h2>" in drawn] == ["Late", "Sold", "Broken"]
    assert 'style="color:#c4162a">2 %<' in drawn, "red, because it is over the limit"
    assert drawn.count("<polyline") == drawn.count("<polygon") == 2
    assert "&lt;B&gt;" in drawn
    assert ">5<" in drawn, "the axis ends above the sum of both"
    assert drawn.count("no data") == 1
