"""All that there is to look at: which tables are walked through how, and how a suspect is looked at again."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic
from uuid import UUID

from conferir import acordo, comandos, livro, repouso
from conferir.concordancia import Criterio
from conferir.fatia import PRIMEIRO, Fatia, K
from conferir.foto import Fotos
from conferir.violacao import Regra, Violacao


@dataclass(frozen=True)
class Percurso(Generic[K]):
    """A walk: a name, the key before the first one, and how a slice is looked at."""

    o_que: str
    inicio: K
    fatia: Callable[[Fotos, K], Awaitable[Fatia[K]]]


def skus(limite: int) -> Percurso[str]:
    """estoque's stock rows."""
    return Percurso("skus", "", lambda fotos, depois: livro.fatia_de_skus(fotos.estoque, depois, limite))


def reservas(limite: int) -> Percurso[UUID]:
    """estoque's orders with their lines."""
    return Percurso("reservas", PRIMEIRO, lambda fotos, depois: livro.fatia_de_pedidos(fotos.estoque, depois, limite))


def pedidos(limite: int, criterio: Criterio) -> Percurso[UUID]:
    """The orders in both databases."""
    return Percurso("pedidos", PRIMEIRO, lambda fotos, depois: acordo.fatia(fotos, depois, limite, criterio))


def os_comandos(limite: int, criterio: Criterio) -> Percurso[UUID]:
    """The commands of pedidos."""
    return Percurso("comandos", PRIMEIRO, lambda fotos, depois: comandos.fatia(fotos, depois, limite, criterio))


async def rever(fotos: Fotos, suspeitos: Collection[Violacao], criterio: Criterio) -> list[Violacao]:
    """What is wrong now with what these suspects are about. Raises what asyncpg raises."""

    def ids(*regras: Regra) -> Sequence[UUID]:
        return [UUID(chave) for chave in sorted({v.chave for v in suspeitos if v.regra in regras})]

    achadas: list[Violacao] = []
    if alvos := ids(Regra.ACORDO, Regra.SEM_DECISAO):
        achadas += await acordo.rever(fotos, alvos, criterio)
    if alvos := ids(Regra.SEM_RESPOSTA, Regra.RESPOSTA):
        achadas += await comandos.rever(fotos, alvos, criterio)
    if alvos := ids(Regra.VERSAO):
        achadas += await comandos.rever_versoes(fotos, alvos, criterio)
    if any(v.regra == Regra.OUTBOX for v in suspeitos):
        achadas += await repouso.outboxes(fotos)
    return achadas
