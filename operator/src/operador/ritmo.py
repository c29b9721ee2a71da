"""How often one StockItem's status may be written. Pure: the clock is an argument."""

import msgspec

RAJADA = 3.0
INTERVALO = 3.0


class Ritmo(msgspec.Struct, frozen=True):
    """A token bucket: `RAJADA` writes at once, then one every `INTERVALO` seconds.

    So a change now and then is seen immediately, and a busy SKU costs the API server a write every few seconds.
    """

    fichas: float = RAJADA
    em: float = 0.0

    def espera(self, agora: float) -> float:
        """Seconds until the next write is allowed; 0 when it is now."""
        return max(0.0, (1.0 - self._cheias(agora)) * INTERVALO)

    def gastar(self, agora: float) -> "Ritmo":
        """The bucket after a write at `agora` (monotonic seconds)."""
        return Ritmo(self._cheias(agora) - 1.0, agora)

    def _cheias(self, agora: float) -> float:
        return min(RAJADA, self.fichas + (agora - self.em) / INTERVALO)
