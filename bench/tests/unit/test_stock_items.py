"""StockItems as the bare client writes and reads them."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from http_here import serving

from bench.stock_items import StockItems, is_synced, names, status, stock_item
from local_system import System

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410}}


def with_synced(value: str, name: str = "raw-000000") -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Synced", "status": value}]
    return {**stock_item("raw", name), "status": {"conditions": conditions}}


def modified(name: str) -> dict[str, Any]:
    return {"type": "MODIFIED", "object": with_synced("True", name)}


def api_server(watches: list[list[dict[str, Any]]]) -> type[BaseHTTPRequestHandler]:
    """Answers each watch with the events of the next one, then ends it; 403 when there is none."""

    class ApiServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if watches else 403)
            self.end_headers()
            for event in watches.pop(0) if watches else []:
                self.wfile.write(json.dumps(event).encode() + b"\n")

    return ApiServer


async def until_synced(server: str, folder: Path, count: int, seconds: float = 10) -> float:
    kubeconfig = folder / "kubeconfig"
    config = {"clusters": [{"cluster": {"server": server}}], "users": [{"user": {"token": "secret"}}]}
    kubeconfig.write_text(json.dumps(config))
    async with StockItems(cast(System, SimpleNamespace(kubeconfig=kubeconfig))) as stock_items:
        return await stock_items.until_synced("raw", count, seconds=seconds)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (stock_item("raw", "raw-000000"), False),
        ({**stock_item("raw", "raw-000000"), "status": status("raw-000000")}, False),
        (with_synced("False"), False),
        (with_synced("True"), True),
    ],
    ids=["without a status", "with a raw status", "not synced", "synced"],
)
def test_only_the_condition_synced_counts(item: dict[str, Any], expected: bool) -> None:
    assert is_synced(item) is expected


def test_names_are_distinct_and_sorted() -> None:
    assert names("raw", 3) == ["raw-000000", "raw-000001", "raw-000002"]


async def test_a_watch_that_the_server_ends_is_opened_again(tmp_path: Path) -> None:
    watches = [
        [modified("raw-000000"), modified("raw-000001")],
        [EXPIRED, modified("raw-000009")],
        [modified("raw-000002")],
    ]
    with serving(api_server(watches)) as server:
        await until_synced(server, tmp_path, 3)
    assert not watches


async def test_a_refused_watch_is_an_error(tmp_path: Path) -> None:
    refused = pytest.raises(RuntimeError, match=r"GET /apis/reservaestoque\.dev/v1/namespaces/raw/stockitems: 403")
    with serving(api_server([[modified("raw-000000")]])) as server, refused:
        await until_synced(server, tmp_path, 2)


async def test_an_error_of_the_watch_is_an_error(tmp_path: Path) -> None:
    failure = {
        "type": "ERROR",
        "object": {"kind": "Status", "status": "Failure", "code": 500, "message": "etcd is unavailable"},
    }
    broken = pytest.raises(RuntimeError, match="etcd is unavailable")
    with serving(api_server([[failure]])) as server, broken:
        await until_synced(server, tmp_path, 1)


async def test_a_watch_that_takes_too_long_says_how_far_it_got(tmp_path: Path) -> None:
    watches = [[modified("raw-000000")]] + [[]] * 99
    late = pytest.raises(TimeoutError, match=r"1 of 2 in raw are Synced after 0\.5 s")
    with serving(api_server(watches)) as server, late:
        await until_synced(server, tmp_path, 2, seconds=0.5)
