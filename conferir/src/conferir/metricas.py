"""Prometheus metrics, and each violation told once."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from conferir.violacao import Regra, Violacao
from reservaestoque.telemetry import logger

LEMBRADAS = 100_000

VIOLACOES = Counter("violacoes_total", "Rules found broken, each thing that breaks one counted once", ["regra"])
CONFERIDOS = Counter("conferidos_total", "Rows looked at", ["o_que"])
ULTIMA_VOLTA = Gauge(
    "conferir_ultima_volta_timestamp_seconds", "When a table had been seen whole, or we began", ["o_que"]
)

_log = logger(__name__)


class Acusador:
    """Counts and logs a violation the first time that it is found in this process."""

    def __init__(self) -> None:
        self._ditas: set[tuple[Regra, str]] = set()
        for regra in Regra:
            VIOLACOES.labels(regra.value)

    def acusar(self, violacoes: Iterable[Violacao]) -> None:
        """Tells those that have not been told. Beyond 100,000 it tells no more: by then everyone knows."""
        for violacao in violacoes:
            chave = (violacao.regra, violacao.chave)
            if chave not in self._ditas and len(self._ditas) < LEMBRADAS:
                self._ditas.add(chave)
                VIOLACOES.labels(violacao.regra.value).inc()
                _log.error("violation", regra=violacao.regra.value, chave=violacao.chave, detalhe=violacao.detalhe)

    def conhece(self, violacao: Violacao) -> bool:
        """Whether it has been told."""
        return (violacao.regra, violacao.chave) in self._ditas
