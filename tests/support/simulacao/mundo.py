"""Who moves next, and what befalls them: drawn from a seed, one party and one step at a time."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asyncpg import Connection, ConnectionDoesNotExistError

INICIO = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Queda(BaseException):
    """The party's process dies here. No handler of its own can catch it, like SIGKILL."""


class Violacao(BaseException):
    """Something that must never happen did. Like Queda, no handler under test can catch it."""


@dataclass(frozen=True)
class Clima:
    """How rough it is, as probabilities by step: `saltos` that the clock leaps beyond a reservation, `recuos` that
    it steps back.
    """

    queda: float = 0.0
    conexao: float = 0.0
    perda: float = 0.0
    copia: float = 0.0
    confirmacao: float = 0.0
    saltos: float = 0.2
    recuos: float = 0.0

    @classmethod
    def sortear(cls, rng: random.Random) -> "Clima":
        """Some days are calm, so that plain mistakes show without noise; most are not."""
        if rng.random() < 0.15:
            return cls(saltos=rng.choice([0.0, 0.3]), recuos=rng.choice([0.0, 0.3]))

        def ate(teto: float) -> float:
            return rng.choice([0.0, teto / 4, teto])

        return cls(ate(0.03), ate(0.02), ate(0.2), ate(0.2), ate(0.1), rng.choice([0.05, 0.2, 0.4]), ate(0.2))


@dataclass
class Espera:
    """A statement that waits for a lock: in which database, in which process of the server; whether it gave up."""

    tarefa: "asyncio.Task[object]"
    banco: str
    pid: int
    desistiu: bool = False


async def bridged_step_back(estoque: "Connection") -> timedelta:
    """The largest step back of the clock that estoque's SKUs bridge, to the second."""
    tolerated: timedelta = await estoque.fetchval("select recuo_tolerado()")
    return tolerated - timedelta(seconds=1)


class Transacao(NamedTuple):
    """A transaction under way: in which database, and in which process of the server."""

    banco: str
    pid: int


class Parte:
    """A party: one task that moves only when it is told to."""

    def __init__(self, mundo: "Mundo", nome: str, peso: float) -> None:
        self.mundo = mundo
        self.nome = nome
        self.peso = peso
        self.rng = random.Random(f"{mundo.semente}/{nome}")
        self.tarefa: asyncio.Task[None] | None = None
        self.presa: Espera | None = None
        self.instante = mundo.agora  # at which its last statement had all that it waited for
        self.transacao: Transacao | None = None  # when it is between two statements of one
        self.congelada = False
        self.abandonada = False  # its session has ended while it was frozen
        self._portao: asyncio.Future[None] | None = None
        self._quando: Callable[[], bool] | None = None
        self._parou = asyncio.Event()

    async def vez(self, passo: str, *, quando: Callable[[], bool] | None = None, perigo: bool = True) -> None:
        """Waits to be told to move, which it is only while `quando`. Raises Queda or ConnectionDoesNotExistError
        when that is what befalls it at this step; nothing does where there is no `perigo`.
        """
        if self.mundo.findo:
            raise asyncio.CancelledError
        if self.abandonada:
            self.abandonada = False
            raise ConnectionDoesNotExistError("terminating connection due to idle-in-transaction timeout")
        self._portao = asyncio.get_running_loop().create_future()
        self._quando = quando
        self._parou.set()
        await self._portao
        self._portao = None
        if self.abandonada:
            self.abandonada = False
            raise ConnectionDoesNotExistError("terminating connection due to idle-in-transaction timeout")
        falha = self.mundo.sortear_falha(self) if perigo else None
        self.mundo.anotar(f"{self.nome}: {passo}" + (f" → {type(falha).__name__}" if falha else ""))
        if falha:
            self.mundo.visto[type(falha).__name__] += 1
            raise falha

    @property
    def pronta(self) -> bool:
        """Whether it could move now."""
        return not self.congelada and self.no_portao and (self._quando is None or self._quando())

    @property
    def no_portao(self) -> bool:
        """Whether it waits to be told to move."""
        return self._portao is not None and not self._portao.done()

    async def mover(self) -> None:
        """Lets it take one step; returns when it waits again, has ended, or waits for a lock."""
        assert self._portao is not None
        self._parou.clear()
        self._portao.set_result(None)
        await self._parou.wait()

    def congelar(self) -> None:
        """It stops, as by SIGSTOP, with all locks that it has."""
        self.congelada = True
        self.mundo.anotar(f"{self.nome}: is frozen")

    def descongelar(self) -> None:
        """It goes on; the server has ended its transaction meanwhile."""
        self.congelada = False
        self.abandonada = True
        self.mundo.anotar(f"{self.nome}: is thawed")

    def parar(self) -> None:
        """It waits for a lock, or has ended."""
        self._parou.set()


