"""Reads by key share queries, and a failure is told to those who asked."""

import asyncio
from collections.abc import Sequence

import pytest

from reservaestoque.postgres import CrowdedError, Loader, is_transient


class Banco:
    """Remembers what it was asked, and answers when told to."""

    def __init__(self) -> None:
        self.consultas: list[list[str]] = []
        self.responder = asyncio.Event()
        self.falha: Exception | None = None

    async def ler(self, chaves: Sequence[str]) -> dict[str, str]:
        self.consultas.append(list(chaves))
        await self.responder.wait()
        if self.falha:
            raise self.falha
        return {chave: chave.upper() for chave in chaves if chave != "nada"}


async def pedir(loader: Loader[str, str], *chaves: str) -> list[asyncio.Task[str | None]]:
    tarefas = [asyncio.create_task(loader.get(chave)) for chave in chaves]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tarefas


async def test_those_who_come_during_a_query_share_the_next():
    banco = Banco()
    loader = Loader(banco.ler)
    primeiro = await pedir(loader, "a")
    depois = await pedir(loader, "b", "nada", "a", "b")
    banco.responder.set()
    assert await asyncio.gather(*primeiro, *depois) == ["A", "B", None, "A", "B"]
    assert banco.consultas == [["a"], ["b", "nada", "a"]], "who asks during a query is told what is true after it"


async def test_a_query_has_so_many_keys_at_most():
    banco = Banco()
    loader = Loader(banco.ler, max_keys=2)
    banco.responder.set()
    tarefas = await pedir(loader, *"abcde")
    await asyncio.gather(*tarefas)
    assert [len(chaves) for chaves in banco.consultas] == [2, 2, 1]


async def test_a_failure_is_told_to_those_of_that_query_and_to_no_others():
    banco = Banco()
    banco.falha = ConnectionError("away")
    loader = Loader(banco.ler)
    tarefas = await pedir(loader, "a")
    banco.responder.set()
    with pytest.raises(ConnectionError):
        await tarefas[0]
    banco.falha = None
    assert await loader.get("b") == "B"


async def test_who_gives_up_takes_the_answer_from_nobody():
    banco = Banco()
    loader = Loader(banco.ler)
    um, outro = await pedir(loader, "a", "a")
    um.cancel()
    banco.responder.set()
    assert await outro == "A"


async def test_when_too_many_wait_the_next_is_sent_away_at_once():
    loader = Loader(Banco().ler, max_waiting=2)
    tarefas = await pedir(loader, "a") + await pedir(loader, "b", "c")
    with pytest.raises(CrowdedError) as cheio:
        await loader.get("d")
    assert is_transient(cheio.value)
    for tarefa in tarefas:
        tarefa.cancel()
