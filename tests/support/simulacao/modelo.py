"""What orders and stock must do, said as plainly as possible: a pure model, one command at a time.

It knows no batches, no locks, no counters and no sweep: a reservation counts while its time is not over. Written
from DESIGN.md and not from the services' code, so that a mistake there does not repeat itself here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

FINAL_STATUSES = ("Fechado", "Cancelado", "EstoqueNaoDisponivel")

Falta = tuple[str, int, int, str]
"""SKU, units asked for, units there were, why."""


@dataclass(frozen=True)
class Ordem:
    """A command: its event id and type, the order, the units asked for by SKU, and the newest version it is about."""

    id: UUID
    tipo: str
    pedido_id: UUID
    itens: Mapping[str, int]
    se_versao: int | None = None


@dataclass(frozen=True)
class Retrato:
    """A snapshot of an order, as AtualizarStatus tells it."""

    status: str = "Criado"
    versao: int = 0
    expira_em: datetime | None = None
    faltas: tuple[Falta, ...] = ()


@dataclass(frozen=True)
class Resposta:
    """What a command is answered: the snapshot after it, and why it changed nothing if it did not."""

    retrato: Retrato
    recusa: str | None


@dataclass
class Produto:
    """A SKU: units ever supplied, units sold, what may be done with it, and who declares it."""

    alvo: int
    situacao: str = "Ativo"
    dono: str | None = None
    vendido: int = 0


@dataclass
class Modelo:
    """All orders and all stock."""

    ttl: timedelta
    produtos: dict[str, Produto] = field(default_factory=dict)
    retratos: dict[UUID, Retrato] = field(default_factory=dict)
    itens: dict[UUID, Mapping[str, int]] = field(default_factory=dict)
    recusas: dict[UUID, str | None] = field(default_factory=dict)

    def reservado(self, sku: str, agora: datetime) -> int:
        """Units in reservations whose time is not over."""
        return sum(
            self.itens[chave].get(sku, 0) for chave, retrato in self.retratos.items() if _vigente(retrato, agora)
        )

    def disponivel(self, sku: str, agora: datetime) -> int:
        """Units that can be had; fewer than none when more are committed than supplied."""
        produto = self.produtos[sku]
        return produto.alvo - produto.vendido - self.reservado(sku, agora)

    def responder(self, ordem: Ordem, agora: datetime) -> Resposta:
        """Carries out a command, or repeats the present snapshot when it has been carried out before."""
        if ordem.id not in self.recusas:
            self._executar(ordem, agora)
        return Resposta(self.retratos[ordem.pedido_id], self.recusas[ordem.id])

    def expirar(self, pedido_id: UUID, agora: datetime) -> Resposta:
        """The sweep ends a reservation whose time is over. Raises AssertionError when it is not."""
        retrato = self.retratos[pedido_id]
        assert retrato.status == "EstoqueReservado", f"swept an order that is {retrato.status}"
        assert not _vigente(retrato, agora), f"swept at {agora} what holds until {retrato.expira_em}"
        novo = Retrato("ReservaExpirada", retrato.versao + 1, None, retrato.faltas)
        self.retratos[pedido_id] = novo
        return Resposta(novo, None)

    def declarar(self, dono: str, sku: str, alvo: int, *, pausado: bool, encerrar: bool, agora: datetime) -> None:
        """A StockItem as the operator brings it: it owns a SKU from its first claim until it is deleted."""
        produto = self.produtos.get(sku)
        if produto is None:
            if not encerrar:
                self.produtos[sku] = Produto(alvo, "Pausado" if pausado else "Ativo", dono)
            return
        if produto.dono not in ((dono,) if encerrar else (dono, None)):
            return
        if encerrar:
            livre = self.reservado(sku, agora) == 0
            produto.situacao, produto.dono = ("Encerrado", None) if livre else ("Encerrando", dono)
        else:
            produto.alvo, produto.dono, produto.situacao = alvo, dono, "Pausado" if pausado else "Ativo"

    def _executar(self, ordem: Ordem, agora: datetime) -> None:
        antes = self.retratos.get(ordem.pedido_id, Retrato())
        self.itens.setdefault(ordem.pedido_id, ordem.itens)
        recusa = _recusar(ordem, antes, agora)
        depois = antes if recusa else self._obedecer(ordem, antes, agora)
        self.recusas[ordem.id] = recusa
        self.retratos[ordem.pedido_id] = replace(depois, versao=antes.versao + 1)

    def _obedecer(self, ordem: Ordem, antes: Retrato, agora: datetime) -> Retrato:
        if ordem.tipo == "CancelarPedido":
            return replace(antes, status="Cancelado", expira_em=None)
        itens = self.itens[ordem.pedido_id]
        fechar = ordem.tipo == "FecharPedido"
        if not _vigente(antes, agora):
            faltas = tuple(f for sku, n in sorted(itens.items()) if (f := self._faltar(sku, n, agora)))
            if faltas:
                return Retrato("EstoqueNaoDisponivel", faltas=faltas)
            if not fechar:
                return Retrato("EstoqueReservado", expira_em=agora + self.ttl)
        for sku, unidades in itens.items():
            self.produtos[sku].vendido += unidades
        return replace(antes, status="Fechado", expira_em=None)

    def _faltar(self, sku: str, unidades: int, agora: datetime) -> Falta | None:
        produto = self.produtos.get(sku)
        if produto is None or produto.situacao == "Encerrado":
            return (sku, unidades, 0, "SkuDesconhecido")
        if produto.situacao != "Ativo":
            return (sku, unidades, 0, "ItemPausado")
        livre = self.disponivel(sku, agora)
        return (sku, unidades, max(livre, 0), "SaldoInsuficiente") if livre < unidades else None


def _vigente(retrato: Retrato, agora: datetime) -> bool:
    return retrato.status == "EstoqueReservado" and retrato.expira_em is not None and retrato.expira_em > agora


def _recusar(ordem: Ordem, antes: Retrato, agora: datetime) -> str | None:
    if antes.status in FINAL_STATUSES:
        return "PedidoEncerrado"
    if ordem.se_versao is not None and antes.versao > ordem.se_versao:
        return "PedidoMudou"
    if ordem.tipo == "PedidoCriado" and antes.versao > 0:
        return "PedidoJaConhecido"
    if ordem.tipo == "ReservarPedido" and _vigente(antes, agora):
        return "ReservaVigente"
    return None