@dataclass
class Mundo:
    """The seed's world: its clock, its parties, its trail. `monitores` watch the two databases from outside.

    The clock steps back by `step_back` at most.
    """

    semente: int
    monitores: "dict[str, Connection]"
    step_back: timedelta
    rng: random.Random = field(init=False)
    clima: Clima = field(init=False)
    agora: datetime = field(default=INICIO, init=False)
    tarde: datetime = field(default=INICIO, init=False)
    calmo: bool = field(default=False, init=False)
    broker_fora: bool = field(default=False, init=False)
    voltam: bool = field(default=False, init=False)
    repetida: str | None = field(default=None, init=False)
    partes: list[Parte] = field(default_factory=list, init=False)
    trilha: list[str] = field(default_factory=list, init=False)
    visto: Counter[str] = field(default_factory=Counter, init=False)
    pedidas: set[str] = field(default_factory=set, init=False)
    passos: int = field(default=0, init=False)
    violacao: BaseException | None = field(default=None, init=False)
    findo: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.semente)
        self.clima = Clima.sortear(self.rng)

    def nascer(self, nome: str, vida: Callable[[Parte], Awaitable[None]], peso: float = 1.0) -> Parte:
        """A new party, which lives `vida`."""
        parte = Parte(self, nome, peso)

        async def viver() -> None:
            try:
                await vida(parte)
                self.violacao = Violacao(f"{nome} has ended by itself")
            except asyncio.CancelledError:
                raise
            except BaseException as erro:
                self.violacao = self.violacao or erro
            finally:
                parte.parar()

        parte.tarefa = asyncio.ensure_future(viver())
        self.partes.append(parte)
        return parte

    def anotar(self, linha: str) -> None:
        """Adds a line to the trail."""
        self.trilha.append(f"{self.passos:4} {self.agora:%d %H:%M:%S.%f} {linha}")

    def sortear_falha(self, parte: Parte) -> BaseException | None:
        """What befalls a party at a step, if anything."""
        if self.calmo:
            return None
        dado = parte.rng.random()
        if dado < self.clima.queda:
            return Queda()
        if dado < self.clima.queda + self.clima.conexao:
            return ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return None

    async def avancar(self, quanto: timedelta) -> None:
        """Moves the clock of both databases ahead."""
        await self._por(self.agora + max(quanto, timedelta()))

    async def recuar(self, quanto: timedelta) -> None:
        """Moves the clock of both databases back, at most `step_back` behind the latest instant that it showed."""
        await self._por(max(self.agora - quanto, self.tarde - self.step_back))

    async def _por(self, instante: datetime) -> None:
        self.agora, self.tarde = instante, max(instante, self.tarde)
        micros = (self.agora - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        for monitor in self.monitores.values():
            await monitor.execute("select setval('relogio', $1)", micros)

    async def correr(self, limite: int, *, ate_parar: bool = False) -> None:
        """Moves parties until `limite` steps are taken, or (`ate_parar`) until none has anything to do.

        Raises what a party raised that it may not raise.
        """
        for _ in range(limite):
            await self._assentar()
            prontas = [parte for parte in self.partes if parte.pronta]
            if self.violacao is not None:
                raise self.violacao
            if not prontas:
                if await self._desistir_de_uma_tranca():
                    continue
                return
            self.passos += 1
            [parte] = self.rng.choices(prontas, [p.peso for p in prontas])
            await parte.mover()
            if self.violacao is not None:
                raise self.violacao
        if ate_parar:
            raise Violacao(f"the parties are not at rest after {limite} steps")

    async def _assentar(self) -> None:
        """Lets those who got the lock that they waited for go on to their next step."""
        for parte in self.partes:
            while not (parte.no_portao or _acabou(parte) or (parte.presa and await self.trancada_por(parte.presa))):
                await asyncio.sleep(0)

    async def vencer_trancas(self) -> None:
        """So much time has passed that nobody waits for a lock any longer."""
        while await self._desistir_de_uma_tranca():
            await self._assentar()

    async def _desistir_de_uma_tranca(self) -> bool:
        """Ends the wait of somebody who waits for a lock, as the server does; False when nobody does."""
        for parte in self.partes:
            espera = parte.presa
            if espera is not None and not espera.tarefa.done():
                await self.desistir(parte)
                await asyncio.wait({espera.tarefa})
                return True
        return False

    async def desistir(self, parte: Parte) -> None:
        """The lock that a party waits for did not come in time."""
        assert parte.presa is not None
        parte.presa.desistiu = True
        self.anotar(f"{parte.nome}: … gives up waiting for a lock")
        self.visto["lock given up"] += 1
        await self.monitores[parte.presa.banco].execute("select pg_cancel_backend($1)", parte.presa.pid)

    async def trancada_por(self, espera: "Espera") -> list[int]:
        """The server processes that hold, or will get first, the lock that this statement waits for."""
        if espera.tarefa.done():
            return []
        pids: list[int] = await self.monitores[espera.banco].fetchval("select pg_blocking_pids($1)", espera.pid)
        return pids

    def quem_espera(self, banco: str, menos: "Parte") -> "Espera | None":
        """The statement of somebody else that waits for a lock in this database."""
        esperas = (parte.presa for parte in self.partes if parte is not menos)
        return next((e for e in esperas if e is not None and e.banco == banco), None)

    async def findar(self) -> None:
        """Ends all parties."""
        self.findo = True
        for parte in self.partes:
            if parte.tarefa is not None:
                parte.tarefa.cancel()
        await asyncio.gather(*(p.tarefa for p in self.partes if p.tarefa), return_exceptions=True)


def _acabou(parte: Parte) -> bool:
    return parte.tarefa is not None and parte.tarefa.done()
