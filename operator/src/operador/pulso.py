"""Heartbeats: how a loop that hangs is told from one that works."""

from collections.abc import Callable


class Pulsos:
    """Each loop beats under its name; a name that has not beaten within its deadline is stalled."""

    def __init__(self, relogio: Callable[[], float]) -> None:
        self._relogio = relogio
        self._prazos: dict[str, float] = {}
        self._ultimos: dict[str, float] = {}

    def registrar(self, nome: str, prazo: float) -> Callable[[], None]:
        """The function that `nome` has to call at least every `prazo` seconds, from now on."""
        self._prazos[nome] = prazo

        def bater() -> None:
            self._ultimos[nome] = self._relogio()

        bater()
        return bater

    def parados(self) -> dict[str, float]:
        """The stalled ones and the seconds since each last beat."""
        agora = self._relogio()
        silencios = {nome: agora - self._ultimos[nome] for nome in self._prazos}
        return {nome: s for nome, s in silencios.items() if s > self._prazos[nome]}
