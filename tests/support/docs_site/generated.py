"""The pages of the reference that are generated from the code, by their place in the site."""

from collections.abc import Callable
from typing import NamedTuple

from docs_site import chart_values, cli, events, rest, stock_item


class Page(NamedTuple):
    """A generated page."""

    source: str
    """The file that documents link to; on the site such a link leads to the page."""
    text: Callable[[], str]


PAGES = {
    "reference/rest.md": Page("contracts/openapi", rest.page),
    "reference/events.md": Page("contracts/asyncapi.yaml", events.page),
    "reference/stockitem.md": Page("k8s/crd/stockitems.yaml", stock_item.page),
    "reference/chart-values.md": Page("charts/reserva-estoque/values.yaml", chart_values.page),
    "reference/cli.md": Page("client/src/reserva/cli", cli.page),
}
