"""Holds every commit, every acknowledgement and the end of a seed against the model. Watches from outside.

Reads rows in the order of their keys: their place in the table may differ from run to run, and the first of several
violations is reported.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from conferir import ledger
from reservaestoque.events import AtualizarStatus, CloudEvent, ItemEmFalta
from simulacao.modelo import FINAL_STATUSES, Modelo, Ordem, Resposta, Retrato
from simulacao.mundo import Mundo, Parte, Violacao
from simulacao.rede import Fila, Mensagem
from simulacao.times import Times

_TRANCADOS = {
    "estoque": (
        "select id as pedido_id from pedido where xmax::text = $1",
        "select pedido_id from outbox where xmax::text = $1",
    ),
    "pedidos": (
        "select id as pedido_id from pedido where xmax::text = $1",
        "select c.pedido_id from outbox o join comando c on c.id = o.comando_id where o.xmax::text = $1",
    ),
}
"""Orders whose rows a transaction holds: rows that it has locked, changed or deleted name it in `xmax`."""

_ler_faltas = msgspec.json.Decoder(list[ItemEmFalta]).decode


@dataclass(frozen=True)
class Declaracao:
    """What a StockItem is being made to say."""

    dono: str
    sku: str
    alvo: int
    pausado: bool
    encerrar: bool


@dataclass
class Juiz:
    """Remembers what was asked (`ordens`), accepted (`aceitos`) and said by estoque (`historia`)."""

    mundo: Mundo
    modelo: Modelo
    times: Times
    ordens: dict[UUID, Ordem] = field(default_factory=dict)
    aceitos: set[UUID] = field(default_factory=set)
    historia: dict[tuple[UUID, int], Retrato] = field(default_factory=dict)
    declarando: dict[str, list[Declaracao]] = field(default_factory=dict)
    na_outbox: dict[str, int] = field(default_factory=lambda: {"estoque": 0, "pedidos": 0})
    _vistos: set[int] = field(default_factory=set)
    _versoes: dict[UUID, int] = field(default_factory=dict)
    _relogios: dict[UUID, datetime] = field(default_factory=dict)
    _ended: dict[UUID, datetime] = field(default_factory=dict)
    _marcas: dict[str, datetime] = field(default_factory=dict)

    async def depois_do_commit(self, parte: Parte, banco: str) -> None:
        """Looks at what a party has just committed."""
        monitor = self.mundo.monitores[banco]
        outbox = await monitor.fetch("select * from outbox order by id")
        self.na_outbox[banco] = len(outbox)
        if banco == "estoque":
            await self._ver_estoque(parte, monitor, outbox)
        elif parte.nome.startswith("pedidos"):
            await self._ver_pedidos(monitor)

    async def _ver_estoque(self, parte: Parte, monitor: asyncpg.Connection, outbox: Sequence[asyncpg.Record]) -> None:
        declaradas = self.declarando.pop(parte.nome, [])
        instante = max([parte.instante, *(self._marcas.get(d.sku, parte.instante) for d in declaradas)])
        for declaracao in declaradas:
            self.modelo.declarar(
                declaracao.dono,
                declaracao.sku,
                declaracao.alvo,
                pausado=declaracao.pausado,
                encerrar=declaracao.encerrar,
                agora=instante,
            )
        # Ids are given out before the commit: the newest fact need not have the highest.
        fatos = [fato for fato in outbox if fato["id"] not in self._vistos]
        for fato in fatos:
            self._vistos.add(fato["id"])
            await self._julgar(fato)
        await self._ver_relogios(monitor)
        if fatos:
            await self._ver_saldos(monitor)

    async def _ordem(self, causa: UUID) -> Ordem:
        """What that event asked for. What no customer asked for pedidos did: it cancels abandoned orders."""
        if causa not in self.ordens:
            comando = await self.mundo.monitores["pedidos"].fetchrow("select * from comando where id = $1", causa)
            if comando is None or comando["tipo"] != "CancelarPedido":
                raise Violacao(f"estoque answered {causa}, which nobody asked")
            pedido, versao = comando["pedido_id"], comando["se_versao"]
            visto = self.historia.get((pedido, versao))
            if visto is None or not self._abandoned(visto):
                raise Violacao(f"pedidos cancels order {pedido}, which was no lapsed one at version {versao}")
            self.ordens[causa] = Ordem(causa, comando["tipo"], pedido, {}, versao)
        return self.ordens[causa]

    def _abandoned(self, visto: Retrato) -> bool:
        unheard = visto.expira_em is not None and self.mundo.agora - visto.expira_em > self.times.abandoned_after
        self.mundo.visto["cancelled unheard"] += unheard
        return visto.status == "ReservaExpirada" or unheard

    async def _julgar(self, fato: asyncpg.Record) -> None:
        pedido, agora = fato["pedido_id"], fato["criado_em"]
        self._ver_instante(fato)
        try:
            if fato["causa"] is None:
                esperada = self.modelo.expirar(pedido, agora)
            else:
                esperada = self.modelo.responder(await self._ordem(fato["causa"]), agora)
        except AssertionError as erro:
            raise Violacao(str(erro)) from erro
        dita = Resposta(retrato(fato), fato["recusa"])
        self.mundo.visto.update([dita.retrato.status, *filter(None, [dita.recusa])])
        if dita != esperada:
            raise Violacao(f"order {pedido}: estoque said\n  {dita}\nand it should be\n  {esperada}")
        self.historia[pedido, dita.retrato.versao] = dita.retrato

    def _ver_instante(self, fato: asyncpg.Record) -> None:
        """Neither the clock of an order nor that of its SKUs goes back. What is said again was decided before."""
        pedido, agora = fato["pedido_id"], fato["criado_em"]
        if (pedido, fato["versao"]) not in self.historia:
            if agora < self._relogios.get(pedido, agora):
                raise Violacao(f"order {pedido} was decided at {agora}, before what was decided earlier")
            self._relogios[pedido] = agora
            if fato["status"] in FINAL_STATUSES:
                self._ended.setdefault(pedido, agora)
        for sku in self.modelo.itens.get(pedido, {}) if fato["causa"] is not None else {}:
            if agora < self._marcas.get(sku, agora):
                raise Violacao(f"order {pedido} was decided at {agora}, and {sku} changed at {self._marcas[sku]}")

    async def _ver_relogios(self, monitor: asyncpg.Connection) -> None:
        """The clock of a SKU never goes back."""
        for linha in await monitor.fetch("select sku, alterado_em from estoque order by sku"):
            marca = self._marcas.get(linha["sku"], linha["alterado_em"])
            if linha["alterado_em"] < marca:
                raise Violacao(f"{linha['sku']} changed at {linha['alterado_em']}, after {marca}")
            self._marcas[linha["sku"]] = linha["alterado_em"]

    async def _ver_saldos(self, monitor: asyncpg.Connection) -> None:
        saldos = "select sku, alvo, situacao, reservado, vendido, disponivel from saldo order by sku"
        for linha in await monitor.fetch(saldos):
            produto = self.modelo.produtos[linha["sku"]]
            agora = max(self.mundo.agora, self._marcas[linha["sku"]])
            esperado = (
                produto.alvo,
                produto.situacao,
                self.modelo.reservado(linha["sku"], agora),
                produto.vendido,
                max(self.modelo.disponivel(linha["sku"], agora), 0),
            )
            if tuple(linha)[1:] != esperado:
                raise Violacao(f"balance of {linha['sku']}: {tuple(linha)[1:]} and it should be {esperado}")

    async def _ver_pedidos(self, monitor: asyncpg.Connection) -> None:
        """What pedidos says of an order is something that estoque said, and never older than before."""
        for linha in await monitor.fetch("select * from pedido where versao > 0 order by id"):
            pedido, versao = linha["id"], linha["versao"]
            if versao < self._versoes.get(pedido, 0):
                raise Violacao(f"order {pedido} went back from version {self._versoes[pedido]} to {versao}")
            self._versoes[pedido] = versao
            if self.historia.get((pedido, versao)) != retrato(linha):
                raise Violacao(f"order {pedido}: pedidos says {retrato(linha)}, which estoque never said")

    async def ao_confirmar(self, fila: Fila, mensagens: Sequence[Mensagem]) -> None:
        """A message may be acknowledged only when the effect of all its events is committed."""
        for mensagem in mensagens:
            eventos, _ = fila.decodificador.decode(mensagem.body)
            for evento in eventos:
                kept = _posto_de_lado(fila, evento) or _put_back(fila, evento, mensagens)
                if not await self._feito(evento) and not kept:
                    raise Violacao(f"acknowledged before its effect was committed: {evento}")

    async def _feito(self, evento: CloudEvent) -> bool:
        if isinstance(evento, AtualizarStatus):
            versao = await self.mundo.monitores["pedidos"].fetchval(
                "select versao from pedido where id = $1", evento.data.pedido_id
            )
            return versao is not None and versao >= evento.data.versao
        return bool(
            await self.mundo.monitores["estoque"].fetchval("select true from inbox where evento_id = $1", evento.id)
        )

    async def esperam_sem_razao(self, congelada: Parte, filas: Iterable[Fila]) -> set[UUID]:
        """Orders that wait for an answer although they need nothing that a frozen party holds."""
        esperam = await self.mundo.monitores["pedidos"].fetch(
            "select distinct pedido_id from comando where reenviar_em is not null"
        )
        presos = await self._presos_por(congelada)
        for fila in filas:
            for entregas, mensagens in fila.entregues.items():
                if entregas.parte is congelada:
                    presos |= {e.data.pedido_id for m in mensagens for e in fila.decodificador.decode(m.body)[0]}
        return {linha["pedido_id"] for linha in esperam} - presos

    async def _presos_por(self, congelada: Parte) -> set[UUID]:
        """The orders that need rows which its transaction has locked, changed, or deleted."""
        assert congelada.transacao is not None
        banco, pid = congelada.transacao
        monitor = self.mundo.monitores[banco]
        xid = await monitor.fetchval("select backend_xid::text from pg_stat_activity where pid = $1", pid)
        presos: set[UUID] = set()
        for consulta in _TRANCADOS[banco]:
            presos |= {linha["pedido_id"] for linha in await monitor.fetch(consulta, xid)}
        if banco == "estoque":
            linhas = await monitor.fetch("select sku from estoque where xmax::text = $1", xid)
            skus = {linha["sku"] for linha in linhas}
            presos |= {ordem.pedido_id for ordem in self.ordens.values() if skus & ordem.itens.keys()}
        return presos

    async def violacoes_do_livro(self) -> list[str]:
        """Rules of the ledger that are broken."""
        return [str(v) for v in await ledger.violations(self.mundo.monitores["estoque"])]

    async def ver_o_fim(self, mortas: Iterable[tuple[bytes, str]]) -> None:
        """At rest: nobody is owed anything, both services say the same, and it is what the model says."""
        la, ca = await self._pedidos_de("estoque"), await self._pedidos_de("pedidos")
        problemas = await self.violacoes_do_livro()
        problemas += [f"dead letter: {razao}: {corpo[:200]!r}" for corpo, razao in mortas]
        problemas += [f"order {k}: pedidos {ca[k]}, estoque {la[k]}" for k in ca.keys() & la.keys() if ca[k] != la[k]]
        problemas += [
            f"order {k}: pedidos {dito}, model {self.modelo.retratos.get(k)}"
            for k, dito in ca.items()
            if dito != self.modelo.retratos.get(k)
        ]
        times = self.times
        problemas += [
            f"order {k} was forgotten by estoque"
            for k in ca.keys() - la.keys()
            if not self._esquecivel(k, times.estoque_order_retention)
        ]
        problemas += [
            f"order {k} was accepted and is lost"
            for k in self.aceitos - ca.keys()
            if not self._esquecivel(k, times.pedidos_order_retention)
        ]
        problemas += [f"order {k} was left undecided" for k, dito in ca.items() if dito.status == "Criado"]
        problemas += [
            f"order {k}: estoque {dito}, model {self.modelo.retratos.get(k)}"
            for k, dito in la.items()
            if dito != self.modelo.retratos.get(k)
        ]
        problemas += [
            f"order {k}: {dito} though its time is over"
            for k, dito in la.items()
            if dito.status not in FINAL_STATUSES and dito.expira_em and dito.expira_em <= self.mundo.agora
        ]
        if problemas:
            raise Violacao("\n".join(problemas))

    def _esquecivel(self, pedido_id: UUID, kept: timedelta) -> bool:
        retrato = self.modelo.retratos.get(pedido_id)
        # estoque's instant may be ahead of the clock that pedidos read when it heard of it.
        # A command that comes after the end makes a new version of it, which pedidos may not hear of in time.
        velho = self.mundo.agora - self._ended.get(pedido_id, self.mundo.agora) > kept - self.mundo.step_back
        return velho and retrato is not None and retrato.status in FINAL_STATUSES

    async def _pedidos_de(self, banco: str) -> dict[UUID, Retrato]:
        linhas = await self.mundo.monitores[banco].fetch("select * from pedido order by id")
        return {linha["id"]: retrato(linha) for linha in linhas}


def retrato(linha: Any) -> Retrato:
    """The snapshot in a row of `pedido` or of estoque's outbox."""
    faltas = tuple((f.sku, f.solicitado, f.disponivel, str(f.motivo)) for f in _ler_faltas(linha["itens_em_falta"]))
    return Retrato(linha["status"], linha["versao"], linha["expira_em"], faltas)


def _put_back(fila: Fila, evento: CloudEvent, mensagens: Sequence[Mensagem]) -> bool:
    """Whether another message has the event too."""
    others = [*fila.mensagens, *(m for entregues in fila.entregues.values() for m in entregues)]
    return any(str(evento.id).encode() in m.body for m in others if m not in mensagens)


def _posto_de_lado(fila: Fila, evento: CloudEvent) -> bool:
    return any(str(evento.id).encode() in corpo for corpo, _ in fila.mortas)
