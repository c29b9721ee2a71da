"""The role `conferente` writes nothing and reads nothing but what it needs."""

import asyncpg
import pytest

from conferir_integration.conftest import endereco
from conferir_integration.mundo import Mundo
from local_system import System
from reservaestoque.postgres import open_pool

pytestmark = pytest.mark.integration

TABELAS = {
    "pedidos": ("pedido", "comando", "outbox", "idempotencia"),
    "estoque": ("estoque", "pedido", "reserva", "inbox", "outbox"),
}
PROIBIDO = {
    "pedidos": [
        "select cliente_id from pedido",
        "select * from comando",
        "select traceparent from comando",
        "select count(*) from idempotencia",
        "select comando_id from outbox",
    ],
    "estoque": [
        "select nome, dono from estoque",
        "select * from saldo",
        "select status from outbox",
        "select recebido_em from inbox",
        "select expirar_reservas(1)",
        "select * from purgar_pedidos(now(), 1, null)",
        "select * from ler_saldos(null)",
        "select * from ler_saldos_mudados(now(), '(0,0)', 1)",
        "select * from liberar_vencidas(array['A'], array[1::bigint], now())",
        "select sku from estoque for update",
    ],
}


@pytest.mark.parametrize("banco", TABELAS)
async def test_conferente_may_not(copias: System, mundo: Mundo, banco: str):
    proibido = list(PROIBIDO[banco])
    for verbo in ("delete from {}", "truncate {}", "insert into {} default values"):
        proibido += [verbo.format(tabela) for tabela in TABELAS[banco]]
    proibido += ["create table minha (n int)"]
    connection = await asyncpg.connect(endereco(copias, banco, "conferente"))
    try:
        for comando in proibido:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(comando)
    finally:
        await connection.close()


@pytest.mark.parametrize("banco", TABELAS)
async def test_its_connections_refuse_to_write_whatever_the_role_may_do(copias: System, banco: str):
    async with await open_pool(endereco(copias, banco), program="t", size=1, read_only=True) as pool:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("delete from outbox")
