"""What the REST routes ask for, free of HTTP."""

import asyncio
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from pedidos import repositorio
from pedidos.comando import Chave, ChaveReutilizadaError, NovoComando, Tipo, resumo
from pedidos.espera import Espera, Sinal
from pedidos.pedido import Pedido
from pedidos.registro import Registrado, Registro
from pedidos.repositorio import Andamento
from reservaestoque.events import FINAIS, Item, Status, new_id
from reservaestoque.postgres import Loader, Reader, is_transient

LAST_LOOK_SECONDS = 0.5
"""How long after its deadline a waiting customer is answered at the latest: the last look must not outlast that."""
LISTAS = 2
LEITURAS = 3 + LISTAS


class EncerradoError(Exception):
    """The order has ended: it takes no more commands."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"the order has ended; it is {status}")
        self.status = status


class Contexto(NamedTuple):
    """What comes with every command: the client's key and trace, and how many seconds it would wait."""

    chave: str | None
    traceparent: str
    espera: int


class Servico:
    """Creates, reads and commands orders. Every method raises what asyncpg raises, and CrowdedError.

    Reading takes LEITURAS connections of the pool at most, however many ask.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", registro: Registro, espera: Espera) -> None:
        self._registro = registro
        self._espera = espera
        self._pedidos = Loader(partial(repositorio.obter, pool))
        self._andamentos = Loader(partial(repositorio.andamentos, pool))
        self._donos = Loader(partial(repositorio.donos, pool))
        self._listas = Reader(pool, connections=LISTAS)

    async def obter(self, pedido_id: UUID) -> Pedido | None:
        """The order, or None."""
        return await self._pedidos.get(pedido_id)

    async def listar(
        self, cliente_id: str | None, status: Status | None, antes_de: UUID | None, limite: int
    ) -> list[Pedido]:
        """Up to `limite` orders with an id below `antes_de`, the newest first."""
        return await repositorio.listar(self._listas, cliente_id, status, antes_de, limite)

    async def criar(self, cliente_id: str, itens: list[Item], contexto: Contexto) -> Andamento:
        """A new order, as soon as it is committed; with a wait, as soon as it is decided or the time is over.

        Raises LotadoError, ChaveReutilizadaError, or TimeoutError or what asyncpg raises when it was not, or
        perhaps not, committed.
        """
        chave = _chave(cliente_id, "/pedidos", contexto.chave, [cliente_id, itens])
        novo = NovoComando(new_id(), new_id(), Tipo.CRIAR, contexto.traceparent, cliente_id, itens, chave)
        return await self._mandar(novo, contexto.espera, None)

    async def comandar(self, pedido: Pedido, tipo: Tipo, contexto: Contexto) -> Andamento:
        """A command to an order, as soon as it is committed, or answered.

        Raises EncerradoError when the order has ended (unless the key says that this is a repetition),
        LotadoError, ChaveReutilizadaError, TimeoutError, or what asyncpg raises.
        """
        chave = _chave(pedido.cliente_id, f"/pedidos/{pedido.pedido_id}/{tipo}", contexto.chave, None)
        if pedido.status in FINAIS:
            return await self._repetir(pedido, chave)
        comando = NovoComando(new_id(), pedido.pedido_id, tipo, contexto.traceparent, pedido.cliente_id, chave=chave)
        return await self._mandar(comando, contexto.espera, pedido)

    async def _repetir(self, pedido: Pedido, chave: Chave | None) -> Andamento:
        """The outcome of a command that came before the order ended; nothing is stored for one that did not."""
        dono = await self._donos.get(chave.escopo) if chave else None
        if chave is None or dono is None:
            raise EncerradoError(pedido.status)
        if dono.corpo != chave.corpo:
            raise ChaveReutilizadaError("this Idempotency-Key came before, with another body")
        return await self._andamento(dono.comando_id) or Andamento(True, None, pedido)

    async def _mandar(self, comando: NovoComando, espera: int, antes: Pedido | None) -> Andamento:
        """Stores a command to the order as it was `antes`, None for a new one, and waits for the answer."""
        if not espera:
            registrado = await self._registro.registrar(comando)
            return await self._como_esta(registrado, _como_era(comando, registrado, antes))
        with self._espera.inscrever(comando.pedido_id) as sinal:
            registrado = await self._registro.registrar(comando)
            era = _como_era(comando, registrado, antes)
            if era is not None:
                visto = await self._esperar(registrado, sinal, espera, era)
                return visto or Andamento(False, None, era)
        # The key was known: it is another command that this one waits for, perhaps of another order.
        with self._espera.inscrever(registrado.pedido_id) as sinal:
            sinal.set()
            return await self._esperar(registrado, sinal, espera, None) or await self._como_esta(registrado, None)

    async def _esperar(
        self, registrado: Registrado, sinal: Sinal, segundos: int, antes: Pedido | None
    ) -> Andamento | None:
        """What has become of the command once it is answered, or the time is over.

        None when that cannot be read and the order `antes` is known, or when the command has been forgotten. Raises
        what asyncpg raises when the order is not known either.
        """
        visto: Andamento | None = None

        async def respondido() -> bool:
            nonlocal visto
            retrato = sinal.retrato
            if antes is not None and retrato is not None and retrato.causa == registrado.comando_id:
                visto = Andamento(True, retrato.recusa, retrato.de(antes))
            else:
                visto = await self._andamento(registrado.comando_id)
            return visto is not None and visto.respondido

        try:
            async with asyncio.timeout(segundos + LAST_LOOK_SECONDS):
                await self._espera.ate(sinal, respondido, segundos)
        except Exception as fault:
            # It is committed: whatever ails the database now, the customer must learn the order's id.
            if antes is None or not is_transient(fault):
                raise
        return visto

    async def _como_esta(self, registrado: Registrado, era: Pedido | None) -> Andamento:
        """The order as this command found it; read only when the command was there before."""
        if era is not None:
            return Andamento(False, None, era)
        return await self._andamento(registrado.comando_id) or await self._esquecido(registrado.pedido_id)

    async def _esquecido(self, pedido_id: UUID) -> Andamento:
        """A key may outlive its command by a moment: the order tells what became of it."""
        pedido = await self.obter(pedido_id)
        if pedido is None:
            raise LookupError(f"order {pedido_id} was purged before its idempotency key")
        return Andamento(True, None, pedido)

    async def _andamento(self, comando_id: UUID) -> Andamento | None:
        return await self._andamentos.get(comando_id)


def _como_era(comando: NovoComando, registrado: Registrado, antes: Pedido | None) -> Pedido | None:
    """The order as the command found it, or made it; None when its key had stood for another command."""
    if registrado.comando_id != comando.id:
        return None
    if antes is not None or registrado.criado_em is None or comando.itens is None:
        return antes
    return Pedido(
        pedido_id=comando.pedido_id,
        cliente_id=comando.cliente_id,
        status=Status.CRIADO,
        itens=comando.itens,
        itens_em_falta=[],
        criado_em=registrado.criado_em,
        atualizado_em=registrado.criado_em,
        expira_em=None,
        versao=0,
    )


def _chave(cliente_id: str, caminho: str, valor: str | None, corpo: object) -> Chave | None:
    return Chave(cliente_id, caminho, valor, resumo(corpo)) if valor else None
