"""Group commit: which commands share one, and when it begins. Nothing is written here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from pedidos import registro
from pedidos.comando import Chave, KeyBusyError, NovoComando, Tipo
from pedidos.registro import LotadoError, Registrado, Registro
from reservaestoque.events import Item, new_id


class SemRelay:
    def wake(self) -> None: ...


class Livro(Registro):
    """Notes what each commit has in it."""

    def __init__(self, max_batch: int = 10, max_waiting: int = 100) -> None:
        super().__init__(
            None,  # type: ignore[arg-type]
            SemRelay(),  # type: ignore[arg-type]
            max_batch=max_batch,
            max_waiting=max_waiting,
            reenviar_apos=timedelta(seconds=1),
        )
        self.commits, self.recusa = list[int](), None
        self.anda = asyncio.Event()
        self.anda.set()

    async def gravar(self, comandos: Sequence[NovoComando]) -> list[Registrado | Exception]:
        self.commits.append(len(comandos))
        await self.anda.wait()
        if self.recusa in comandos:
            raise ValueError("this one")
        return [Registrado(comando.id, comando.pedido_id, None) for comando in comandos]


def novo() -> NovoComando:
    return NovoComando(new_id(), new_id(), Tipo.CRIAR, "00-0-0-01", "ana", [Item("A", 1)], None)


@asynccontextmanager
async def rodando(livro: Livro) -> AsyncIterator[Callable[[NovoComando], "asyncio.Task[Registrado]"]]:
    laco = asyncio.create_task(livro.run())
    yield lambda comando: asyncio.create_task(livro.registrar(comando))
    laco.cancel()


@pytest.fixture
def intervalo(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    return lambda segundos: monkeypatch.setattr(registro, "INTERVALO", segundos)


async def test_what_comes_one_at_a_time_goes_at_once(intervalo: Callable[[float], None]):
    intervalo(3600)
    async with asyncio.timeout(5), rodando(livro := Livro()) as registrar:
        for _ in range(3):
            await registrar(novo())
    assert livro.commits == [1, 1, 1]


async def test_what_comes_soon_after_a_commit_of_several_shares_the_next_one(intervalo: Callable[[float], None]):
    intervalo(0.5)
    async with asyncio.timeout(5), rodando(livro := Livro()) as registrar:
        await asyncio.gather(registrar(novo()), registrar(novo()))
        outros = []
        for _ in range(3):
            outros.append(registrar(novo()))
            await asyncio.sleep(0.01)
        await asyncio.gather(*outros)
    assert livro.commits == [2, 3]


async def test_a_whole_batch_does_not_wait(intervalo: Callable[[float], None]):
    intervalo(3600)
    async with asyncio.timeout(5), rodando(livro := Livro(max_batch=10)) as registrar:
        await asyncio.gather(*(registrar(novo()) for _ in range(30)))
    assert livro.commits == [10, 10, 10]


async def test_batches_of_one_are_never_paced(intervalo: Callable[[float], None]):
    intervalo(3600)
    async with asyncio.timeout(5), rodando(livro := Livro(max_batch=1)) as registrar:
        await asyncio.gather(*(registrar(novo()) for _ in range(3)))
    assert livro.commits == [1, 1, 1]


async def test_one_at_fault_does_not_fail_the_others():
    livro = Livro()
    comandos = [novo() for _ in range(3)]
    livro.recusa = comandos[1]
    async with asyncio.timeout(5), rodando(livro) as registrar:
        um, dois, tres = await asyncio.gather(*map(registrar, comandos), return_exceptions=True)
    assert (um.comando_id, tres.comando_id) == (comandos[0].id, comandos[2].id)
    assert isinstance(dois, ValueError)
    assert livro.commits == [3, 1, 1, 1]


async def test_who_has_gone_away_is_not_served():
    async with asyncio.timeout(5), rodando(livro := Livro()) as registrar:
        perdido, outro = registrar(novo()), registrar(novo())
        await asyncio.sleep(0)
        perdido.cancel()
        await outro
    assert livro.commits == [1]


async def test_no_more_are_taken_than_may_wait():
    livro = Livro(max_waiting=2)
    esperam = [asyncio.ensure_future(livro.registrar(novo())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LotadoError, match="2 wait already"):
        await livro.registrar(novo())
    for espera in esperam:
        espera.cancel()


async def test_a_commit_that_does_not_end_holds_nobody(monkeypatch: pytest.MonkeyPatch):
    """Neither those in it, nor those who wait for the next one, nor those who come; then it goes on as before."""
    monkeypatch.setattr(registro, "PACIENCIA", 0.1)
    async with asyncio.timeout(5), rodando(livro := Livro()) as registrar:
        livro.anda.clear()
        dentro = registrar(novo())
        await asyncio.sleep(0.02)
        fora = registrar(novo())
        falhas = await asyncio.gather(dentro, fora, return_exceptions=True)
        assert [type(falha) for falha in falhas] == [TimeoutError, TimeoutError]
        with pytest.raises(TimeoutError, match="a commit has not ended"):
            await registrar(novo())
        livro.anda.set()
        await asyncio.sleep(0.02)
        await registrar(novo())
    assert livro.commits == [1, 1], "who was let go before the commit began is not in any"


async def test_the_patience_of_one_commit_is_not_that_of_the_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registro, "PACIENCIA", 0.2)
    async with asyncio.timeout(5), rodando(livro := Livro()) as registrar:
        for _ in range(3):
            livro.anda.clear()
            um = registrar(novo())
            await asyncio.sleep(0.1)
            livro.anda.set()
            await um
    assert livro.commits == [1, 1, 1]


class Contended(Livro):
    """Somebody else holds what some of the commands need: their key, or a lock that makes the whole commit wait."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str] = set()
        self.locked = False

    async def gravar(self, comandos: Sequence[NovoComando]) -> list[Registrado | Exception]:
        busy = [comando.chave is not None and comando.chave.valor in self.held for comando in comandos]
        if self.locked and any(busy):
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
        written = await super().gravar([c for c, held in zip(comandos, busy, strict=True) if not held])
        results = iter(written)
        return [KeyBusyError("busy") if held else next(results) for held in busy]


