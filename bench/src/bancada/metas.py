"""The figures to reach, each out of the measurements of one round. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bancada.estatistica import Resumo, resumir

Rodada = Mapping[str, Mapping[str, Any]]
"""The measurements of one round by scenario."""


@dataclass(frozen=True)
class Meta:
    """`calcular` raises KeyError where a round lacks a scenario that it needs."""

    nome: str
    limite: float
    calcular: Callable[[Rodada], float]
    ao_menos: bool = True

    def cumprida(self, resumo: Resumo) -> bool:
        """Whether the median is on the right side."""
        return resumo.mediana >= self.limite if self.ao_menos else resumo.mediana <= self.limite


def _sobre_baseline(cenario: str) -> Callable[[Rodada], float]:
    return lambda r: float(r[cenario]["por_segundo"] / r[cenario]["baseline"]["por_segundo"])


def _sobre(cenario: str, outro: str) -> Callable[[Rodada], float]:
    return lambda r: float(r[cenario]["por_segundo"] / r[outro]["por_segundo"])


def _latencia(cenario: str, qual: str) -> Callable[[Rodada], float]:
    return lambda r: float(r[cenario]["cliente"][qual])


METAS: Sequence[Meta] = (
    Meta("end to end over baseline, uniform, 3 items", 0.4, _sobre_baseline("e2e-uniforme-3")),
    Meta("end to end over baseline, one hot SKU, 3 items", 1.8, _sobre_baseline("e2e-quente-3")),
    Meta("end to end, hot over uniform", 0.9, _sobre("e2e-quente-3", "e2e-uniforme-3")),
    Meta("estoque alone over baseline, uniform, 3 items", 3, _sobre_baseline("estoque-uniforme-3")),
    Meta("estoque alone over baseline, one hot SKU, 3 items", 15, _sobre_baseline("estoque-quente-3")),
    Meta("p99 at half of saturation, uniform (ms)", 100, _latencia("metade-uniforme-3", "p99"), ao_menos=False),
    Meta("p99 at half of saturation, hot SKU (ms)", 100, _latencia("metade-quente-3", "p99"), ao_menos=False),
    Meta("p50 at rest (ms)", 15, _latencia("repouso", "p50"), ao_menos=False),
    Meta("grown over empty databases, uniform", 0.9, _sobre("crescido", "e2e-uniforme-3")),
    Meta(
        "all lapse at once, meanwhile over without",
        0.6,
        lambda r: float(r["vencimento"]["por_segundo"] / r["vencimento"]["sem"]["por_segundo"]),
    ),
    Meta(
        "all lapse at once, until all are swept (s)",
        300,
        lambda r: float(r["vencimento"]["segundos_ate_varrer"]),
        ao_menos=False,
    ),
    Meta("2 replicas of estoque over 1, end to end, hot SKU", 0.9, _sobre("e2e-replicas-2", "e2e-replicas-1")),
    Meta("4 replicas of estoque over 1, end to end, hot SKU", 0.9, _sobre("e2e-replicas-4", "e2e-replicas-1")),
    Meta(
        "2 replicas of estoque over 1, estoque alone, hot SKU",
        0.9,
        _sobre("estoque-replicas-2", "estoque-replicas-1"),
    ),
    Meta(
        "4 replicas of estoque over 1, estoque alone, hot SKU",
        0.9,
        _sobre("estoque-replicas-4", "estoque-replicas-1"),
    ),
    Meta("nearly all refused over plenty, end to end", 0.8, _sobre("e2e-recusas", "e2e-quente-3")),
    Meta("nearly all refused over plenty, estoque alone", 0.8, _sobre("estoque-recusas", "estoque-quente-3")),
    Meta("lapsed and not swept over the usual hot SKU", 0.6, _sobre("vencidas", "e2e-quente-3")),
)


def avaliar(rodadas: Sequence[Rodada]) -> Iterator[tuple[Meta, Resumo]]:
    """Those that these rounds say something about."""
    for meta in METAS:
        try:
            valores = [meta.calcular(rodada) for rodada in rodadas]
        except KeyError:
            continue
        yield meta, resumir(valores)
