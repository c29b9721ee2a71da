"""Following one order, until it ends: woken by its notifications, without polling."""

from collections.abc import AsyncGenerator
from uuid import UUID

import msgspec

from pedidos.espera import Espera
from pedidos.servico import Servico
from reservaestoque.events import FINAIS
from reservaestoque.postgres import is_transient
from reservaestoque.streams import HEARTBEAT_SECONDS, sse, woken

_json = msgspec.json.Encoder()


class Acompanhamento:
    """Streams of single orders."""

    def __init__(self, servico: Servico, espera: Espera, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._servico = servico
        self._espera = espera
        self._heartbeat = heartbeat

    async def seguir(self, pedido_id: UUID, visto: int) -> AsyncGenerator[bytes, None]:
        """The text of a stream: the order with each version above `visto`, those between two looks left out.

        Ends with the order's final status, with its being purged, or when the program stops.
        """
        yield sse.OPENING
        with self._espera.inscrever(pedido_id) as sinal:
            sinal.set()
            while not self._espera.encerrada:
                # Without a notification too: it may have been lost with its connection.
                if not await woken(sinal, self._heartbeat):
                    yield sse.HEARTBEAT
                try:
                    pedido = await self._servico.obter(pedido_id)
                except Exception as fault:
                    if not is_transient(fault):
                        raise
                    continue  # notifications come back with the database
                if pedido and pedido.versao > visto:
                    visto = pedido.versao
                    yield sse.event("status", _json.encode(pedido), visto)
                if pedido is None or pedido.status in FINAIS:
                    return
                del pedido  # an order may have a hundred items, and wait for a week
