"""Two databases whose own checks are switched off, so that a test can break what they would refuse."""

from collections.abc import AsyncIterator

import asyncpg
import copias as copias_de_bancos
import pytest

from conferir.foto import Bancos
from conferir_integration.mundo import Mundo
from local_system import System

SEM_GUARDA = """
alter table estoque drop constraint nunca_vender_demais, drop constraint quantidade_em_vigor,
    drop constraint arquivado_valido, drop constraint reservado_valido;
drop trigger suprimento_nunca_inventado on estoque;
"""


def endereco(sistema: System, banco: str, papel: str | None = None) -> str:
    return copias_de_bancos.endereco(sistema, banco, f"copia_{banco}", papel)


@pytest.fixture(scope="session")
def copias(backing: System) -> System:
    for banco in copias_de_bancos.SERVICOS:
        copias_de_bancos.criar_migrado(backing, banco, f"copia_{banco}")
    backing.psql("estoque", f"\\c copia_estoque\n{SEM_GUARDA}")
    return backing


@pytest.fixture
async def mundo(copias: System) -> AsyncIterator[Mundo]:
    """Both services on the copies, empty, without a broker: `entregar` carries what is in the outboxes."""
    async with (
        asyncpg.create_pool(endereco(copias, "pedidos"), min_size=0, max_size=12) as pedidos,
        asyncpg.create_pool(endereco(copias, "estoque"), min_size=0, max_size=12) as estoque,
    ):
        await pedidos.execute("truncate pedido, comando, outbox, idempotencia")
        await estoque.execute("truncate estoque, pedido, reserva, inbox, outbox")
        yield Mundo(pedidos, estoque)


@pytest.fixture
async def leitores(copias: System, mundo: Mundo) -> AsyncIterator[Bancos]:
    """The same databases as conferir sees them."""
    async with (
        asyncpg.create_pool(endereco(copias, "pedidos", "conferente"), min_size=0, max_size=4) as pedidos,
        asyncpg.create_pool(endereco(copias, "estoque", "conferente"), min_size=0, max_size=4) as estoque,
    ):
        yield Bancos(pedidos, estoque)
