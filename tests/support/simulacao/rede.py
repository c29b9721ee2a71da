"""A broker in memory: at least once at best. It loses, repeats, reorders and delays as the seed says."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reservaestoque.bus import NotPublishedError
from reservaestoque.events import Decoder
from simulacao.mundo import Mundo, Parte


@dataclass(frozen=True)
class Mensagem:
    """A message as a consumer gets it."""

    numero: int
    body: bytes


@dataclass
class Fila:
    """A queue and its dead letters; `decodificador` reads what is in it."""

    nome: str
    decodificador: Decoder
    mensagens: list[Mensagem] = field(default_factory=list)
    entregues: "dict[Entregas, list[Mensagem]]" = field(default_factory=dict)
    mortas: list[tuple[bytes, str]] = field(default_factory=list)

    @property
    def vazia(self) -> bool:
        """Whether nothing waits and nothing is at work."""
        return not self.mensagens and not any(self.entregues.values())


class Rede:
    """Both queues."""

    def __init__(self, mundo: Mundo, *filas: Fila) -> None:
        self.mundo = mundo
        self.filas = {fila.nome: fila for fila in filas}
        self.historico: list[tuple[Fila, bytes]] = []
        self.losing: Fila | None = None
        """The queue that all messages to are lost, however calm it is."""
        self._numeros = itertools.count(1)

    def guardar(self, fila: Fila, body: bytes) -> None:
        """A message has arrived."""
        fila.mensagens.append(Mensagem(next(self._numeros), body))
        self.historico.append((fila, body))


class Publicador:
    """What a relay publishes with; every message is a step."""

    def __init__(self, parte: Parte, rede: Rede, fila: Fila) -> None:
        self._parte = parte
        self._rede = rede
        self._fila = fila

    @property
    def connected(self) -> bool:
        return True

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        clima, rng = self._rede.mundo.clima, self._parte.rng
        for _, body in messages:
            await self._parte.vez("publish")
            if self._rede.losing is self._fila:
                self._rede.mundo.anotar("  the message is lost")
                continue
            if self._rede.mundo.calmo:
                self._rede.guardar(self._fila, body)
                continue
            if rng.random() < clima.perda:  # the broker lost it, confirmed or not
                self._rede.mundo.anotar("  the message is lost")
                self._rede.mundo.visto["message lost"] += 1
            else:
                self._rede.guardar(self._fila, body)
                if rng.random() < clima.copia:
                    self._rede.mundo.visto["message repeated"] += 1
                    self._rede.guardar(self._fila, body)
            if rng.random() < clima.confirmacao:
                self._rede.mundo.visto["confirm lost"] += 1
                raise NotPublishedError("the confirm was lost")


class Entregas:
    """A consumer's session: see `reservaestoque.bus.batches.Source`."""

    def __init__(self, parte: Parte, rede: Rede, fila: Fila, ao_confirmar: object) -> None:
        self.parte = parte
        self._rede = rede
        self._fila = fila
        self._ao_confirmar = ao_confirmar
        fila.entregues[self] = []

    async def wait(self, seconds: float | None) -> Mensagem | None:
        await self.parte.vez("take", quando=lambda: bool(self._fila.mensagens) or seconds is not None)
        return self._tirar() if self._fila.mensagens else None

    def take(self) -> Mensagem | None:
        if not self._fila.mensagens or self.parte.rng.random() < 0.3:
            return None
        return self._tirar()

    async def set_aside(self, body: bytes, reason: str) -> None:
        await self.parte.vez(f"set aside: {reason[:60]}")
        self._fila.mortas.append((body, reason))
        self.parte.mundo.visto[reason.partition(":")[0]] += 1

    async def put_back(self, kind: str, body: bytes) -> None:
        await self.parte.vez("put back")
        self._rede.guardar(self._fila, body)
        self.parte.mundo.visto["put back"] += 1

    async def acknowledge(self, messages: Sequence[Mensagem]) -> None:
        await self.parte.vez("acknowledge")
        await self._ao_confirmar(self._fila, messages)  # type: ignore[operator]
        self._fila.entregues[self] = [m for m in self._fila.entregues[self] if m not in messages]

    def encerrar(self) -> None:
        """The session is over: what it had is delivered again."""
        self._fila.mensagens += self._fila.entregues.pop(self, [])

    def _tirar(self) -> Mensagem:
        mensagem = self._fila.mensagens.pop(self.parte.rng.randrange(len(self._fila.mensagens)))
        self._fila.entregues[self].append(mensagem)
        return mensagem
