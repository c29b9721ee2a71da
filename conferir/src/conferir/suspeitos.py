"""What looks wrong is looked at again: what stays the same for a while is wrong. Pure: the clock is an argument."""

from collections.abc import Collection, Iterable

from conferir.violacao import Violacao


class Suspeitos:
    """Remembers since when (seconds of a steady clock) each suspect has been seen, `limite` of them at most."""

    def __init__(self, carencia: float, limite: int = 10_000) -> None:
        self._carencia = carencia
        self._limite = limite
        self._desde: dict[Violacao, float] = {}

    def __len__(self) -> int:
        return len(self._desde)

    def anotar(self, violacoes: Iterable[Violacao], agora: float) -> int:
        """Takes suspects in; returns how many found no room."""
        sem_lugar = 0
        for violacao in violacoes:
            if violacao in self._desde or len(self._desde) < self._limite:
                self._desde.setdefault(violacao, agora)
            else:
                sem_lugar += 1
        return sem_lugar

    def todos(self) -> list[Violacao]:
        """All of them, the longest known first."""
        return list(self._desde)

    def rever(self, antes: Collection[Violacao], atuais: Iterable[Violacao], agora: float) -> list[Violacao]:
        """Looks at suspects again: `atuais` is what is wrong now with what `antes` was wrong with.

        Returns those that have been wrong in the same way for long enough, and forgets them. What is wrong in another
        way than it was is a new suspect: it moves.
        """
        sao = set(atuais)
        for violacao in antes:
            if violacao not in sao:
                self._desde.pop(violacao, None)
        self.anotar(sao, agora)
        firmes = [v for v in sao if agora - self._desde.get(v, agora) >= self._carencia]
        for violacao in firmes:
            self._desde.pop(violacao, None)
        return sorted(firmes)

    def recomecar(self, agora: float) -> None:
        """Starts all clocks anew: a database was away, nobody knows what happened meanwhile."""
        self._desde = dict.fromkeys(self._desde, agora)
