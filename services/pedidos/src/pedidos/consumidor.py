"""The consumer of AtualizarStatus: the highest version wins, lower ones are counted and forgotten."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from prometheus_client import Counter

from pedidos.repositorio import aplicar
from reservaestoque.bus import Refused
from reservaestoque.events import AtualizarStatus

_old = Counter("pedidos_old_snapshots_total", "Snapshots that were no newer than what the order said")


class Consumidor:
    """Applies estoque's snapshots to the orders behind `pool`."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def tratar(self, eventos: Sequence[AtualizarStatus]) -> Sequence[Refused]:
        """Applies these snapshots in one transaction; refuses those of orders that there are not.

        Raises what asyncpg raises; nothing is changed then.
        """
        aplicados, desconhecidos = await aplicar(self._pool, eventos)
        recusados = [
            Refused(evento, f"PedidoDesconhecido: there is no order {evento.data.pedido_id}")
            for evento in eventos
            if evento.data.pedido_id in desconhecidos
        ]
        _old.inc(len(eventos) - len(recusados) - aplicados)
        return recusados