def keyed(key: str) -> NovoComando:
    return replace(novo(), chave=Chave("ana", "/pedidos", key, b""))


@asynccontextmanager
async def contending(livro: Contended) -> AsyncIterator[Callable[[NovoComando], "asyncio.Task[Registrado]"]]:
    async with rodando(livro) as registrar:
        lane = asyncio.create_task(livro.run_contended())
        yield registrar
        lane.cancel()


@pytest.mark.parametrize("locked", [False, True], ids=["key busy", "lock timeout"])
async def test_a_command_whose_key_is_held_costs_the_others_nothing(locked: bool):
    livro = Contended()
    livro.held, livro.locked = {"k"}, locked
    async with asyncio.timeout(5), contending(livro) as registrar:
        waiting, others = registrar(keyed("k")), [registrar(novo()), registrar(keyed("other")), registrar(novo())]
        await asyncio.gather(*others)
        assert not waiting.done()
        livro.held = set()
        await waiting


async def test_locks_that_do_not_come_are_not_waited_for_one_after_another(monkeypatch: pytest.MonkeyPatch):
    """Of those that wait each would cost the others the time of a lock."""
    monkeypatch.setattr(registro, "CONTENDED_SECONDS", 0.2)

    class Slow(Contended):
        async def gravar(self, comandos: Sequence[NovoComando]) -> list[Registrado | Exception]:
            await asyncio.sleep(0.1)
            return await super().gravar(comandos)

    livro = Slow()
    livro.held, livro.locked = {"k"}, True
    async with asyncio.timeout(2), contending(livro) as registrar:
        ends = await asyncio.gather(*[registrar(keyed("k")) for _ in range(50)], return_exceptions=True)
    assert {type(end) for end in ends} == {KeyBusyError}


async def test_who_waits_for_a_key_is_told_so_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registro, "CONTENDED_SECONDS", 0.2)
    livro = Contended()
    livro.held = {"k"}
    async with asyncio.timeout(5), contending(livro) as registrar:
        waiting = [registrar(keyed("k")) for _ in range(20)]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {KeyBusyError}


async def test_who_waits_for_a_key_is_let_go_when_the_database_is_away():
    livro = Contended()
    livro.held = {"k"}
    async with asyncio.timeout(5), contending(livro) as registrar:
        waiting = [registrar(keyed("k")) for _ in range(3)]
        await asyncio.sleep(0.05)

        async def away(_: Sequence[NovoComando]) -> list[Registrado | Exception]:
            raise ConnectionRefusedError

        livro.gravar = away  # type: ignore[method-assign]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {ConnectionRefusedError}
