"""Orders in PostgreSQL. Every function raises what asyncpg raises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from pedidos.pedido import Pedido
from reservaestoque.events import Item, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.postgres import Queries

_sql = Queries("pedidos")
_json = msgspec.json.Encoder()
_ler_itens = msgspec.json.Decoder(list[Item]).decode
_ler_faltas = msgspec.json.Decoder(list[ItemEmFalta]).decode


@dataclass(frozen=True, slots=True)
class Registrar:
    """A new order to write, and the event that tells of it."""

    pedido_id: UUID
    cliente_id: str
    itens: list[Item]
    evento_id: UUID
    traceparent: str


async def registrar(pool: "asyncpg.Pool[Any]", novos: Sequence[Registrar]) -> dict[UUID, Pedido]:
    """Writes all of these orders in one commit, or none; returns them by id."""
    rows = await pool.fetch(
        _sql["registrar_pedidos"],
        [n.pedido_id for n in novos],
        [n.cliente_id for n in novos],
        [_texto(n.itens) for n in novos],
        [n.evento_id for n in novos],
        [n.traceparent for n in novos],
    )
    criado_em = {row["id"]: row["criado_em"] for row in rows}
    return {
        n.pedido_id: Pedido(
            pedido_id=n.pedido_id,
            cliente_id=n.cliente_id,
            status=Status.CRIADO,
            itens=n.itens,
            itens_em_falta=[],
            criado_em=criado_em[n.pedido_id],
            atualizado_em=criado_em[n.pedido_id],
            expira_em=None,
            versao=0,
        )
        for n in novos
    }


async def obter(pool: "asyncpg.Pool[Any]", pedido_id: UUID) -> Pedido | None:
    """The order, or None when there is none."""
    row = await pool.fetchrow(_sql["obter_pedido"], pedido_id)
    if row is None:
        return None
    return Pedido(
        pedido_id=row["id"],
        cliente_id=row["cliente_id"],
        status=Status(row["status"]),
        itens=_ler_itens(row["itens"]),
        itens_em_falta=_ler_faltas(row["itens_em_falta"]),
        criado_em=row["criado_em"],
        atualizado_em=row["atualizado_em"],
        expira_em=row["expira_em"],
        versao=row["versao"],
    )


async def aplicar(pool: "asyncpg.Pool[Any]", novos: Sequence[StatusAtualizado]) -> tuple[int, set[UUID]]:
    """Applies snapshots, one an order at most, where they are newer than what the order says.

    Returns how many were applied and which orders there are not.
    """
    ids = [n.pedido_id for n in novos]
    async with pool.acquire() as connection, connection.transaction():
        versoes = {r["id"]: r["versao"] for r in await connection.fetch(_sql["travar_pedidos"], ids)}
        vencem = [n for n in novos if n.versao > versoes.get(n.pedido_id, n.versao)]
        if vencem:
            await connection.execute(
                _sql["aplicar_status"],
                [n.pedido_id for n in vencem],
                [n.status.value for n in vencem],
                [n.versao for n in vencem],
                [_texto(n.itens_em_falta) for n in vencem],
                [n.expira_em for n in vencem],
            )
    return len(vencem), set(ids) - versoes.keys()


def _texto(valor: object) -> str:
    return _json.encode(valor).decode()
