"""The services' own code and SQL against the model, step by step, wherever Hypothesis leads: no mishap, but messages
delivered in any order, as often as it likes, and batches cut as it likes. What fails is shrunk to a few steps.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from simulacao.campanha import preparar
from simulacao.juiz import Declaracao, Juiz
from simulacao.modelo import Modelo, Ordem
from simulacao.mundo import Mundo, Parte, Violacao, bridged_step_back
from simulacao.mutantes import MUTANTES
from simulacao.partes import SKUS, SemAviso
from simulacao.semente import BANCOS, MONITOR, Palco
from simulacao.times import Times

from estoque.consumer import CommandConsumer
from estoque.events import to_event as status_event
from local_system import System
from operador.decide.stockitem import ItemKey, StockItem
from operador.stock.database import Database
from pedidos.command import CommandType, NewCommand
from pedidos.consumer import StatusConsumer as ConsumidorDePedidos
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from reservaestoque.events import AtualizarStatus, Comando, Decoder, Item
from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

TIMES = Times.default()
ITENS = st.dictionaries(st.sampled_from([*SKUS, "NAO-HA"]), st.integers(1, 4), min_size=1, max_size=3)
ESCOLHA = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)
SEGUNDOS = st.sampled_from([0.000001, 1, 60, 1799.999999, 1800, 3600])


class Correio:
    """Where a relay publishes to; every event stays and can be delivered again and again."""

    connected = True

    def __init__(self, decodificador: Decoder[Any]) -> None:
        self.eventos: list[Any] = []
        self._decodificador = decodificador

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        for _, body in messages:
            eventos, ruins = self._decodificador.decode(body)
            assert ruins == []
            self.eventos += eventos

    def escolher(self, numeros: Sequence[int]) -> list[Any]:
        return [self.eventos[n % len(self.eventos)] for n in numeros]


class VidaDosPedidos(RuleBasedStateMachine):
    """pedidos, estoque and the operator on two databases."""

    urls: dict[str, str]
    runner: asyncio.Runner
    palco: Palco

    @initialize(quantidades=st.lists(st.integers(0, 12), min_size=len(SKUS), max_size=len(SKUS)))
    def abrir(self, quantidades: list[int]) -> None:
        self.runner.run(self.palco.preparar((MONITOR, "parte")))
        monitores = {banco: self.palco.conexao(MONITOR, banco) for banco in BANCOS}
        self.mundo = Mundo(0, monitores, self.runner.run(bridged_step_back(monitores["estoque"])))
        self.parte = Parte(self.mundo, "pedidos", 1)
        self.juiz = Juiz(self.mundo, Modelo(TIMES.reserva_ttl), TIMES)
        self.pedidos: list[UUID] = []
        estoque, pedidos = (_Pool(self.palco.conexao("parte", banco)) for banco in BANCOS)
        self.operador = Database(estoque)
        self.estoque = CommandConsumer(estoque, SemAviso(), TIMES.reserva_ttl, TIMES.event_horizon)
        self.status = ConsumidorDePedidos(pedidos, ask_after=TIMES.resend_after)
        self.registro = GroupCommit(pedidos, SemAviso(), max_batch=9, max_waiting=9, resend_after=TIMES.resend_after)
        self.comandos, self.fatos = (
            Correio(Decoder[Comando](Comando)),
            Correio(Decoder[AtualizarStatus](AtualizarStatus)),
        )
        self.relays = (
            _relay(pedidos, "pedidos", self.comandos, to_event),
            _relay(estoque, "estoque", self.fatos, status_event),
        )
        self.runner.run(self.mundo.avancar(timedelta()))
        for sku, quantidade in zip(SKUS, quantidades, strict=True):
            self.declarar(sku, quantidade, pausado=False, encerrar=False, outro=False)

    @rule(
        sku=st.sampled_from(SKUS),
        quantidade=st.integers(0, 12),
        pausado=st.booleans(),
        encerrar=st.booleans(),
        outro=st.booleans(),
    )
    def declarar(self, sku: str, quantidade: int, pausado: bool, encerrar: bool, outro: bool) -> None:
        chave = ItemKey("outra" if outro else "loja", sku.lower())
        item = StockItem(chave, sku, 1, 1, sku, sku, quantidade, pausado, None, deleting=encerrar)
        self.juiz.declarando["pedidos"] = [Declaracao(chave.dono, sku, quantidade, pausado, encerrar)]
        self._fazer("estoque", self.operador.sync([item]))

    @rule(itens=ITENS, vezes=st.integers(1, 3))
    def pedir(self, itens: dict[str, int], vezes: int) -> None:
        novos = [
            NewCommand(_id(), _id(), CommandType.CRIAR, "", "ana", [Item(s, n) for s, n in sorted(itens.items())])
            for _ in range(vezes)
        ]
        self.pedidos += [novo.pedido_id for novo in novos]
        self._mandar(novos, itens)

    @precondition(lambda self: self.pedidos)
    @rule(
        qual=st.integers(0, 10**6),
        tipo=st.sampled_from([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR]),
    )
    def comandar(self, qual: int, tipo: CommandType) -> None:
        pedido_id = self.pedidos[qual % len(self.pedidos)]
        itens = next(ordem.itens for ordem in self.juiz.ordens.values() if ordem.pedido_id == pedido_id)
        self._mandar([NewCommand(_id(), pedido_id, tipo, "", "ana")], {} if tipo == CommandType.CANCELAR else itens)

    @precondition(lambda self: self.comandos.eventos)
    @rule(quais=ESCOLHA)
    def entregar_a_estoque(self, quais: list[int]) -> None:
        assert self._fazer("estoque", self.estoque.handle(self.comandos.escolher(quais))) == []

    @precondition(lambda self: self.fatos.eventos)
    @rule(quais=ESCOLHA)
    def entregar_a_pedidos(self, quais: list[int]) -> None:
        assert self._fazer("pedidos", self.status.handle(self.fatos.escolher(quais))) == []

    @rule(segundos=SEGUNDOS)
    def esperar(self, segundos: float) -> None:
        self.runner.run(self.mundo.avancar(timedelta(seconds=segundos)))

    @rule(limite=st.integers(1, 5))
    def varrer(self, limite: int) -> None:
        self._fazer("estoque", self.operador.expire(limite))

    @invariant()
    def o_livro_fecha(self) -> None:
        if hasattr(self, "juiz"):
            assert self.runner.run(self.juiz.violacoes_do_livro()) == []

    def _mandar(self, novos: list[NewCommand], itens: dict[str, int]) -> None:
        for novo in novos:
            self.juiz.ordens[novo.id] = Ordem(novo.id, novo.tipo, novo.pedido_id, itens)
        self._fazer("pedidos", self.registro.write(novos))

    def _fazer(self, banco: str, chamada: Any) -> Any:
        """Does it, has it judged, and publishes what is to be told."""
        self.parte.instante = self.mundo.agora

        async def fazer() -> Any:
            resultado = await chamada
            await self.juiz.depois_do_commit(self.parte, banco)
            for relay in self.relays:
                await relay.relay_once()
            return resultado

        try:
            return self.runner.run(fazer())
        except Violacao as violacao:
            raise AssertionError(str(violacao)) from violacao  # which Hypothesis can shrink


class _Pool:
    """A pool of one connection."""

    def __init__(self, conexao: Any) -> None:
        self._conexao = conexao
        self.execute, self.fetch = conexao.execute, conexao.fetch
        self.fetchrow, self.fetchval = conexao.fetchrow, conexao.fetchval

    def acquire(self) -> "_Pool":
        return self

    async def __aenter__(self) -> Any:
        return self._conexao

    async def __aexit__(self, *_: object) -> None:
        pass


def _relay(pool: _Pool, servico: str, correio: Correio, evento: Any) -> Relay:
    sql = Queries(servico)
    return Relay(pool, correio, take=sql["tomar_outbox"], to_event=evento)


def _id() -> UUID:
    _id.ultimo += 1
    return UUID(int=0x019B8E00_0000_7000_8000_000000000000 + _id.ultimo)


_id.ultimo = 0


@pytest.fixture(scope="module")
def urls(backing: System) -> Iterator[dict[str, str]]:
    return preparar(backing, "estados")


def viver(urls: dict[str, str], mutante: str | None = None) -> None:
    """Lets Hypothesis look for a way to break the rules, with a mistake in the code if one is named."""
    palco = Palco(urls)
    maquina = type("Maquina", (VidaDosPedidos,), {"palco": palco})
    with asyncio.Runner() as runner:
        maquina.runner = runner
        runner.run(palco.preparar((MONITOR, "parte")))
        mudado = MUTANTES[mutante].aplicado(palco.conexao(MONITOR, "estoque")) if mutante else nullcontext()
        runner.run(mudado.__aenter__())
        try:
            run_state_machine_as_test(
                maquina,
                settings=settings(
                    # What it tries depends on the constants that it finds in all code that is loaded. Ends when it
                    # has found a mistake.
                    max_examples=5000 if mutante else 200,
                    stateful_step_count=40,
                    deadline=None,
                    derandomize=True,
                    phases=[Phase.generate] if mutante else [Phase.generate, Phase.shrink],
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(mudado.__aexit__(None, None, None))
            palco.fechar()


def test_orders_live_as_the_model_says(urls: dict[str, str]):
    viver(urls)


@pytest.mark.parametrize("mutante", ["lapsados-ficam-presos", "versao-ignorada", "recusa-esquecida"])
def test_a_mistake_put_in_on_purpose_is_found(urls: dict[str, str], mutante: str):
    with pytest.raises(AssertionError):
        viver(urls, mutante)
