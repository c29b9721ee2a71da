"""Who gets stock: the decision of a batch of commands. Pure; the instant and all data are arguments.

Commands are decided in the order given, first come first served, each one all or nothing. What is decided is
also what must be written: nothing else reads the stock in between, since the caller holds its locks.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from estoque.pedido import Decisao, Fato, Movimento, Pedido, Recusa, Saldo, Situacao, somar_itens
from reservaestoque.events import (
    FINAIS,
    CancelarPedido,
    Comando,
    FecharPedido,
    ItemEmFalta,
    Motivo,
    PedidoCriado,
    Status,
)


def faltas(comandos: Iterable[Comando], saldos: Mapping[str, Saldo]) -> dict[str, int]:
    """How many units of each SKU these commands could want beyond what is free: worth releasing lapsed ones for."""
    procura: dict[str, int] = {}
    for comando in comandos:
        for sku, quantidade in somar_itens(comando).items():
            procura[sku] = procura.get(sku, 0) + quantidade
    return {
        sku: quantidade - saldos[sku].livre
        for sku, quantidade in sorted(procura.items())
        if sku in saldos and quantidade > saldos[sku].livre
    }


def decidir(
    comandos: Sequence[Comando],
    pedidos: Mapping[UUID, Pedido],
    saldos: Mapping[str, Saldo],
    agora: datetime,
    ttl: timedelta,
) -> Decisao:
    """Decides the commands in order and returns all that changes. Lowers and raises `saldos` as it goes.

    `pedidos` are the orders that are known already, `saldos` the rows of every SKU that any of them names.
    """
    return _Lote(dict(pedidos), saldos, agora, ttl).decidir(comandos)


class _Lote:
    """A batch under decision."""

    def __init__(
        self, pedidos: dict[UUID, Pedido], saldos: Mapping[str, Saldo], agora: datetime, ttl: timedelta
    ) -> None:
        self._pedidos = pedidos
        self._saldos = saldos
        self._agora = agora
        self._ttl = ttl
        self._decisao = Decisao()

    def decidir(self, comandos: Sequence[Comando]) -> Decisao:
        for comando in comandos:
            self._responder(comando)
        return self._decisao

    def _responder(self, comando: Comando) -> None:
        """Every command takes the order one version on, whatever comes of it."""
        pedido_id = comando.data.pedido_id
        antes = self._pedidos.get(pedido_id) or Pedido(pedido_id, Status.CRIADO, 0, somar_itens(comando))
        pedido = replace(antes, versao=antes.versao + 1)
        recusa = self._recusar(comando, antes)
        if recusa is None:
            pedido = self._obedecer(comando, pedido)
        self._pedidos[pedido_id] = self._decisao.pedidos[pedido_id] = pedido
        self._decisao.fatos.append(Fato(pedido, comando.id, recusa, comando.traceparent or None))

    def _obedecer(self, comando: Comando, pedido: Pedido) -> Pedido:
        if isinstance(comando, CancelarPedido):
            return replace(self._devolver(pedido), status=Status.CANCELADO, expira_em=None)
        if isinstance(comando, FecharPedido) and pedido.vigente(self._agora):
            return self._vender(pedido)
        return self._consultar(pedido, vender=isinstance(comando, FecharPedido))

    def _recusar(self, comando: Comando, pedido: Pedido) -> Recusa | None:
        if pedido.status in FINAIS:
            return Recusa.PEDIDO_ENCERRADO
        if isinstance(comando, CancelarPedido) and pedido.versao > (comando.data.versao or pedido.versao):
            return Recusa.PEDIDO_MUDOU
        if isinstance(comando, PedidoCriado) and pedido.status != Status.CRIADO:
            return Recusa.PEDIDO_JA_CONHECIDO
        if not isinstance(comando, FecharPedido | CancelarPedido) and pedido.vigente(self._agora):
            return Recusa.RESERVA_VIGENTE
        return None

    def _consultar(self, pedido: Pedido, *, vender: bool) -> Pedido:
        """A stock check: all items or none. What a lapsed reservation still holds is given back first."""
        pedido = self._devolver(pedido)
        falta = tuple(f for sku, quantidade in pedido.itens.items() if (f := self._faltar(sku, quantidade)))
        if falta:
            return replace(pedido, status=Status.ESTOQUE_NAO_DISPONIVEL, expira_em=None, itens_em_falta=falta)
        for sku, quantidade in pedido.itens.items():
            self._saldos[sku].livre -= quantidade
            self._movimento(sku).reservado += quantidade
        self._decisao.linhas_mudadas.add(pedido.id)
        reservado = replace(
            pedido, status=Status.ESTOQUE_RESERVADO, expira_em=self._agora + self._ttl, linhas=pedido.itens
        )
        return self._vender(reservado) if vender else reservado

    def _faltar(self, sku: str, quantidade: int) -> ItemEmFalta | None:
        saldo = self._saldos.get(sku)
        if saldo is None or saldo.situacao == Situacao.ENCERRADO:
            return ItemEmFalta(sku, quantidade, 0, Motivo.SKU_DESCONHECIDO)
        if saldo.situacao != Situacao.ATIVO:
            return ItemEmFalta(sku, quantidade, 0, Motivo.ITEM_PAUSADO)
        if saldo.livre < quantidade:
            return ItemEmFalta(sku, quantidade, max(saldo.livre, 0), Motivo.SALDO_INSUFICIENTE)
        return None

    def _vender(self, pedido: Pedido) -> Pedido:
        for sku, quantidade in pedido.linhas.items():
            movimento = self._movimento(sku)
            movimento.reservado -= quantidade
            movimento.vendido += quantidade
        self._decisao.linhas_mudadas.add(pedido.id)
        return replace(pedido, status=Status.FECHADO, expira_em=None)

    def _devolver(self, pedido: Pedido) -> Pedido:
        for sku, quantidade in pedido.linhas.items():
            self._saldos[sku].livre += quantidade
            self._movimento(sku).reservado -= quantidade
        if pedido.linhas:
            self._decisao.linhas_mudadas.add(pedido.id)
        return replace(pedido, linhas={})

    def _movimento(self, sku: str) -> Movimento:
        return self._decisao.movimentos.setdefault(sku, Movimento())
