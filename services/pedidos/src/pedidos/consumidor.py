"""The consumer of AtualizarStatus: the highest version wins, lower ones are counted and forgotten."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from pedidos.repositorio import aplicar, bloqueados
from reservaestoque.bus import Refused
from reservaestoque.events import AtualizarStatus

_old = Counter("pedidos_old_snapshots_total", "Snapshots that were no newer than what the order said")


class Consumidor:
    """Applies estoque's snapshots to the orders behind `pool`; asks about a reservation so long after its time."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, perguntar_apos: timedelta) -> None:
        self._pool = pool
        self._perguntar_apos = perguntar_apos

    async def handle(self, eventos: Sequence[AtualizarStatus]) -> Sequence[Refused]:
        """Applies these snapshots in one transaction; refuses those of orders that there are not.

        Raises what asyncpg raises; nothing is changed then.
        """
        aplicados, desconhecidos = await aplicar(self._pool, eventos, self._perguntar_apos)
        recusados = [
            Refused(evento, f"PedidoDesconhecido: there is no order {evento.data.pedido_id}")
            for evento in eventos
            if evento.data.pedido_id in desconhecidos
        ]
        _old.inc(len(eventos) - len(recusados) - aplicados)
        return recusados

    async def find_blocked(self, eventos: Sequence[AtualizarStatus]) -> set[object]:
        """The ids of those whose order somebody else holds at this moment. Raises what asyncpg raises."""
        presos = await bloqueados(self._pool, [evento.data.pedido_id for evento in eventos])
        return {evento.id for evento in eventos if evento.data.pedido_id in presos}
