"""While customers order, two replicas decide and sweep: whatever the instant of a look, there is nothing to see."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from conferir import acordo
from conferir.comandos import versoes
from conferir.concordancia import Criterio
from conferir.fatia import PRIMEIRO
from conferir.foto import Bancos, Fotos, fotografar, fotografar_ambos
from conferir.percursos import os_comandos, pedidos, reservas, rever, skus
from conferir.violacao import Violacao
from conferir_integration.mundo import Mundo, contadas, movimentar, nova_ronda, provar

pytestmark = pytest.mark.integration

SEGUNDOS = 8
CRITERIO = Criterio()


async def test_no_look_at_a_busy_system_finds_anything(mundo: Mundo, leitores: Bancos):
    """Reservations hold for a moment only: most lapse, are swept, taken by others, renewed, closed too late."""
    await mundo.abastecer(A=20, B=20, C=5000)
    replicas = [Mundo(mundo.pedidos, mundo.estoque, ttl=0.1) for _ in range(2)]
    fim = time.monotonic() + SEGUNDOS
    ronda, antes = nova_ronda(leitores, limite=50), contadas()

    async def repor() -> None:
        for sku in ("A", "B"):
            await mundo.estoque.execute(
                "update estoque set alvo = alvo + 1, quantidade = quantidade + 1 where sku = $1", sku
            )
        await asyncio.sleep(0.2)

    async def provar_tudo() -> None:
        assert await provar(leitores, limite=40) == []

    trabalhos = [t for replica in replicas for t in (replica.levar_comandos, replica.levar_fatos, replica.varrer)]
    *_, rondas, olhares, provas = await asyncio.gather(
        *[movimentar(replica, fim, semente) for semente, replica in enumerate(replicas * 4)],
        *[repetir(trabalho, fim) for trabalho in (*trabalhos, repor)],
        *[repetir(trabalho, fim) for trabalho in (ronda.passo, lambda: olhar(leitores), provar_tudo)],
    )
    assert contadas() == antes
    assert min(rondas, olhares, provas) > 1
    await todo_tipo_de_pedido(mundo)
    await mundo.entregar()
    await mundo.varrer()
    await mundo.entregar()
    assert await provar(leitores, em_repouso=True) == []


async def olhar(leitores: Bancos) -> None:
    """Two looks, as slow as on a busy machine: nothing is wrong in the same way at both."""
    async with devagar(leitores) as fotos:
        suspeitas = await ver_tudo(fotos)
    async with devagar(leitores) as fotos:
        assert not set(suspeitas) & set(await rever(fotos, suspeitas, CRITERIO))


@asynccontextmanager
async def devagar(leitores: Bancos) -> AsyncIterator[Fotos]:
    async with fotografar(leitores.pedidos) as pedidos:
        await asyncio.sleep(0.05)
        async with fotografar(leitores.estoque) as estoque:
            yield Fotos(pedidos, estoque)


async def ver_tudo(fotos: Fotos) -> list[Violacao]:
    achadas = await versoes(fotos, fotos.pedidos.agora - CRITERIO.retencao)
    assert achadas == []
    for percurso in (skus(9999), reservas(9999)):
        assert (await percurso.fatia(fotos, percurso.inicio)).violacoes == []
    for outro in (pedidos(9999, CRITERIO), os_comandos(9999, CRITERIO)):
        achadas += (await outro.fatia(fotos, outro.inicio)).violacoes
    return achadas


async def repetir(fazer: Callable[[], Awaitable[object]], fim: float) -> int:
    """Does something until an instant of the steady clock; how many times."""
    vezes = 0
    while time.monotonic() < fim:
        await fazer()
        vezes += 1
        await asyncio.sleep(0.005)
    return vezes


async def todo_tipo_de_pedido(mundo: Mundo) -> None:
    feitos = await mundo.estoque.fetch("select status, max(versao) as versao from pedido group by 1")
    assert len(feitos) == 5, "a kind of order did not occur: the test shows less than it should"
    assert max(row["versao"] for row in feitos) > 3


async def test_slices_hold_few_rows_and_together_everything(mundo: Mundo, leitores: Bancos):
    await mundo.abastecer(**{f"S{n}": 9 for n in range(25)})
    for n in range(25):
        await mundo.pedir(**{f"S{n}": 1})
        if n % 2:
            await mundo.entregar()
    async with fotografar_ambos(leitores) as fotos:
        for percurso in (skus(4), reservas(4), pedidos(4, Criterio())):
            vistos, depois = [], percurso.inicio
            while depois is not None:
                fatia = await percurso.fatia(fotos, depois)
                vistos.append(fatia.vistos)
                depois = fatia.seguinte
            assert max(vistos) == 4
            assert sum(vistos) == (24 if percurso.o_que == "reservas" else 25), percurso.o_que


async def test_a_slice_ends_where_the_first_side_of_it_was_cut_off(mundo: Mundo, leitores: Bancos):
    """Orders that one side lacks do not make the other side look as if it lacked the rest."""
    await mundo.abastecer(A=99)
    ids = [await mundo.pedir(A=1) for _ in range(12)]
    await mundo.entregar()
    await mundo.estoque.execute("delete from pedido where id = any ($1)", ids[2:7])
    async with fotografar_ambos(leitores) as fotos:
        achadas, depois = [], PRIMEIRO
        while depois is not None:
            fatia = await acordo.fatia(fotos, depois, 3, Criterio())
            achadas += fatia.violacoes
            depois = fatia.seguinte
    assert sorted(v.chave for v in achadas) == sorted(str(chave) for chave in ids[2:7])
