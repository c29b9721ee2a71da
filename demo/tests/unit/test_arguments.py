"""Gateways and tokens that cannot hold a sale."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from http_here import serving

from demo.__main__ import main


@contextmanager
def gateway(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(status)

    with serving(Handler) as url:
        yield url


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_token_is_reported(capsys: pytest.CaptureFixture[str], status: int):
    with gateway(status) as url:
        assert main(["--gateway", url, "--fast", "--idioma", "en"]) == 2
    assert "pedidos:admin and estoque:ler, in RESERVA_TOKEN" in capsys.readouterr().err


def test_an_invalid_gateway_address_is_reported(capsys: pytest.CaptureFixture[str]):
    assert main(["--gateway", "loja", "--fast"]) == 2
    assert "'loja' is not an address" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_an_invalid_number_of_shoppers_is_refused(capsys: pytest.CaptureFixture[str], number: str):
    with pytest.raises(SystemExit, match="2"):
        main([f"--shoppers={number}"])
    assert "is not a whole number of 1 or more" in capsys.readouterr().err
