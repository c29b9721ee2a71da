"""Whether pedidos and estoque agree on every order, read in slices of both."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from conferir.concordancia import Criterio, Instantes, Par, conferir_par, parece_bem
from conferir.fatia import Fatia
from conferir.foto import Foto, Fotos
from conferir.pedido import Pedido
from conferir.violacao import Violacao
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def fatia(fotos: Fotos, depois: UUID, limite: int, criterio: Criterio) -> Fatia[UUID]:
    """The orders after an id, in either database, and what seems wrong with them. Raises what asyncpg raises."""
    pedidos = await _ler(fotos.pedidos, "pedidos_de_pedidos", depois, limite)
    estoque = await _ler(fotos.estoque, "pedidos_de_estoque", depois, limite)
    # Where one side was cut off the other may go on: the slice ends where the first one does.
    fins = [max(lado) for lado in (pedidos, estoque) if len(lado) == limite]
    seguinte = min(fins, default=None)
    ids = [chave for chave in {**pedidos, **estoque} if seguinte is None or chave <= seguinte]
    pares = (Par(pedidos.get(chave), estoque.get(chave)) for chave in ids)
    return Fatia(len(ids), seguinte, await _conferir(fotos, pares, criterio))


async def rever(fotos: Fotos, ids: Sequence[UUID], criterio: Criterio) -> list[Violacao]:
    """What seems wrong with these orders now. Raises what asyncpg raises."""
    pedidos = await _ler(fotos.pedidos, "pedidos_de_pedidos_por_id", ids)
    estoque = await _ler(fotos.estoque, "pedidos_de_estoque_por_id", ids)
    return await _conferir(fotos, (Par(pedidos.get(chave), estoque.get(chave)) for chave in ids), criterio)


async def _ler(foto: Foto, consulta: str, *args: object) -> dict[UUID, Pedido]:
    return {row["id"]: Pedido(*row) for row in await foto.connection.fetch(_sql[consulta], *args)}


async def _conferir(fotos: Fotos, pares: Iterable[Par], criterio: Criterio) -> list[Violacao]:
    """Only what does not look well at once is worth asking whether news are on their way."""
    estranhos = {str(_id(par)): par for par in pares if _id(par) and not parece_bem(par)}
    if not estranhos:
        return []
    pendentes = await _quais(fotos.pedidos, "pendentes", estranhos)
    a_caminho = await _quais(fotos.estoque, "a_caminho", estranhos)
    agora = Instantes(fotos.pedidos.agora, fotos.estoque.agora)
    achadas = [
        conferir_par(par._replace(pendente=chave in pendentes, a_caminho=chave in a_caminho), agora, criterio)
        for chave, par in estranhos.items()
    ]
    return [violacao for violacao in achadas if violacao]


def _id(par: Par) -> UUID | None:
    visto = par.pedidos or par.estoque
    return visto.id if visto else None


async def _quais(foto: Foto, consulta: str, chaves: Iterable[str]) -> set[str]:
    return {str(row["id"]) for row in await foto.connection.fetch(_sql[consulta], list(chaves))}
