"""What a scenario is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bancada.loja import Loja

Medida = dict[str, Any]


@dataclass(frozen=True)
class Plano:
    """How long and how hard.

    segundos: length of a window. conexoes: customers at saturation. prontos: orders that wait for estoque alone.
    reservas: reservations that lapse at once. passados, skus: what the grown databases hold. outros: how much of a
    core others on this machine may take; what is measured while they take more is measured again.
    """

    segundos: int = 20
    conexoes: int = 768
    prontos: int = 200_000
    reservas: int = 1_000_000
    passados: int = 10_000_000
    skus: int = 1_000_000
    outros: float = float("inf")


Medir = Callable[[Loja, Plano], Medida]


@dataclass(frozen=True)
class Cenario:
    """`medir` gives one figure, `por_segundo`, and all that belongs to it.

    `baseline`: the script of pgbench that is measured just before it, if any. `ao_fim`: checks everything once, after
    all rounds, where that takes too long to do after each of them.
    """

    nome: str
    medir: Medir
    baseline: str | None = None
    ao_fim: Callable[[Loja], object] | None = None
