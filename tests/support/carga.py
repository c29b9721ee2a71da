"""Load: customers who order, buy, give up and look, at a bounded rate; every answer is kept."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Resposta:
    """An answer; `codigo` is 0 and `erro` says why where there was none. Times are of time.monotonic()."""

    pedido: str
    inicio: float
    fim: float
    codigo: int
    corpo: dict[str, Any] = field(default_factory=dict)
    erro: str = ""

    @property
    def falhou(self) -> bool:
        return not 200 <= self.codigo < 300

    @property
    def decidida(self) -> bool:
        """An order that was asked to wait for its decision and got it."""
        return self.codigo in (200, 201)


class Carga:
    """As a context manager it is at work inside.

    `por_segundo` customers begin each second, however slow the answers are, as long as no more than `juntos` are
    there: an order of one unit, with Prefer: wait, and then one in three closes it, one in three cancels it, one
    looks at it and at the stock. Everything that changes something has an Idempotency-Key, so that the gateway
    may repeat it. With `espera` 0 they don't wait for decisions. They give an answer up after `patience` seconds.
    """

    def __init__(
        self,
        url: str,
        skus: Sequence[str],
        *,
        por_segundo: float,
        espera: int = 10,
        juntos: int = 400,
        patience: float = 45,
    ):
        self.cliente = f"carga-{uuid4()}"
        self.respostas: list[Resposta] = []
        self._url = url
        self._skus = skus
        self._pausa = 1 / por_segundo
        self._espera = espera
        self._juntos = juntos
        self._patience = patience
        self._sorte = random.Random(1)
        self._parar = asyncio.Event()

    async def __aenter__(self) -> Self:
        limites = httpx.Limits(max_connections=self._juntos, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(base_url=self._url, timeout=self._patience, limits=limites, trust_env=False)
        self._marcapasso = asyncio.create_task(self._chegadas())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._parar.set()
        await self._marcapasso
        await self._http.aclose()

    # What came of it

    @property
    def falhas(self) -> list[Resposta]:
        return [resposta for resposta in self.respostas if resposta.falhou]

    @property
    def aceitos(self) -> set[str]:
        """The ids of all orders that were answered 2xx."""
        return {r.corpo["pedidoId"] for r in self.respostas if r.pedido == "POST /pedidos" and not r.falhou}

    def decididas(self, desde: float) -> list[Resposta]:
        """Orders decided while their customer waited, begun after an instant."""
        return [r for r in self.respostas if r.inicio >= desde and r.pedido == "POST /pedidos" and r.decidida]

    def recuperacao(self, desde: float) -> float:
        """Seconds from an instant until orders were decided again for good; 0 when they never ceased to be."""
        ruins = [
            r.inicio
            for r in self.respostas
            if r.fim >= desde and (r.falhou or (r.pedido == "POST /pedidos" and not r.decidida))
        ]
        if not ruins:
            return 0.0
        boas = self.decididas(max(ruins))
        return min(r.fim for r in boas) - desde if boas else float("inf")

    def resumo(self) -> str:
        """What was asked, how it was answered, how long it took; what failed, if anything."""
        if not self.respostas:
            return "nothing was asked"
        duracoes = sorted(r.fim - r.inicio for r in self.respostas)
        inteiro = max(r.fim for r in self.respostas) - min(r.inicio for r in self.respostas)
        codigos = dict(sorted(Counter(r.codigo for r in self.respostas).items()))
        erros = Counter(f"{r.pedido.split('/')[0]}{r.codigo} {r.erro[:200]}" for r in self.falhas)
        return (
            f"{len(self.respostas)} requests in {inteiro:.0f} s, answers {codigos}, "
            f"median {duracoes[len(duracoes) // 2]:.3f} s, longest {duracoes[-1]:.1f} s"
            + (f"; failed: {dict(erros.most_common(5))}" if erros else "")
        )

    # The customers

    async def _chegadas(self) -> None:
        async with asyncio.TaskGroup() as clientes:
            presentes: set[asyncio.Task[None]] = set()
            proxima = time.monotonic()
            while not self._parar.is_set():
                if len(presentes) < self._juntos:
                    um = clientes.create_task(self._comprar())
                    presentes.add(um)
                    um.add_done_callback(presentes.discard)
                proxima = max(proxima + self._pausa, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, proxima - time.monotonic()))

    async def _comprar(self) -> None:
        sku, vontade = self._sorte.choice(self._skus), self._sorte.randrange(3)
        corpo = {"clienteId": self.cliente, "itens": [{"sku": sku, "quantidade": 1}]}
        feito = await self._pedir("POST", "/pedidos", corpo)
        if feito.falhou:
            return
        pedido = feito.corpo["pedidoId"]
        if vontade == 2:
            await self._pedir("GET", f"/pedidos/{pedido}")
            await self._pedir("GET", f"/estoque/{sku}")
        elif feito.corpo["status"] == "EstoqueReservado":
            await self._pedir("POST", f"/pedidos/{pedido}/{('fechar', 'cancelar')[vontade]}")

    async def _pedir(self, metodo: str, caminho: str, corpo: dict[str, Any] | None = None) -> Resposta:
        headers = {"Idempotency-Key": str(uuid4())} if metodo == "POST" else {}
        if headers and self._espera:
            headers["Prefer"] = f"wait={self._espera}"
        inicio = time.monotonic()
        try:
            dada = await self._http.request(metodo, caminho, json=corpo, headers=headers)
            codigo, lido, erro = dada.status_code, _lido(dada), "" if dada.is_success else dada.text
        except httpx.HTTPError as falha:
            codigo, lido, erro = 0, {}, repr(falha)
        resposta = Resposta(f"{metodo} {caminho}", inicio, time.monotonic(), codigo, lido, erro)
        self.respostas.append(resposta)
        return resposta


def _lido(dada: httpx.Response) -> dict[str, Any]:
    lido: dict[str, Any] = json.loads(dada.content) if dada.is_success else {}
    return lido


async def ids_de(http: httpx.AsyncClient, cliente: str, **filtro: str) -> set[str]:
    """The ids of all orders of a customer."""
    return set(await orders_of(http, cliente, **filtro))


async def orders_of(http: httpx.AsyncClient, cliente: str, **filtro: str) -> dict[str, dict[str, Any]]:
    """All orders of a customer by their ids, read page by page."""
    orders: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        params = {"clienteId": cliente, "limite": "100", **filtro, **cursor}
        pagina = (await http.get("/pedidos", params=params)).raise_for_status().json()
        orders |= {pedido["pedidoId"]: pedido for pedido in pagina["itens"]}
        cursor = {"cursor": pagina["proximo"]} if pagina["proximo"] else None
    return orders
