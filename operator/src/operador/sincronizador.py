"""Brings a batch of StockItems to PostgreSQL; one that PostgreSQL refuses does not hold up its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from operador import metricas
from operador.banco import Banco
from operador.saldo import Saldo
from operador.stockitem import StockItem
from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import logger

MAX_BLOCKED = 8
"""Items to find whose row is held: each costs the time of a lock. If there are more the whole rest waits."""

_log = logger(__name__)


@dataclass(slots=True)
class Resultado:
    """`feitos`: each item with its row (None: there is none). `recusados`: each item with PostgreSQL's sentence.
    `blocked`: items whose row somebody else holds for long.
    """

    feitos: list[tuple[StockItem, Saldo | None]] = field(default_factory=list)
    recusados: list[tuple[StockItem, str]] = field(default_factory=list)
    blocked: list[StockItem] = field(default_factory=list)


async def sincronizar(banco: Banco, itens: Sequence[StockItem]) -> Resultado:
    """Synchronises all items in one statement; bisects when PostgreSQL refuses their data or a row of theirs is held.

    Raises what `is_transient` recognises when the database is away: nothing is known of the items then.
    """
    resultado = Resultado()
    await _tentar(banco, itens, resultado)
    return resultado


async def _tentar(banco: Banco, itens: Sequence[StockItem], resultado: Resultado) -> None:
    if not itens:
        return
    try:
        saldos = await banco.sincronizar(itens)
    except Exception as falta:
        contended = is_contended(falta)
        if is_transient(falta) and not contended:
            raise
        if contended and (len(itens) == 1 or len(resultado.blocked) >= MAX_BLOCKED):
            resultado.blocked += itens
            return
        if len(itens) == 1:
            metricas.RECUSADOS.inc()
            _log.error("item_refused", item=itens[0].chave.dono, fault=repr(falta))
            resultado.recusados.append((itens[0], str(falta)))
            return
        metade = len(itens) // 2
        await _tentar(banco, itens[:metade], resultado)
        await _tentar(banco, itens[metade:], resultado)
        return
    metricas.LOTE.observe(len(itens))
    resultado.feitos.extend((item, saldos.get((item.chave.dono, item.sku))) for item in itens)
