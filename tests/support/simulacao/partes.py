"""The parties: the services' own code, each loop of it one that dies and is born again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from estoque.consumer import CommandConsumer
from estoque.events import to_event as status_event
from estoque.retention import RetentionPeriods as EstoquePeriods
from estoque.retention import retention_jobs as estoque_retention
from operador.decide.stockitem import ItemKey, StockItem
from operador.stock.database import Database
from pedidos import retention
from pedidos.command import CommandType, IdempotencyKey, KeyBusyError, KeyReusedError, NewCommand, digest
from pedidos.consumer import StatusConsumer
from pedidos.events import to_event
from pedidos.group_commit import Committed, GroupCommit
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods
from pedidos.retention import retention_jobs as pedidos_retention
from reservaestoque.bus import Batches, Handler, NotPublishedError
from reservaestoque.events import FINAL_STATUSES, Item
from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries, is_transient
from simulacao.banco import Banco
from simulacao.juiz import Declaracao, Juiz
from simulacao.modelo import Ordem, Retrato
from simulacao.mundo import INICIO, Mundo, Parte, Queda, Violacao
from simulacao.rede import Entregas, Fila, Publicador, Rede
from simulacao.times import Times

SKUS = ("A", "B", "C")

Vida = Callable[[Parte], Awaitable[None]]


class SemAviso:
    """Relays of the simulation look by themselves."""

    def wake(self) -> None:
        """Nothing to do."""


@dataclass
class Pedida:
    """A key that a customer uses: the first command that came with it, and the order that it stands for."""

    comando: NewCommand
    pedido_id: UUID | None = None


@dataclass
class Elenco:
    """Everybody of one seed. `conexoes` gives a party a connection to a database."""

    mundo: Mundo
    juiz: Juiz
    rede: Rede
    times: Times
    conexoes: Callable[[str, str], asyncpg.Connection]
    chaves: dict[str, Pedida] = field(default_factory=dict)
    tomando: dict[str, list[str]] = field(default_factory=dict)  # by party, the keys that it claims now

    def nascer(self) -> None:
        """All parties: two replicas of everything, as many customers."""
        for nome, (vida, peso) in PARTES.items():
            self.mundo.nascer(nome, lambda parte, vida=vida: _viver(parte, lambda p: vida(self, p)), peso)

    def _banco(self, parte: Parte, nome: str) -> Banco:
        return Banco(parte, nome, self.conexoes(parte.nome, nome), self.juiz.depois_do_commit)

    def _descanso(self, parte: Parte) -> Callable[[], bool]:
        """Parties that act by themselves stop when the seed calms down, unless they are asked."""
        return lambda: not self.mundo.calmo or parte.nome in self.mundo.pedidas

    # The services

    def _estoque(self, parte: Parte) -> Vida:
        consumidor = CommandConsumer(
            self._banco(parte, "estoque"), SemAviso(), self.times.reserva_ttl, self.times.event_horizon
        )
        return self._consumir(parte, self.rede.filas["estoque.pedidos"], consumidor)

    def _pedidos(self, parte: Parte) -> Vida:
        consumidor = StatusConsumer(self._banco(parte, "pedidos"), ask_after=self.times.resend_after)
        return self._consumir(parte, self.rede.filas["pedidos.status"], consumidor)

    def _consumir(self, parte: Parte, fila: Fila, handler: Handler) -> Vida:
        async def vida(_: Parte) -> None:
            lotes = Batches(
                fila.nome,
                fila.decodificador,
                handler,
                max_events=parte.rng.choice([1, 3, 20]),
                pause=lambda _: parte.vez("pause"),
            )
            entregas = Entregas(parte, self.rede, fila, self.juiz.ao_confirmar)
            try:
                await lotes.run(entregas)
            finally:
                entregas.encerrar()

        return vida

    def _relay_estoque(self, parte: Parte) -> Vida:
        sql = Queries("estoque")
        return self._relay(parte, "estoque", "pedidos.status", sql, status_event)

    def _relay_pedidos(self, parte: Parte) -> Vida:
        sql = Queries("pedidos")
        return self._relay(parte, "pedidos", "estoque.pedidos", sql, to_event)

    def _relay(self, parte: Parte, banco: str, fila: str, sql: Queries, evento: Callable[..., object]) -> Vida:
        publicador = Publicador(parte, self.rede, self.rede.filas[fila])
        relay = Relay(
            self._banco(parte, banco),
            publicador,
            take=sql["tomar_outbox"],
            to_event=evento,
        )

        async def vida(_: Parte) -> None:
            while True:
                await parte.vez("look into the outbox", quando=lambda: self._ha_o_que_publicar(banco))
                await relay.relay_once()

        return vida

    def _ha_o_que_publicar(self, banco: str) -> bool:
        return self.juiz.na_outbox[banco] > 0 and not self.mundo.broker_fora

    def _reenvio(self, parte: Parte) -> Vida:
        reenvio = Resend(
            self._banco(parte, "pedidos"),
            SemAviso(),
            after=self.times.resend_after,
            until=self.times.resend_horizon,
            horizon=self.times.event_horizon,
        )
        return self._repetir(parte, reenvio.step)

    def _retencao(self, parte: Parte) -> Vida:
        pedidos, times = self._banco(parte, "pedidos"), self.times
        prazos = RetentionPeriods(
            times.idempotency_retention,
            times.abandoned_after,
            times.pedidos_order_retention,
            times.change_retention,
        )
        jobs = (
            *pedidos_retention(pedidos, self._registro(pedidos), prazos).values(),
            *estoque_retention(
                self._banco(parte, "estoque"),
                EstoquePeriods(times.inbox_retention, times.estoque_order_retention, times.change_retention),
            ).values(),
        )

        async def passo() -> None:
            # Real ids would be in another order each time.
            with patch.object(retention, "new_id", lambda: _uuid(parte)):
                for job in jobs:
                    await job()

        return self._repetir(parte, passo)

    def _varredura(self, parte: Parte) -> Vida:
        operador = Database(self._banco(parte, "estoque"))

        async def passo() -> None:
            await operador.expire(parte.rng.choice([1, 2, 50]))

        return self._repetir(parte, passo)

    def _repetir(self, parte: Parte, passo: Callable[[], Awaitable[object]]) -> Vida:
        async def vida(_: Parte) -> None:
            while True:
                await parte.vez("time for its job", quando=self._descanso(parte))
                self.mundo.pedidas.discard(parte.nome)
                await passo()

        return vida

    def _registro(self, banco: Banco) -> GroupCommit:
        return GroupCommit(banco, SemAviso(), max_batch=9, max_waiting=9, resend_after=self.times.resend_after)

    # Those outside

    def _relogio(self, parte: Parte) -> Vida:
        async def passo() -> None:
            rng = parte.rng
            prazos = sorted({r.expira_em for r in self.juiz.modelo.retratos.values() if r.expira_em})
            if rng.random() < self.mundo.clima.recuos:
                self.mundo.visto["clock stepped back"] += 1
                await self.mundo.recuar(timedelta(seconds=rng.choice([0.001, 3, 60, 500])))
            elif prazos and rng.random() < 0.3:
                # Right before, at and after the instant at which a reservation lapses.
                alvo = rng.choice(prazos) + timedelta(microseconds=rng.choice([-1, 0, 1]))
                await self.mundo.avancar(await self._in_time(alvo - self.mundo.agora))
            elif rng.random() < self.mundo.clima.saltos:
                ttl = self.times.reserva_ttl
                await self.mundo.avancar(await self._in_time(rng.choice([ttl / 2, ttl, 2 * ttl])))
            else:
                await self.mundo.avancar(timedelta(seconds=rng.choice([0.001, 1, 31, 120])))

        return self._repetir(parte, passo)

    async def _in_time(self, leap: timedelta) -> timedelta:
        """A leap of the clock, left out where commands without an answer would be given up, or orders forgotten."""
        pending = "select min(criado_em) from comando where respondido_em is null"
        since = await self.mundo.monitores["pedidos"].fetchval(pending)
        then = self.mundo.agora + leap
        late = since is not None and then - since > self.times.resend_horizon / 2
        return timedelta(seconds=1) if late or then - INICIO > self.times.shortest_memory else leap

    def _loja(self, parte: Parte) -> Vida:
        operador = Database(self._banco(parte, "estoque"))

        async def passo() -> None:
            rng = parte.rng
            # All of them at first: a row that is not there can't be locked, so an order that comes while it is made
            # may rightly find it or not.
            novos = [sku for sku in SKUS if sku not in self.juiz.modelo.produtos]
            itens = [self._manifesto(parte, sku) for sku in novos or rng.sample(SKUS, rng.randint(1, 2))]
            self.juiz.declarando[parte.nome] = [
                Declaracao(i.key.dono, i.sku, i.quantidade, i.paused, i.ending) for i in itens
            ]
            await operador.sync(itens)

        return self._repetir(parte, passo)

    def _manifesto(self, parte: Parte, sku: str) -> StockItem:
        rng = parte.rng
        return StockItem(
            key=ItemKey("loja", f"{sku.lower()}{'-outro' if rng.random() < 0.1 else ''}"),
            uid=sku,
            version=1,
            generation=1,
            sku=sku,
            nome=sku,
            quantidade=rng.choice([2, 5, 9, 9, 20, 20, 20]),
            paused=rng.random() < 0.05,
            limite_baixo=None,
            deleting=sku in self.juiz.modelo.produtos and rng.random() < 0.05,
        )

    def _cliente(self, parte: Parte) -> Vida:
        banco = self._banco(parte, "pedidos")
        registro = self._registro(banco)

        async def passo() -> None:
            if not self.juiz.modelo.produtos:
                return
            comandos = [self._querer(parte) for _ in range(parte.rng.choice([1, 1, 2, 4]))]
            novos = [c for c in comandos if c is not None and c.pedido_id not in self._encerrados(c)]
            if not novos:
                return
            for novo in novos:
                itens = {item.sku: item.quantidade for item in novo.itens or []}
                de_antes = next((o.itens for o in self.juiz.ordens.values() if o.pedido_id == novo.pedido_id), {})
                pedidos = {} if novo.tipo == CommandType.CANCELAR else itens or de_antes
                self.juiz.ordens[novo.id] = Ordem(novo.id, novo.tipo, novo.pedido_id, pedidos)
            self.tomando[parte.nome] = [novo.key.value for novo in novos if novo.key is not None]
            try:
                resultados = await registro.write(novos)
            except asyncpg.LockNotAvailableError as falta:
                if any(parte.congelada and parte.nome.startswith("cliente") for parte in self.mundo.partes):
                    raise Violacao(f"{len(novos)} commands wait for a key of a frozen replica") from falta
                raise
            for novo, resultado in zip(novos, resultados, strict=True):
                self._ouvir(novo, resultado)

        return self._repetir(parte, passo)

    def _encerrados(self, comando: NewCommand) -> set[UUID]:
        """pedidos takes no more commands to an order that it knows to have ended."""
        retrato = self.juiz.modelo.retratos.get(comando.pedido_id)
        fim = retrato is not None and retrato.status in FINAL_STATUSES and comando.itens is None
        return {comando.pedido_id} if fim and comando.id.int % 4 else set()

    def _querer(self, parte: Parte) -> NewCommand | None:
        rng = parte.rng
        conhecidos = sorted(self.juiz.aceitos)
        if self.mundo.voltam:
            vencidos = [
                c for c in conhecidos if self.juiz.modelo.retratos.get(c, Retrato()).status == "ReservaExpirada"
            ]
            return (
                NewCommand(_uuid(parte), rng.choice(vencidos), CommandType.RESERVAR, "", "ana") if vencidos else None
            )
        if self.chaves and rng.random() < (0.5 if self.mundo.repetida else 0.15):
            return self._insistir(parte)
        if conhecidos and rng.random() < 0.55:
            tipo = rng.choice([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR])
            return NewCommand(_uuid(parte), rng.choice(conhecidos), tipo, "", "ana")
        skus = rng.sample((*SKUS, "NAO-HA") if rng.random() < 0.05 else SKUS, rng.randint(1, 3))
        itens = [Item(sku, rng.randint(1, 3)) for sku in sorted(set(skus))]
        chave = (
            IdempotencyKey("ana", "/pedidos", str(rng.randrange(10**6)), digest(itens))
            if rng.random() < 0.4
            else None
        )
        novo = NewCommand(_uuid(parte), _uuid(parte), CommandType.CRIAR, "", "ana", itens, chave)
        if chave is not None:
            self.chaves[chave.value] = Pedida(novo)
        return novo

    def _insistir(self, parte: Parte) -> NewCommand:
        """A customer who asks again: with the same key, for the same (or, wrongly, for something else)."""
        antes = self.chaves[self.mundo.repetida or parte.rng.choice(sorted(self.chaves))].comando
        chave = antes.key
        if chave is not None and parte.rng.random() < 0.2:
            chave = replace(chave, body_hash=b"something else")
        return replace(antes, id=_uuid(parte), pedido_id=_uuid(parte), key=chave)

    def _ouvir(self, novo: NewCommand, resultado: Committed | Exception) -> None:
        """What the customer is told; while a key is kept it stands for one order."""
        if isinstance(resultado, Exception):
            if not (isinstance(resultado, KeyReusedError | KeyBusyError) and novo.key is not None):
                raise resultado
            self.mundo.visto[type(resultado).__name__] += 1
            return
        self.juiz.aceitos.add(resultado.pedido_id)
        if novo.key is None:
            return
        pedida = self.chaves[novo.key.value]
        # Kept from the commit on, which the customer may hear of much later.
        if (
            pedida.pedido_id is None
            or self.mundo.agora - _feito_em(pedida.pedido_id) > self.times.idempotency_retention
        ):
            pedida.pedido_id = resultado.pedido_id
        if pedida.pedido_id != resultado.pedido_id:
            raise Violacao(f"key {novo.key.value} made two orders: {pedida.pedido_id}, {resultado.pedido_id}")


def _uuid(parte: Parte) -> UUID:
    """A UUIDv7 of this seed, so that the history is the same every time."""
    milissegundos = int(parte.mundo.agora.timestamp() * 1000)
    sorte = parte.rng.getrandbits(74)
    return UUID(int=milissegundos << 80 | 7 << 76 | (sorte >> 62) << 64 | 2 << 62 | sorte & (1 << 62) - 1)


def _feito_em(pedido_id: UUID) -> datetime:
    """When this id was made (RFC 9562, section 5.7), to the millisecond."""
    return datetime.fromtimestamp((pedido_id.int >> 80) / 1000, UTC)


async def _viver(parte: Parte, nascer: Callable[[Parte], Vida]) -> None:
    """Runs a party's life; when it dies, or something fails that passes, a new one begins with empty hands."""
    while True:
        vida = nascer(parte)
        try:
            await vida(parte)
        except Queda:
            await parte.vez("is born again", perigo=False)
        except (NotPublishedError, ConnectionError):
            await parte.vez("tries again", perigo=False)
        except Exception as falha:
            if not is_transient(falha):
                raise
            await parte.vez("tries again", perigo=False)


PARTES: dict[str, tuple[Callable[[Elenco, Parte], Vida], float]] = {
    "estoque-1": (Elenco._estoque, 3),
    "estoque-2": (Elenco._estoque, 3),
    "relay-estoque-1": (Elenco._relay_estoque, 1),
    "relay-estoque-2": (Elenco._relay_estoque, 1),
    "pedidos-1": (Elenco._pedidos, 2),
    "pedidos-2": (Elenco._pedidos, 2),
    "relay-pedidos-1": (Elenco._relay_pedidos, 1),
    "relay-pedidos-2": (Elenco._relay_pedidos, 1),
    "cliente-1": (Elenco._cliente, 1),
    "cliente-2": (Elenco._cliente, 1),
    "varredura-1": (Elenco._varredura, 0.8),
    "varredura-2": (Elenco._varredura, 0.8),
    "reenvio-1": (Elenco._reenvio, 0.3),
    "reenvio-2": (Elenco._reenvio, 0.3),
    "retencao": (Elenco._retencao, 0.1),
    "loja": (Elenco._loja, 0.2),
    "relogio": (Elenco._relogio, 0.6),
}
"""Everybody by name: how they live, and how often they move."""
