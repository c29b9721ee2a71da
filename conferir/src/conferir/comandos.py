"""Whether each command took effect, and once: read in slices, against estoque's inbox and against the orders."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from conferir.concordancia import Comando, Criterio, Historia, conferir_comando, conferir_versao
from conferir.fatia import Fatia
from conferir.foto import Fotos
from conferir.violacao import Violacao
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def fatia(fotos: Fotos, depois: UUID, limite: int, criterio: Criterio) -> Fatia[UUID]:
    """The commands after an id and what seems wrong with them. Raises what asyncpg raises."""
    rows = await fotos.pedidos.connection.fetch(_sql["comandos"], depois, limite)
    seguinte: UUID | None = rows[-1]["id"] if len(rows) == limite else None
    return Fatia(len(rows), seguinte, await _conferir(fotos, rows, criterio))


async def rever(fotos: Fotos, ids: Sequence[UUID], criterio: Criterio) -> list[Violacao]:
    """What seems wrong with these commands now. Raises what asyncpg raises."""
    return await _conferir(fotos, await fotos.pedidos.connection.fetch(_sql["comandos_por_id"], ids), criterio)


async def _conferir(fotos: Fotos, rows: Iterable[asyncpg.Record], criterio: Criterio) -> list[Violacao]:
    comandos = [Comando(*row) for row in rows]
    respondidos = [c.id for c in comandos if c.respondido]
    inbox: dict[UUID, str | None] = {}
    if respondidos:
        lembrados = await fotos.estoque.connection.fetch(_sql["inbox"], respondidos)
        inbox = {row["evento_id"]: row["recusa"] for row in lembrados}
    achadas = [conferir_comando(c, inbox, fotos.pedidos.agora, criterio) for c in comandos]
    return [violacao for violacao in achadas if violacao]


async def versoes(fotos: Fotos, desde: datetime) -> list[Violacao]:
    """Orders made since an instant whose version is too high for their commands; a few rows are held at a time.

    Their commands must all be there still. Raises what asyncpg raises.
    """
    cursor = fotos.pedidos.connection.cursor(_sql["historias"], desde, prefetch=1000)
    return [violacao async for row in cursor if (violacao := conferir_versao(Historia(*row)))]


async def rever_versoes(fotos: Fotos, ids: Sequence[UUID], criterio: Criterio) -> list[Violacao]:
    """The same of these orders. Raises what asyncpg raises."""
    desde = fotos.pedidos.agora - criterio.retencao
    rows = await fotos.pedidos.connection.fetch(_sql["historias_por_id"], ids, desde)
    return [violacao for row in rows if (violacao := conferir_versao(Historia(*row)))]
