"""Runs the core with scripted outcomes instead of a network and a clock."""

import json
from collections.abc import Generator, Iterable
from typing import Any

from reserva.wire import Answer, Emit, Fault, GetToken, Open, Read, Send, Sleep

ORDER = {
    "pedidoId": "019ab3f2-7c00-7000-8000-0000000000a1",
    "clienteId": "ana",
    "status": "EstoqueReservado",
    "itens": [{"sku": "A", "quantidade": 2}],
    "itensEmFalta": [],
    "criadoEm": "2026-11-26T12:00:00Z",
    "atualizadoEm": "2026-11-26T12:00:00.5Z",
    "expiraEm": "2026-11-26T12:30:00Z",
    "versao": 1,
}
DONE = Answer(201, {}, json.dumps(ORDER).encode())
BUSY = Answer(503, {"retry-after": "2"}, b"{}")
CUT = Fault("cut", sent=True)
REFUSED = Fault("refused", sent=False)


class Clock:
    """Time that passes only in pauses, and by `takes` seconds with each request."""

    def __init__(self, takes: float = 0.0) -> None:
        self.now = 100.0
        self.takes = takes

    def __call__(self) -> float:
        return self.now


class Script:
    """Performs effects: requests get the next of `outcomes`, token requests the next of `tokens` (the last stays)."""

    def __init__(self, outcomes: Iterable[Any], clock: Clock, tokens: Iterable[str | None] = (None,)) -> None:
        self.outcomes = list(outcomes)
        self.tokens = list(tokens)
        self.clock = clock
        self.requests: list[Any] = []
        self.seconds: list[float] = []
        self.pauses: list[float] = []
        self.events: list[Any] = []

    def run(self, steps: Generator[Any, Any, Any]) -> Any:
        """The result of the generator; raises what it raises."""
        reply = None
        while True:
            try:
                effect = steps.send(reply)
            except StopIteration as done:
                return done.value
            reply = self.perform(effect)

    def perform(self, effect: Any) -> Any:
        match effect:
            case GetToken():
                return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            case Send(request, seconds) | Open(request, seconds):
                self.requests.append(request)
                self.seconds.append(seconds)
                self.clock.now += self.clock.takes
                return self.outcomes.pop(0)
            case Read():
                return self.outcomes.pop(0)
            case Sleep(seconds, _):
                self.pauses.append(seconds)
                self.clock.now += seconds
            case Emit(value):
                self.events.append(value)
        return None
