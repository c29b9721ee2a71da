"""The role `conferente` cannot write, and reads only the columns it needs."""

import asyncpg
import pytest
from audited_world import World, database_url

from local_system import System
from reservaestoque.postgres import open_pool

pytestmark = pytest.mark.integration

TABLES = {
    "pedidos": ("pedido", "comando", "outbox", "idempotencia"),
    "estoque": ("estoque", "pedido", "reserva", "inbox", "outbox"),
}
FORBIDDEN = {
    "pedidos": [
        "select cliente_id from pedido",
        "select * from comando",
        "select traceparent from comando",
        "select count(*) from idempotencia",
        "select comandos from outbox",
    ],
    "estoque": [
        "select nome, dono from estoque",
        "select * from saldo",
        "select status from outbox",
        "select recebido_em from inbox",
        "select sweep_reservas(1)",
        "select * from purge_pedidos(now(), 1, null)",
        "select * from read_saldos()",
        "select * from saldos_since(1, 1, 1, 1)",
        "select * from newest_change()",
        "select * from release_lapsed(array['A'], array[1::bigint], now())",
        "select sku from estoque for update",
    ],
}


@pytest.mark.parametrize("database", TABLES)
async def test_the_auditor_cannot_change_or_read_anything_else(copies: System, world: World, database: str):
    forbidden = list(FORBIDDEN[database])
    for verb in ("delete from {}", "truncate {}", "insert into {} default values"):
        forbidden += [verb.format(table) for table in TABLES[database]]
    forbidden += ["create table mine (n int)"]
    connection = await asyncpg.connect(database_url(copies, database, "conferente"))
    try:
        for command in forbidden:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(command)
    finally:
        await connection.close()


@pytest.mark.parametrize("database", TABLES)
async def test_its_connections_are_read_only_whatever_the_role_is_granted(copies: System, database: str):
    async with await open_pool(database_url(copies, database), program="t", size=1, read_only=True) as pool:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("delete from outbox")
