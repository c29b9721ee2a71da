"""At rest nothing waits to be published."""

from conferir.foto import Foto, Fotos
from conferir.violacao import Regra, Violacao
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def outboxes(fotos: Fotos) -> list[Violacao]:
    """The outboxes that are not empty. Raises what asyncpg raises."""
    return [*await _outbox(fotos.pedidos, "pedidos"), *await _outbox(fotos.estoque, "estoque")]


async def _outbox(foto: Foto, banco: str) -> list[Violacao]:
    quantos = await foto.connection.fetchval(_sql["outbox"])
    return [Violacao(Regra.OUTBOX, banco, f"{quantos} rows wait to be published")] if quantos else []
