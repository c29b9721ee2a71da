"""What the REST routes ask for, free of HTTP."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg

from pedidos import repositorio
from pedidos.espera import Espera
from pedidos.pedido import Pedido
from pedidos.registro import Registro
from pedidos.repositorio import Registrar
from reservaestoque.events import Item, Status, new_id
from reservaestoque.postgres import is_transient


class Servico:
    """Creates and reads orders."""

    def __init__(self, pool: "asyncpg.Pool[Any]", registro: Registro, espera: Espera) -> None:
        self._pool = pool
        self._registro = registro
        self._espera = espera

    async def obter(self, pedido_id: UUID) -> Pedido | None:
        """The order, or None. Raises what asyncpg raises."""
        return await repositorio.obter(self._pool, pedido_id)

    async def criar(self, cliente_id: str, itens: list[Item], traceparent: str, espera: int) -> Pedido:
        """The new order: as soon as it is committed, or once decided if that takes no longer than `espera` seconds.

        Raises LotadoError, or what asyncpg raises when it was not, or perhaps not, committed.
        """
        novo = Registrar(new_id(), cliente_id, itens, new_id(), traceparent)
        if not espera:
            return await self._registro.criar(novo)
        with self._espera.inscrever(novo.pedido_id) as sinal:
            criado = await self._registro.criar(novo)
            return await self._decidido(criado, sinal, espera)

    async def _decidido(self, criado: Pedido, sinal: asyncio.Event, segundos: int) -> Pedido:
        visto = criado

        async def pronto() -> bool:
            nonlocal visto
            visto = await self.obter(criado.pedido_id) or criado
            return visto.status != Status.CRIADO

        try:
            await self._espera.ate(sinal, pronto, segundos)
            # The deadline looks too: the notification may have been lost with its connection.
            if visto.status == Status.CRIADO:
                await pronto()
        except Exception as fault:
            # The order is committed: whatever ails the database now, the customer must learn its id.
            if not is_transient(fault):
                raise
            return criado
        return visto
