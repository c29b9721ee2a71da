"""The required behaviour of orders and stock, stated as plainly as possible: a pure model, one command at a time.

It has no batches, locks, counters or sweep: a reservation counts until it lapses. Written from the design and
not from the services' code, so that a mistake there is not repeated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

FINAL_STATUSES = ("Fechado", "Cancelado", "EstoqueNaoDisponivel")

Shortage = tuple[str, int, int, str]
"""SKU, units requested, units available, reason."""


@dataclass(frozen=True)
class Request:
    """A command: its event id and type, its order, the units requested by SKU, the newest version it applies to."""

    id: UUID
    tipo: str
    pedido_id: UUID
    itens: Mapping[str, int]
    se_versao: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of an order, as in AtualizarStatus."""

    status: str = "Criado"
    versao: int = 0
    expira_em: datetime | None = None
    shortages: tuple[Shortage, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The answer to a command: the resulting snapshot, and why nothing changed, if nothing did."""

    snapshot: Snapshot
    recusa: str | None


@dataclass
class Product:
    """A SKU: units ever supplied, units sold, whether it is offered, and its owner."""

    alvo: int
    situacao: str = "Ativo"
    dono: str | None = None
    vendido: int = 0


@dataclass
class Model:
    """All orders and all stock."""

    ttl: timedelta
    products: dict[str, Product] = field(default_factory=dict)
    snapshots: dict[UUID, Snapshot] = field(default_factory=dict)
    itens: dict[UUID, Mapping[str, int]] = field(default_factory=dict)
    recusas: dict[UUID, str | None] = field(default_factory=dict)

    def reservado(self, sku: str, now: datetime) -> int:
        """Units in reservations that have not lapsed."""
        return sum(self.itens[key].get(sku, 0) for key, snapshot in self.snapshots.items() if _holds(snapshot, now))

    def disponivel(self, sku: str, now: datetime) -> int:
        """Units that are available; negative when more are committed than supplied."""
        product = self.products[sku]
        return product.alvo - product.vendido - self.reservado(sku, now)

    def answer(self, order: Request, now: datetime) -> Reply:
        """Executes a command, or repeats the current snapshot when it was executed before."""
        if order.id not in self.recusas:
            self._execute(order, now)
        return Reply(self.snapshots[order.pedido_id], self.recusas[order.id])

    def sweep(self, pedido_id: UUID, now: datetime) -> Reply:
        """The sweep ends a lapsed reservation. Raises AssertionError if it has not lapsed."""
        snapshot = self.snapshots[pedido_id]
        assert snapshot.status == "EstoqueReservado", f"swept an order that is {snapshot.status}"
        assert not _holds(snapshot, now), f"swept at {now} a reservation that holds until {snapshot.expira_em}"
        new = Snapshot("ReservaExpirada", snapshot.versao + 1, None, snapshot.shortages)
        self.snapshots[pedido_id] = new
        return Reply(new, None)

    def declare(self, dono: str, sku: str, alvo: int, *, paused: bool, ending: bool, now: datetime) -> None:
        """A StockItem as the operator applies it: it owns a SKU from its first claim until it is deleted."""
        product = self.products.get(sku)
        if product is None:
            if not ending:
                self.products[sku] = Product(alvo, "Pausado" if paused else "Ativo", dono)
            return
        if product.dono not in ((dono,) if ending else (dono, None)):
            return
        if ending:
            free = self.reservado(sku, now) == 0
            product.situacao, product.dono = ("Encerrado", None) if free else ("Encerrando", dono)
        else:
            product.alvo, product.dono, product.situacao = alvo, dono, "Pausado" if paused else "Ativo"

    def _execute(self, order: Request, now: datetime) -> None:
        before = self.snapshots.get(order.pedido_id, Snapshot())
        self.itens.setdefault(order.pedido_id, order.itens)
        recusa = _refusal(order, before, now)
        after = before if recusa else self._obey(order, before, now)
        self.recusas[order.id] = recusa
        self.snapshots[order.pedido_id] = replace(after, versao=before.versao + 1)

    def _obey(self, order: Request, before: Snapshot, now: datetime) -> Snapshot:
        if order.tipo == "CancelarPedido":
            return replace(before, status="Cancelado", expira_em=None)
        itens = self.itens[order.pedido_id]
        fechar = order.tipo == "FecharPedido"
        if not _holds(before, now):
            shortages = tuple(f for sku, n in sorted(itens.items()) if (f := self._shortage(sku, n, now)))
            if shortages:
                return Snapshot("EstoqueNaoDisponivel", shortages=shortages)
            if not fechar:
                return Snapshot("EstoqueReservado", expira_em=now + self.ttl)
        for sku, units in itens.items():
            self.products[sku].vendido += units
        return replace(before, status="Fechado", expira_em=None)

    def _shortage(self, sku: str, units: int, now: datetime) -> Shortage | None:
        product = self.products.get(sku)
        if product is None or product.situacao == "Encerrado":
            return (sku, units, 0, "SkuDesconhecido")
        if product.situacao != "Ativo":
            return (sku, units, 0, "ItemPausado")
        free = self.disponivel(sku, now)
        return (sku, units, max(free, 0), "SaldoInsuficiente") if free < units else None


def _holds(snapshot: Snapshot, now: datetime) -> bool:
    return snapshot.status == "EstoqueReservado" and snapshot.expira_em is not None and snapshot.expira_em > now


def _refusal(order: Request, before: Snapshot, now: datetime) -> str | None:
    if before.status in FINAL_STATUSES:
        return "PedidoEncerrado"
    if order.se_versao is not None and before.versao > order.se_versao:
        return "PedidoMudou"
    if order.tipo == "PedidoCriado" and before.versao > 0:
        return "PedidoJaConhecido"
    if order.tipo == "ReservarPedido" and _holds(before, now):
        return "ReservaVigente"
    return None
