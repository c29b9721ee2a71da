"""A client of event streams: what EventSource does, a few lines of it, and shows what it got."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

SEGUNDOS = 30


class Evento(NamedTuple):
    """What was sent; `id` is the last one that came, with this event or before it."""

    nome: str
    id: str
    dados: dict[str, Any]


class Fluxo:
    """An open stream. `ultimo_id` and `batimentos` (comments) grow as it is read."""

    def __init__(self, resposta: httpx.Response, ultimo_id: str) -> None:
        self.resposta = resposta
        self.ultimo_id = ultimo_id
        self.batimentos = 0
        self.retry = 0
        self._linhas = resposta.aiter_lines()

    async def proximo(self) -> Evento | None:
        """The next event; None when the stream has ended. Raises TimeoutError after 30 seconds."""
        async with asyncio.timeout(SEGUNDOS):
            while (bloco := await self._bloco()) is not None:
                self._anotar(bloco)
                if "data" in bloco:
                    return Evento(bloco.get("event", "message"), self.ultimo_id, json.loads(bloco["data"]))
        return None

    async def aberto(self) -> "Fluxo":
        """Returns when the stream has said where it begins."""
        async with asyncio.timeout(SEGUNDOS):
            while not self.ultimo_id:
                bloco = await self._bloco()
                assert bloco is not None
                self._anotar(bloco)
        return self

    async def read_block(self) -> None:
        """Reads on to the next event, id or heartbeat, which `ultimo_id` tells of. Raises TimeoutError."""
        async with asyncio.timeout(SEGUNDOS):
            bloco = await self._bloco()
            assert bloco is not None
            self._anotar(bloco)

    async def eventos(self, quantos: int) -> list[Evento]:
        """The next events, so many, or fewer when the stream ends."""
        vistos: list[Evento] = []
        while len(vistos) < quantos and (evento := await self.proximo()):
            vistos.append(evento)
        return vistos

    async def ate_o_fim(self) -> list[Evento]:
        """All that is left."""
        return await self.eventos(10**9)

    async def ate_bater(self, antes: str = "") -> None:
        """Returns when a heartbeat has come, and an id other than `antes`. Raises TimeoutError after 30 seconds."""
        async with asyncio.timeout(SEGUNDOS):
            while not self.batimentos or self.ultimo_id == antes:
                bloco = await self._bloco()
                assert bloco is not None
                assert "data" not in bloco, bloco
                self._anotar(bloco)

    def _anotar(self, bloco: dict[str, str]) -> None:
        self.ultimo_id = bloco.get("id", self.ultimo_id)
        self.retry = int(bloco.get("retry", self.retry))
        self.batimentos += "" in bloco

    async def _bloco(self) -> dict[str, str] | None:
        bloco: dict[str, str] = {}
        async for linha in self._linhas:
            if not linha:
                return bloco
            campo, _, valor = linha.partition(":")
            bloco[campo] = valor.removeprefix(" ")
        return None


@asynccontextmanager
async def abrir(client: httpx.AsyncClient, url: str, *, desde: str = "", **params: str) -> AsyncIterator[Fluxo]:
    """Opens a stream that is answered with 200; `desde` is the Last-Event-ID."""
    headers = {"Last-Event-ID": desde} if desde else {}
    async with client.stream("GET", url, headers=headers, params=params) as resposta:
        assert resposta.status_code == 200, await resposta.aread()
        assert resposta.headers["content-type"].startswith("text/event-stream")
        yield Fluxo(resposta, desde)
