"""The decision of a batch of commands: which orders get stock. Pure: the instant and all data are arguments.

Commands are decided in the given order, first come, first served, each one all or nothing. The decision is also
exactly what must be written: the caller holds the locks, so nothing else changes the stock in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from estoque.pedido import Decision, Fact, Pedido, Recusa, Situacao, StockMovement, StockRow, demand, sum_items
from reservaestoque.events import (
    FINAL_STATUSES,
    CancelarPedido,
    Comando,
    FecharPedido,
    ItemEmFalta,
    Motivo,
    PedidoCriado,
    Status,
)


def shortages(commands: Iterable[Comando], stock: Mapping[str, StockRow]) -> dict[str, int]:
    """The units of each SKU that these commands may need beyond the free ones: lapsed units may cover them."""
    return {
        sku: quantidade - stock[sku].free
        for sku, quantidade in sorted(demand(map(sum_items, commands)).items())
        if sku in stock and quantidade > stock[sku].free
    }


def decide(
    commands: Sequence[Comando],
    pedidos: Mapping[UUID, Pedido],
    stock: Mapping[str, StockRow],
    now: datetime,
    ttl: timedelta,
) -> Decision:
    """Decides the commands in order and returns everything that changes. Updates the free units in `stock`.

    `pedidos` are the orders known so far; `stock` has the row of every SKU that a command or an order names.
    """
    return _Batch(dict(pedidos), stock, now, ttl).decide(commands)


class _Batch:
    def __init__(
        self, pedidos: dict[UUID, Pedido], stock: Mapping[str, StockRow], now: datetime, ttl: timedelta
    ) -> None:
        self._pedidos = pedidos
        self._stock = stock
        self._now = now
        self._ttl = ttl
        self._decision = Decision()

    def decide(self, commands: Sequence[Comando]) -> Decision:
        for command in commands:
            self._decide_one(command)
        return self._decision

    def _decide_one(self, command: Comando) -> None:
        """Every command raises the order's version by one, whatever its outcome.

        The new version also exceeds the one that pedidos knows, even if a restore has set this database back behind
        it: pedidos applies higher versions only.
        """
        pedido_id = command.data.pedido_id
        before = self._pedidos.get(pedido_id) or Pedido(pedido_id, Status.CRIADO, 0, sum_items(command))
        pedido = replace(before, versao=max(before.versao, command.data.versao_conhecida) + 1)
        recusa = self._refuse(command, before)
        if recusa is None:
            pedido = self._apply(command, pedido)
        self._pedidos[pedido_id] = self._decision.pedidos[pedido_id] = pedido
        self._decision.facts.append(Fact(pedido, command.id, recusa, command.traceparent or None))

    def _apply(self, command: Comando, pedido: Pedido) -> Pedido:
        if isinstance(command, CancelarPedido):
            return replace(self._release(pedido), status=Status.CANCELADO, expira_em=None)
        if isinstance(command, FecharPedido) and pedido.holds(self._now):
            return self._sell(pedido)
        return self._check_stock(pedido, sell=isinstance(command, FecharPedido))

    def _refuse(self, command: Comando, pedido: Pedido) -> Recusa | None:
        if pedido.status in FINAL_STATUSES:
            return Recusa.PEDIDO_ENCERRADO
        if isinstance(command, CancelarPedido) and pedido.versao > (command.data.versao or pedido.versao):
            return Recusa.PEDIDO_MUDOU
        if isinstance(command, PedidoCriado) and pedido.status != Status.CRIADO:
            return Recusa.PEDIDO_JA_CONHECIDO
        if not isinstance(command, FecharPedido | CancelarPedido) and pedido.holds(self._now):
            return Recusa.RESERVA_VIGENTE
        return None

    def _check_stock(self, pedido: Pedido, *, sell: bool) -> Pedido:
        """A stock check: all items or none. First releases the units that a lapsed reservation still holds."""
        pedido = self._release(pedido)
        missing = tuple(m for sku, quantidade in pedido.itens.items() if (m := self._missing(sku, quantidade)))
        if missing:
            return replace(pedido, status=Status.ESTOQUE_NAO_DISPONIVEL, expira_em=None, itens_em_falta=missing)
        for sku, quantidade in pedido.itens.items():
            self._stock[sku].free -= quantidade
            self._movement(sku).reservado += quantidade
        self._decision.changed_lines.add(pedido.id)
        reserved = replace(
            pedido, status=Status.ESTOQUE_RESERVADO, expira_em=self._now + self._ttl, lines=pedido.itens
        )
        return self._sell(reserved) if sell else reserved

    def _missing(self, sku: str, quantidade: int) -> ItemEmFalta | None:
        row = self._stock.get(sku)
        if row is None or row.situacao == Situacao.ENCERRADO:
            return ItemEmFalta(sku, quantidade, 0, Motivo.SKU_DESCONHECIDO)
        if row.situacao != Situacao.ATIVO:
            return ItemEmFalta(sku, quantidade, 0, Motivo.ITEM_PAUSADO)
        if row.free < quantidade:
            return ItemEmFalta(sku, quantidade, max(row.free, 0), Motivo.SALDO_INSUFICIENTE)
        return None

    def _sell(self, pedido: Pedido) -> Pedido:
        for sku, quantidade in pedido.lines.items():
            movement = self._movement(sku)
            movement.reservado -= quantidade
            movement.vendido += quantidade
        self._decision.changed_lines.add(pedido.id)
        return replace(pedido, status=Status.FECHADO, expira_em=None)

    def _release(self, pedido: Pedido) -> Pedido:
        for sku, quantidade in pedido.lines.items():
            self._stock[sku].free += quantidade
            self._movement(sku).reservado -= quantidade
        if pedido.lines:
            self._decision.changed_lines.add(pedido.id)
        return replace(pedido, lines={})

    def _movement(self, sku: str) -> StockMovement:
        return self._decision.movements.setdefault(sku, StockMovement())
